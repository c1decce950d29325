"""Kinds of answers by principle, as docs/verification.md states them, with the verdicts that are right.

Each line of verdict_kinds.jsonl: kind, reference, response, perhaps a question, and the letters of the right verdicts
(C correct, I incorrect, U unverifiable). choice_kinds.jsonl holds the same for choices and words.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dqdata_operators.lib.maths import compare, compare_choice, compare_text

DATA = Path(__file__).parents[2] / "data"
CASES = [json.loads(line) for line in (DATA / "verdict_kinds.jsonl").read_text().splitlines()]
CASES_OF_CHOICES = [json.loads(line) for line in (DATA / "choice_kinds.jsonl").read_text().splitlines()]
VERDICTS = {"C": "correct", "I": "incorrect", "U": "unverifiable"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["kind"].replace(" ", "_"))
def test_kinds(case: dict[str, str]) -> None:
    judged = compare(reference=case["reference"], response=case["response"], question=case.get("question"))
    assert judged.verdict in [VERDICTS[letter] for letter in case["right"]], (case, judged)


@pytest.mark.parametrize("case", CASES_OF_CHOICES, ids=lambda case: case["kind"])
def test_kinds_of_choices(case: dict[str, Any]) -> None:
    if case["kind"] == "text":
        judged = compare_text(reference=case["reference"], response=case["response"])
    else:
        judged = compare_choice(reference=case["reference"], response=case["response"], choices=case.get("choices"))
    assert judged.verdict in [VERDICTS[letter] for letter in case["right"]], (case, judged)
