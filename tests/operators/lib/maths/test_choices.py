"""Everyday phrasing of a choice in several languages, and what only looks like one.

Each line of choices.jsonl: reference, response, perhaps choices, and whether the response chooses the reference.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dqdata_operators.lib.maths import compare_choice

CASES = [json.loads(line) for line in (Path(__file__).parents[2] / "data" / "choices.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['reference']}-{case['response'][:60]}")
def test_choices(case: dict[str, Any]) -> None:
    judged = compare_choice(reference=case["reference"], response=case["response"], choices=case.get("choices"))
    assert (judged.verdict == "correct") is case["chosen"]


@pytest.mark.parametrize("case", [case for case in CASES if case["chosen"]], ids=lambda case: case["response"][:60])
def test_nothing_else_is_chosen(case: dict[str, Any]) -> None:
    for other in set("ABCD") - {case["reference"]}:
        judged = compare_choice(reference=other, response=case["response"], choices=case.get("choices"))
        assert judged.verdict != "correct"


@pytest.mark.parametrize(
    "response", ["A " * 500_000, "the answer is " * 80_000, "(" * 1_000_000, "\\text{" * 150_000, "选" * 1_000_000]
)
def test_long_responses_are_read_at_their_end(response: str) -> None:
    """What is quadratic in the text takes minutes here."""
    assert compare_choice(reference="C", response=response).verdict == "incorrect"
