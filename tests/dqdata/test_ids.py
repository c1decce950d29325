"""Ids that stores already hold: a scheme never names a problem otherwise."""

from __future__ import annotations

import pytest

from dqdata.ids import DEFAULT_SCHEME, problem_id


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
