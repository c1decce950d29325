"""delta_pairs: a strong trace over a weak one of its problem, each in one pair, every row accounted for."""

from __future__ import annotations

from typing import Any

import pytest

from dqdata.errors import ColumnError
from dqdata.testing import Tried, run_operator

SIDES = {"strong": "teacher = 'r1'", "weak": "teacher = 'small'"}


def trace(key: str, teacher: str, response: str | None, reasoning: str | None = None) -> dict[str, Any]:
    return {
        "trace_id": key, "problem_id": key[:2], "question": f"Question {key[:2]}?", "reasoning": reasoning,
        "response": response, "teacher": teacher, "level": "easy",
    }  # fmt: skip


ROWS = [
    trace("p1a", "r1", "Strong one.", "Thought."), trace("p1b", "r1", "Strong two."),
    trace("p1c", "r1", "Strong one.", "Thought."),
    trace("p1d", "small", "Weak one."), trace("p1e", "small", "Weak two."), trace("p1f", "small", "Strong two."),
    trace("p2a", "r1", "Alone."), trace("p2b", "other", "On no side."),
    trace("p3a", "r1", "Strong."), trace("p3b", "small", "  "), trace("p3c", "small", "Weak."),
    trace("p3d", "small", None),
]  # fmt: skip


def paired(rows: list[dict[str, Any]] = ROWS, **params: Any) -> Tried:
    return run_operator("delta_pairs", rows, params={**SIDES, **params})


def test_strong_over_weak() -> None:
    tried = paired(k=3)
    sides = sorted(
        (row["problem_id"], row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in tried.rows
    )
    assert [problem for problem, _, _ in sides] == ["p1", "p1", "p3"]
    chosen = {"<think>\nThought.\n</think>\n\nStrong one.", "Strong two."}
    assert {one for problem, one, _ in sides if problem == "p1"} == chosen
    assert {one for problem, _, one in sides if problem == "p1"} == {"Weak one.", "Weak two."}
    for row in tried.rows:
        assert (row["gap"], row["beta"], row["level"]) == ("delta", 0.1, "easy")
        assert (row["chosen_teacher"], row["rejected_teacher"]) == ("r1", "small")
        assert row["prompt"][0]["content"] == f"Question {row['problem_id']}?" and len(row["parent_ids"]) == 2
    used = {key for row in tried.rows for key in row["parent_ids"]}
    assert used | set(tried.reasons) == {row["trace_id"] for row in ROWS} and not used & set(tried.reasons)
    details = {one["row_key"]: one["detail"] for one in tried.rejects}
    assert details["p2b"] == "on no side" and details["p3b"] == "not eligible"
    assert details["p2a"] == "no trace of the other side is left"


def test_order_and_seed() -> None:
    first = paired()
    assert len(first.rows) == 2, "k = 1 a problem"
    assert sorted(map(str, paired(ROWS[::-1]).frame["parent_ids"])) == sorted(map(str, first.frame["parent_ids"]))
    seeds = {str(sorted(map(str, paired(seed=seed).frame["parent_ids"]))) for seed in range(8)}
    assert len(seeds) > 1


def test_where_and_a_trace_on_both_sides() -> None:
    assert {row["problem_id"] for row in paired(where="problem_id <> 'p1'", system="Think.").rows} == {"p3"}
    both = paired(weak="true")
    assert {one["detail"] for one in both.rejects if one["row"]["teacher"] == "r1"} == {"both strong and weak"}
    assert not both.rows


def test_conditions_are_checked_before_a_row_is_read() -> None:
    with pytest.raises(ColumnError, match="techer"):
        paired(strong="techer = 'r1'")
    with pytest.raises(ColumnError, match="reasoning"):
        paired([{"trace_id": "t", "problem_id": "p", "question": "?", "response": "4", "teacher": "r1"}])
