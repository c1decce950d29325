"""Code tasks in other words, and the same formulas with another question."""

from __future__ import annotations

import polars as pl
import pytest
from dqdata_operators.lib.benchmarks.evidence import Candidates, Evidence, Prepared
from dqdata_operators.lib.benchmarks.tasks import Tasks
from dqdata_operators.lib.benchmarks.wording import Wordings, Words

TASKS = (
    "find the smallest number in a list",
    "find the largest number in a list",
    "reverse a string",
    "remove duplicates from a tuple",
    "count the vowels of a word",
)


@pytest.mark.needs("wordllama")
@pytest.mark.parametrize(
    ("said", "task"),
    [
        ("Return the minimum of an array of integers.", 0),
        ("What is the maximum of the values of an array?", 1),
        ("Turn the characters of a text around: reversed.", 2),
        ("Drop repeated elements, duplicates, of tuples.", 3),
        ("How many vowel letters does the word have? Counting them.", 4),
    ],
)
def test_a_task_in_other_words_is_nearest_to_itself(said: str, task: int) -> None:
    wordings, texts = Wordings(pl.Series(TASKS)), Words(pl.Series([said]))
    shares = [wordings.compare(texts, 0, place).said for place in range(len(TASKS))]
    assert shares.index(max(shares)) == task and sorted(shares)[-2] < max(shares)


@pytest.mark.needs("wordllama")
def test_a_text_without_words_says_nothing() -> None:
    assert Wordings(pl.Series(TASKS)).compare(Words(pl.Series(["1 2 3"])), 0, 0) == (0.0, 0.0)


@pytest.mark.needs("rapidfuzz")
@pytest.mark.parametrize(("cosine", "kind"), [(0.3, "doubtful"), (0.8, "rephrased"), (0.0, "rephrased")])
def test_the_same_formulas_with_other_words_are_doubtful(cosine: float, kind: str) -> None:
    problem = r"Find all real solutions of the equation $x^4 - 13x^2 + 36 = 0$ and list them in order."
    text = r"For which numbers is the polynomial $x^4 - 13x^2 + 36 = 0$ a perfect square? Find their sum."
    texts = Prepared(Tasks.of(pl.Series([text])))
    others = [f"Solve $x^{number} = {number}$ for the unknown." for number in range(4, 9)]
    [pair] = Evidence([problem, *others]).compare(texts, Candidates.of([(0, 0, cosine, 0.0)]))
    assert pair.kind == kind
