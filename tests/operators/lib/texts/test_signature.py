"""What near duplicates must agree in: pairs that look alike and are two problems, pairs that are one."""

from __future__ import annotations

import json

import polars as pl
import pytest
from dqdata_operators.lib.texts.answer_marks import answer_marks
from dqdata_operators.lib.texts.signature import conflicts, signatures
from dqdata_operators.select.dedup import Dedup, DedupParams
from outcomes import decided

TWO = (
    ("Solve 3x + 5 = 20.", "Solve 3x - 5 = 20."),
    ("Two balls are drawn with replacement.", "Two balls are drawn without replacement."),
    ("Find the area of a square of side 4.", "Find the perimeter of a square of side 4."),
    ("Tom has 5 more apples than Ann.", "Tom has 5 fewer apples than Ann."),
    ("Is 7 prime?", "Is 7 not prime?"),
    ("Compute 2^8.", "Compute 2*8."),
    ("x < 5", "x <= 5"),
    (r"x \leq 5", "x < 5"),
    ("Compute 5 - 3.", "Compute 3 - 5."),
    ("P(A and B)", "P(A or B)"),
    ("Solve ax + by = c for x.", "Solve ax + by = c for y."),
    ("Ann is taller than Bob.", "Bob is taller than Ann."),
    ("He has 3 apples and 5 pears.", "He has 3 pears and 5 apples."),
    ("at least 3 heads", "at most 3 heads"),
    ("angle ABC", "angle BAC"),
    ("Tom pays $5 each for 3 pens.", "Tom pays $5 for 3 pens."),
    (r"\frac{1}{2}x", r"\frac{2}{1}x"),
    ("3(x+5)", "3x+5"),
    ("log_2 8", "log_3 8"),
    ("log2(8)", "log3(8)"),
    ("a nonzero number", "a zero number"),
    (r"\sin x", r"\cos x"),
    ("the interval [0,1]", "the interval (0,1)"),
    ("Compute 5!", "Compute 5"),
    ("25% of 80", "25 of 80"),
    ("3比5多多少？", "3比5少多少？"),
    ("Write a function to find the first digit.", "Write a function to find the last digit."),
    ("What is the mean of the list?", "What is the median of the list?"),
    ("three apples", "four apples"),
    ("A pump fills a tank in 6 hours.", "A pump empties a tank in 6 hours."),
    ("In how many ways can 5 people sit in a row?", "In how many ways can 5 people sit in a circle?"),
    ("Ein Rohr leert das Becken in 6 Stunden.", "Ein Rohr füllt das Becken in 6 Stunden."),
    ("求方程 x^2=9 的正根。", "求方程 x^2=9 的负根。"),
    ("The train is 10 minutes late.", "The train is 10 minutes early."),
    ("Ann gives 5 pens to Bob.", "Ann gets 5 pens from Bob."),
    ("Are all of the 5 roots real?", "Are any of the 5 roots real?"),
)
ONE = (
    ("3 pens in each box", "3 pens in every box"),
    ("It is 8 cm long.", "It is 8 centimeters long."),
    ("Anna has 3 red pens and buys 2 more pens.", "Maria has 3 red pens and buys 2 more pens."),
    ("How many pens has the farmer now?", "How many pens has he now?"),
    ("a tree of 3 branches", "a tree of 3 branch"),
    ("Solve 3x + 5 = 20.", "Solve $3x+5=20$"),
    (r"\frac{1}{2} of it", "1/2 of it"),
    (r"\dfrac{x}{y}", r"\frac{x}{y}"),
    (r"3 \cdot 4", "3 × 4"),
    ("1,000 apples", "1000.0 apples"),
    ("x ≤ 5", r"$x \leq 5$"),
    ("It isn't so.", "It is not so"),
    ("What is 2 + 2?", "WHAT IS 2 + 2?"),
    ("three apples", "3 apples"),
    ("x²", r"x^{2}"),
    ("a well-known man", "a well known man"),
    ("**Find** the largest n", "Find the greatest n"),
    ("3−2", "3-2"),
    ("5%", "5 percent"),
    (r"\sqrt{2}", "√2"),
    ("He paid 3 - and left", "He paid 3 and left"),
    ("- item one\n- item two", "item one\nitem two"),
    (r"\left( x + 1 \right)", "(x+1)"),
    ("2**3", "2^3"),
    ("Ann has apples. Bob has pears. Who has more?", "Bob has pears. Ann has apples. Who has more?"),
    ("Each of the 5 boys has 3 balls.", "Every one of the 5 boys has got 3 balls."),
    ("How many apples are there in total? 3 + 4", "How many apples are there altogether? 3 + 4"),
)


