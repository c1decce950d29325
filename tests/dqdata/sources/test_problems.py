"""The generator of arithmetic and word problems: right answers, stable for a seed, splits that share nothing."""

from __future__ import annotations

import random
import re

import pytest

from dqdata.columns import columns_of
from dqdata.errors import DataError
from dqdata.ids import digest
from dqdata.sources.arithmetic import exercise
from dqdata.sources.problems import Problems, ProblemsParams, split_of
from dqdata.sources.stories import TEMPLATES, story


def rows(**params):
    batches = Problems(ProblemsParams(**params), None).batches()
    return [row for batch in batches for row in batch.to_pylist()]


def test_columns_are_as_promised():
    source = Problems(ProblemsParams(rows=7), None)
    [batch] = source.batches()
    assert columns_of(batch.schema) == source.schema()
    assert batch.num_rows == source.row_count() == 7


def test_a_seed_gives_the_same_problems_bit_for_bit():
    made = rows(rows=400, seed=11)
    assert made == rows(rows=400, seed=11)
    assert digest(*(row["question"] + row["answer"] for row in made)) == "f29b407dcfd42c06ec609d356b52eabd"
    assert made != rows(rows=400, seed=12)


def test_more_rows_begin_with_the_same_rows():
    assert rows(rows=900, seed=3)[:200] == rows(rows=200, seed=3)


def test_no_question_comes_twice_and_splits_share_none():
    train, heldout = rows(rows=3000), rows(rows=3000, seed=5, split="heldout")
    questions = [row["question"] for row in train + heldout]
    assert len(set(questions)) == 6000


def test_the_same_sum_in_other_words_is_in_the_same_split():
    sums = {split_of(exercise(2, random.Random(seed)).core) for seed in range(300)}
    assert sums == {"train", "heldout"}
    by_operands: dict[tuple[str, ...], set[str]] = {}
    for split in ("train", "heldout"):
        for row in rows(rows=1500, kinds=["arithmetic"], levels=[1, 2], split=split):
            sign = "+" if re.search(r"\+|sum|Add|more", row["question"]) else "-"
            numbers = sorted(re.findall(r"\d+", row["question"]))
            by_operands.setdefault((sign, *numbers), set()).add(split)
    assert len(by_operands) > 100 and all(len(splits) == 1 for splits in by_operands.values())


def test_answers_of_written_arithmetic_are_right():
    checked = 0
    for row in rows(rows=3000, kinds=["arithmetic"]):
        found = re.search(r"[(\d][\d ()+×÷-]*\d\)?( ÷ \d+ \+ \d+)?", row["question"])
        if found and any(sign in found[0] for sign in "+-×÷"):
            expression = found[0].replace("×", "*").replace("÷", "/")
            assert eval(expression) == int(row["answer"]), row
            checked += 1
    assert checked > 1500


@pytest.mark.parametrize("level", TEMPLATES)
def test_stories_hold_only_whole_positive_numbers_and_no_hole(level):
    rng = random.Random(level)
    for _ in range(500):
        made = story(level, rng)
        assert made.answer >= 0 and "{" not in made.question and made.question.endswith("?")
        assert all(int(number) >= 1 for number in re.findall(r"-?\d+", made.question))


STORIES = {
    r"had (\d+) \w+ and gave (\d+) of": lambda x, b: x - b,
    r"has (\d+) \w+\. \w+ gives \w+ (\d+) more": lambda a, b: a + b,
    r"costs (\d+) coins\. \w+ buys (\d+) \w+ and pays with (\d+)": lambda c, d, x: x - c * d,
    r"pick (\d+) \w+, put (\d+) aside and share the rest equally": lambda x, b: (x - b) // 2,
    r"(\d+) \w+ lie in (\d+) equal rows": lambda x, c: x - x // c,
    r"saves (\d+) coins a week for (\d+) weeks, and \w+ adds (\d+) .* for (\d+) coins": lambda c, d, b, x: (
        c * d + b - x
    ),
    r"^(\d+) \w+ are shared equally among (\d+) children. Each of them had (\d+)": lambda x, c, d: 2 * (x // c + d),
    r"had (\d+) \w+\. It sold (\d+) \w+ of (\d+) \w+ each, and then (\d+)": lambda x, c, d, b: x - c * d - b,
    r"has (\d+) \w+\. \w+ has (\d+) times as many as \w+\. \w+ has (\d+) more": lambda a, c, b: a + 2 * a * c + b,
}


@pytest.mark.parametrize("pattern", STORIES)
def test_answers_of_stories_follow_from_their_text(pattern):
    told = [row for row in rows(rows=1500, kinds=["word"]) if re.search(pattern, row["question"])]
    assert len(told) > 20
    for row in told:
        numbers = map(int, re.search(pattern, row["question"]).groups())
        assert STORIES[pattern](*numbers) == int(row["answer"]), row


def test_levels_and_kinds_come_in_turn():
    made = rows(rows=20, levels=[1, 3])
    assert {(row["level"], row["source"]) for row in made} == {
        (1, "problems/arithmetic"),
        (1, "problems/word"),
        (3, "problems/arithmetic"),
        (3, "problems/word"),
    }
    assert all(int(row["answer"]) <= 18 for row in made if row["level"] == 1)


def test_more_than_there_is_says_how_many_there_are():
    with pytest.raises(DataError, match=r"levels \[1\] of arithmetic hold only about \d+ different questions"):
        rows(rows=5000, kinds=["arithmetic"], levels=[1])


def test_the_fingerprint_follows_the_parameters():
    def of(**params):
        return Problems(ProblemsParams(**params), None).fingerprint()

    assert of(rows=10) == of(rows=10)
    assert len({of(rows=10), of(rows=11), of(rows=10, seed=1), of(rows=10, split="heldout")}) == 4
