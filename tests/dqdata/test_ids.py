"""Ids that stores already hold: a scheme never names a problem otherwise."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from dqdata.ids import DEFAULT_SCHEME, SCHEMES, problem_id, problem_ids


def test_ids_of_both_schemes_are_those_that_stores_hold() -> None:
    assert DEFAULT_SCHEME == "nfc"
    assert problem_id("What is 2³?", "8") == "fa8e18d19f7fc4896ee383c5f2c296cf"
    assert problem_id("What is 2³?", "8", scheme="nfkc") == "3e69a5da4a7b6ec685a6d2cde6608463"
    for scheme in ("nfc", "nfkc"):
        assert problem_id("What is 23?", "8", scheme=scheme) == "3e69a5da4a7b6ec685a6d2cde6608463"


@pytest.mark.parametrize(("one", "other"), [("2³", "23"), ("½", "1⁄2"), ("①", "1"), ("x₂", "x2"), ("2ⁿ", "2n")])
def test_signs_that_nfkc_makes_plain_stay_apart_in_new_stores(one: str, other: str) -> None:
    assert problem_id(one, "1") != problem_id(other, "1")
    assert problem_id(one, "1", scheme="nfkc") == problem_id(other, "1", scheme="nfkc")


def test_one_text_in_two_forms_is_one_problem() -> None:
    assert problem_id("caf\u00e9", "1") == problem_id("cafe\u0301 ", "1")


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_ids_of_many_problems_are_those_of_one_by_one(scheme: str) -> None:
    """Texts of every kind of white space and of characters that a scheme changes, nulls, and a slice of an array."""
    drawn = random.Random(scheme)
    signs = [*"ab \n\t\x0b\x1c\x85\xa0\u2003\u200b\x00²é😀", "  ", "e\u0301", "x y", "\r\n"]
    columns = [
        [None if drawn.random() < 0.2 else "".join(drawn.choices(signs, k=drawn.randrange(7))) for _ in range(2000)]
        for _ in range(3)
    ]
    arrays = [pa.array(column, pa.large_string()) for column in columns]
    rows = zip(*columns, strict=True)
    alone = [problem_id(question, *rest, scheme) if question and question.strip() else None for question, *rest in rows]
    assert problem_ids(*arrays, scheme) == alone
    assert problem_ids(*(array.slice(3, 40) for array in arrays), scheme) == alone[3:43]
    assert problem_ids(*(array.slice(0, 0) for array in arrays), scheme) == []
