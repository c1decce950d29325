"""add_instructions: constraints that go together, in the layout of verify_instructions, the same in every run."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations

import pytest
from dqdata_operators.generate.add_instructions import AddInstructionsParams
from dqdata_operators.lib.instructions.drawing import exclusive
from dqdata_operators.lib.instructions.kinds import KINDS
from dqdata_operators.lib.instructions.layout import read

from dqdata.errors import ColumnError
from dqdata.testing import Tried, run_operator

QUESTIONS = ("Why is the sky blue in the morning?", "Describe a market, with {braces}.", "为什么天空是蓝色的？", "Go?")


def add(**params: object) -> Tried:
    rows = [{"problem_id": f"p{place}", "question": text, "answer": "42"} for place, text in enumerate(QUESTIONS)]
    return run_operator("add_instructions", rows, params=params)


def test_prompts_with_constraints_that_can_be_checked() -> None:
    tried = add(n=30, constraints=[2, 3])
    assert len(tried.rows) + len(tried.rejects) == 30 * len(QUESTIONS)
    kinds: Counter[str] = Counter()
    for row in tried.rows:
        asked = read(row["instruction_id_list"], row["kwargs"])
        assert [one.fault for one in asked if one.fault] == []
        assert not any(exclusive(one.name, other.name) for one, other in combinations(asked, 2))
        assert 2 <= len(asked) <= 3
        seed = QUESTIONS[int(row["seed_id"][1:])]
        assert row["question"].startswith(f"{seed}\n\n") and row["answer"] == "42"
        for name, given in zip(row["instruction_id_list"], json.loads(row["kwargs"]), strict=True):
            assert KINDS[name].words(KINDS[name].read(given)) in row["question"]
        kinds.update(row["instruction_id_list"])
    assert len({row["problem_id"] for row in tried.rows}) == len(tried.rows)
    assert len(kinds) >= 22, "every kind but the one that goes with no other"
    assert add(n=30, constraints=[2, 3]).frame.equals(tried.frame), "the same constraints in every run"
    assert not add(n=30, constraints=[2, 3], seed=5).frame.equals(tried.frame)


def test_kinds_and_seeds_that_stay() -> None:
    tried = add(kinds=["punctuation", "startend:quotation"], constraints=[1, 1], keep_seeds=True)
    plain = [row for row in tried.rows if row["instruction_id_list"] is None]
    assert {row["question"] for row in plain} == set(QUESTIONS)
    drawn = {name for row in tried.rows for name in row["instruction_id_list"] or ()}
    assert drawn <= {"punctuation:no_comma", "startend:quotation"} and len(tried.rows) == 2 * len(QUESTIONS)
    short = add(kinds=["detectable_format:constrained_response", "startend:quotation"], constraints=[2, 2])
    assert set(short.reasons.values()) == {"constraints_conflict"}


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no kind of constraint 'punctuation:no_coma'; did you mean"):
        AddInstructionsParams(kinds=("punctuation:no_coma",))
    with pytest.raises(ValueError, match="least, most"):
        AddInstructionsParams(constraints=(3, 1))
    with pytest.raises(ColumnError, match="these rows are traces"):
        run_operator("add_instructions", [{"problem_id": "p", "trace_id": "t", "question": "Why?"}])


def test_constraints_reach_the_verifier() -> None:
    """What was drawn for one problem is checked on responses to it."""
    made = add(kinds=["punctuation:no_comma"], constraints=[1, 1]).rows
    rows = [{**row, "response": text} for row in made for text in ("No stop here", "One, two")]
    rows = [{**row, "problem_id": str(place)} for place, row in enumerate(rows)]
    verdicts = {row["problem_id"]: row["correct"] for row in run_operator("verify_instructions", rows).rows}
    assert verdicts == {str(place): place % 2 == 0 for place in range(2 * len(QUESTIONS))}
