"""Kinds of answers by principle, as docs/verification.md states them, with the verdicts that are right.

Each line of verdict_kinds.jsonl: kind, reference, response, and the letters of the right verdicts (C correct,
I incorrect, U unverifiable).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dqdata_operators.lib.maths import compare

LINES = (Path(__file__).parents[2] / "data" / "verdict_kinds.jsonl").read_text().splitlines()
CASES = [json.loads(line) for line in LINES]
VERDICTS = {"C": "correct", "I": "incorrect", "U": "unverifiable"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["kind"].replace(" ", "_"))
def test_kinds(case: dict[str, str]) -> None:
    judged = compare(reference=case["reference"], response=case["response"])
    assert judged.verdict in [VERDICTS[letter] for letter in case["right"]], (case, judged)
