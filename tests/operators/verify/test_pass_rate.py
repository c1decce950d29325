"""Pass rates: fresh attempts, intervals, and stopping when the bin is certain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dqdata_operators.verify.pass_rate import PassRate, PassRateParams, wilson

from dqdata.columns import Columns
from dqdata.errors import RowError, TeacherError
from dqdata.operator import Schema
from dqdata.teacher import Completion, Request, Usage
from dqdata.testing import OperatorRun, ScriptedTeacher

ROW = {"problem_id": "p", "question": "What is 2 + 2?", "answer": "4"}


async def measured(
    tmp_path: Path, answer: Any, row: dict[str, Any] = ROW, **params: Any
) -> tuple[Any, ScriptedTeacher]:
    student = ScriptedTeacher(answer, model="student-1")
    operator = PassRate(PassRateParams(student="s", **params))
    [made] = await operator.process(row, OperatorRun(tmp_path, s=student))
    return made, student


def every(right: str, of: int = 1) -> Any:
    def answer(request: Request) -> str:
        return right if request.sample % of == 0 else "\\boxed{5}"

    return answer


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634)]
)
def test_wilson(correct: int, n: int, low: float, high: float) -> None:
    """Values from the closed formula, as in Brown, Cai and DasGupta (2001)."""
    assert wilson(correct, n, 0.95) == pytest.approx((low, high), abs=1e-4)


async def test_half_right(tmp_path: Path) -> None:
    made, student = await measured(tmp_path, every("\\boxed{4}", of=2), n=8, bins=())
    assert (made["pass_rate"], made["pass_n"], made["pass_correct"], made["pass_by"]) == (0.5, 8, 4, "student-1")
    assert made["pass_low"] < 0.5 < made["pass_high"]
    assert len({student.key(request) for request in student.requests}) == 8
    assert {request.draw for request in student.requests} == {"pass_rate"}


async def test_drawing_ends_when_the_bin_is_certain(tmp_path: Path) -> None:
    sure, student = await measured(tmp_path, every("\\boxed{4}"), n=64, bins=(0.5,))
    assert sure["pass_n"] == len(student.requests) == 4 and sure["pass_low"] > 0.5
    torn, student = await measured(tmp_path, every("\\boxed{4}", of=2), n=16, bins=(0.5,))
    assert torn["pass_n"] == len(student.requests) == 16


async def test_n_bounds_the_last_block(tmp_path: Path) -> None:
    made, _ = await measured(tmp_path, every("\\boxed{4}", of=2), n=6, bins=())
    assert made["pass_n"] == 6


async def test_a_flawed_attempt_is_a_failed_one(tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        return Completion("So \\boxed{4} and", "length", Usage(1, 9)) if request.sample % 2 else "\\boxed{4}"

    made, _ = await measured(tmp_path, answer, n=4, bins=())
    assert (made["pass_rate"], made["pass_flawed"]) == (0.5, 2)


async def test_all_rows_of_a_problem_ask_the_same(tmp_path: Path) -> None:
    _, one = await measured(tmp_path, every("\\boxed{4}"), n=4)
    _, other = await measured(tmp_path, every("\\boxed{4}"), {**ROW, "trace_id": "t2", "reasoning": "x"}, n=4)
    assert [one.key(request) for request in one.requests] == [other.key(request) for request in other.requests]


async def test_a_reference_nobody_can_read_fails_the_row(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="unverifiable"):
        await measured(tmp_path, every("\\boxed{4}"), {**ROW, "answer": "\\frac{1}{"}, n=8)


async def test_a_failed_call_flies_once_the_others_have_landed(tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        return TeacherError("busy", kind="retryable", reason="busy") if request.sample == 0 else "\\boxed{4}"

    with pytest.raises(TeacherError):
        await measured(tmp_path, answer, n=4)


def test_plan() -> None:
    operator = PassRate(PassRateParams(student="s", n=8, max_tokens=100))
    have = Columns({"problem_id": "VARCHAR", "question": "VARCHAR", "answer": "VARCHAR"})
    assert operator.columns(have, Schema())["pass_rate"] == "DOUBLE"
    assert operator.children() == (("verify_math", {}),) and operator.teachers() == ("s",)
    assert operator.estimate(10).calls["s"].calls == 80
    assert operator.estimate(10).calls["s"].output_tokens == 8000


@pytest.mark.parametrize("bins", [(0.5, 0.5), (0.0,), (0.7, 0.2)])
def test_bins_rise(bins: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="rise"):
        PassRateParams(student="s", bins=bins)