def may_be_merged(left: str, right: str) -> bool:
    made = signatures(pl.Series([left, right]))
    return bool(made.marks[0] == made.marks[1]) and not conflicts(made.traits[:1], made.traits[1:])[0]


@pytest.mark.parametrize(("left", "right"), TWO)
def test_two_problems(left: str, right: str) -> None:
    assert not may_be_merged(left, right)


@pytest.mark.parametrize(("left", "right"), ONE)
def test_one_problem(left: str, right: str) -> None:
    assert may_be_merged(left, right)


def test_company_changes_no_signature() -> None:
    texts = pl.Series([*(text for pair in (*TWO, *ONE) for text in pair), "", None])
    whole = signatures(texts)
    for at in range(len(texts)):
        alone = signatures(texts[at : at + 1])
        assert alone.marks[0] == whole.marks[at] and (alone.traits[0] == whole.traits[at]).all()


@pytest.mark.parametrize("method", ["minhash", pytest.param("semantic", marks=pytest.mark.needs("wordllama"))])
@pytest.mark.parametrize(
    "padding", ["", "In the garden of the old house by the river Tom thinks about it for a while. "]
)
def test_nothing_that_differs_is_merged(method: str, padding: str, tmp_path) -> None:
    keys = [f"{number}{side}" for number in range(len(TWO)) for side in "ab"]
    frame = pl.DataFrame({"problem_id": keys, "question": [padding * 4 + text for pair in TWO for text in pair]})
    params = DedupParams(column="question", method=method, threshold=0.01, ngram=1)
    gone = decided(Dedup(params), frame, tmp_path)[1]
    pairs = {(key, json.loads(detail)["duplicate_of"]) for key, (_, detail) in gone.items()}
    assert not [TWO[number] for number in range(len(TWO)) if (f"{number}b", f"{number}a") in pairs]


def test_other_answers_are_other_problems(tmp_path) -> None:
    """Of one wording; a row without an answer goes with the first that has one, and 1/2 is one half."""
    answers = {"a": "12", "b": None, "c": "13", "d": "12.0", "e": "$13$", "f": None}
    text = "How many apples does the farmer pick from the trees of the garden behind his house?"
    frame = pl.DataFrame({"problem_id": list(answers), "question": [text] * 6, "answer": list(answers.values())})
    gone = decided(Dedup(DedupParams(column="question", method="minhash", cluster_column="group")), frame, tmp_path)[1]
    assert {key: json.loads(detail)["duplicate_of"] for key, (_, detail) in gone.items()} == {
        "b": "a", "d": "a", "f": "a", "e": "c",
    }  # fmt: skip
    whatever = DedupParams(column="question", method="minhash", distinguish=("numbers",))
    (tmp_path / "b").mkdir()
    assert len(decided(Dedup(whatever), frame, tmp_path / "b")[1]) == 5


def test_answers_in_one_form() -> None:
    marks = answer_marks(pl.Series(["1/2", r"$\frac{1}{2}$", "0.5", None, "", " (B) ", "b", "1,000", "1000.00"]))
    assert marks[0] == marks[1] != marks[2] and marks[3] == marks[4] == 0
    assert marks[5] == marks[6] and marks[7] == marks[8]


def test_rows_alike_through_a_row_that_differs_are_not_joined(tmp_path) -> None:
    """a and c agree and are both like b, which has another number; they aren't like each other."""
    words = "garden house river bridge market castle forest meadow valley harbour island temple".split()
    rows = {"a": [*words[:9], "20"], "b": [*words[2:11], "30"], "c": [*words[4:12], "20"]}
    frame = pl.DataFrame({"problem_id": list(rows), "question": [" ".join(row) for row in rows.values()]})
    params = {"column": "question", "method": "minhash", "threshold": 0.5, "ngram": 1}
    assert not decided(Dedup(DedupParams(**params)), frame, tmp_path)[1]
    (tmp_path / "b").mkdir()
    assert len(decided(Dedup(DedupParams(**params, distinguish=())), frame, tmp_path / "b")[1]) == 2
