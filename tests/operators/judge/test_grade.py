"""Grades: the two parts of RV, CD, and lengths on one scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dqdata_operators.annotate.length_scale import LengthScale, LengthScaleParams
from dqdata_operators.judge.grade import Grade, GradeParams, on_scale
from dqdata_operators.judge.judge_process import JudgeProcess
from dqdata_operators.lib.asking.judging import JudgeParams
from outcomes import decided

from dqdata.columns import Columns
from dqdata.errors import ColumnError, RowError
from dqdata.operator import Schema
from dqdata.testing import OperatorRun, ScriptedTeacher, disk_table

ROW = {"problem_id": "p", "trace_id": "t", "question": "2+2?", "answer": "4", "response": "4", "rv_length": 4.5}
MARKS = (10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120)
HAVE = Columns({"trace_id": "VARCHAR", "question": "VARCHAR", "response": "VARCHAR"})


async def test_rv_is_the_weighed_sum_of_its_parts(tmp_path: Path) -> None:
    run = OperatorRun(tmp_path, j=ScriptedTeacher(['{"rv": 3, "cd": 2}']))
    [made] = await Grade(GradeParams(judge="j", alpha=0.25)).process(ROW, run)
    assert (made["rv_judge"], made["rv_length"], made["cd"]) == (3.0, 4.5, 2.0)
    assert made["rv"] == pytest.approx(0.25 * 3 + 0.75 * 4.5)


async def test_thresholds_stand_in_for_the_table(tmp_path: Path) -> None:
    run = OperatorRun(tmp_path, j=ScriptedTeacher(['{"rv": 3, "cd": 2}']))
    [made] = await Grade(GradeParams(judge="j", length_at=MARKS)).process({**ROW, "tokens": 60}, run)
    assert made["rv_length"] == 2.5
    assert made["rv"] == 2.75


@pytest.mark.parametrize(("tokens", "place"), [(0, 0), (10, 0), (15, 0.5), (80, 3), (5120, 9), (9999, 9)])
def test_on_scale(tokens: float, place: float) -> None:
    assert on_scale(tokens, MARKS) == place


async def test_a_missing_length_fails_before_the_judge_is_paid(tmp_path: Path) -> None:
    judge = ScriptedTeacher([])
    with pytest.raises(RowError, match="no_length"):
        await Grade(GradeParams(judge="j")).process({**ROW, "rv_length": None}, OperatorRun(tmp_path, j=judge))
    assert not judge.requests


def test_columns_say_what_is_missing() -> None:
    with pytest.raises(ColumnError, match="length_scale"):
        Grade(GradeParams(judge="j")).columns(HAVE, Schema())
    with pytest.raises(ColumnError, match="tokens"):
        Grade(GradeParams(judge="j", length_at=MARKS)).columns(HAVE, Schema())
    with pytest.raises(ColumnError, match="question"):
        Grade(GradeParams(judge="j", alpha=1)).columns(HAVE.drop("question"), Schema())
    made = Grade(GradeParams(judge="j", alpha=1)).columns(HAVE, Schema())
    assert {"rv_judge", "rv_length", "rv", "cd", "graded_by"} <= set(made)


@pytest.mark.parametrize("marks", [(1, 2, 3), (*MARKS[:9], 2560)])
def test_thresholds_are_ten_and_rise(marks: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="length_at"):
        GradeParams(judge="j", length_at=marks)


def test_lengths_by_rank(tmp_path: Path) -> None:
    tokens = [5, 100, 100, 9000, None]
    frame = pl.DataFrame({"trace_id": [f"t{n}" for n in range(5)], "tokens": tokens})
    rows, dropped = decided(LengthScale(LengthScaleParams()), frame, tmp_path)
    assert rows["rv_length"].to_list() == [0.0, 4.5, 4.5, 9.0]
    assert dropped == {"t4": ("no_length", "tokens is null")}


def test_lengths_do_not_depend_on_order_and_thresholds_are_printed(tmp_path: Path) -> None:
    frame = pl.DataFrame({"trace_id": [f"t{n:02}" for n in range(50)], "tokens": [n * n for n in range(50)]})
    rows, _ = decided(LengthScale(LengthScaleParams()), frame, tmp_path)
    turned, _ = decided(LengthScale(LengthScaleParams()), frame.reverse(), tmp_path)
    assert rows.sort("trace_id").equals(turned.sort("trace_id"))
    run = OperatorRun(tmp_path)
    LengthScale(LengthScaleParams()).process(disk_table(frame, tmp_path), run)
    marks = run.messages[0].removeprefix("length_at = [").removesuffix("]").split(", ")
    assert len(marks) == 10 and marks[0] == "0" and marks[-1] == "2401"


def test_one_trace_stands_in_the_middle(tmp_path: Path) -> None:
    rows, _ = decided(LengthScale(LengthScaleParams()), pl.DataFrame({"trace_id": ["t"], "tokens": [7]}), tmp_path)
    assert rows["rv_length"].to_list() == [4.5]


TRACE = {**ROW, "reasoning": "3 * 4 = 7\n\nSo it is 12.", "response": "12"}


async def processed(tmp_path: Path, *answers: str, **params: Any) -> Any:
    run = OperatorRun(tmp_path, j=ScriptedTeacher(answers))
    [made] = await JudgeProcess(JudgeParams(judge="j", **params)).process(TRACE, run)
    return made


async def test_process_names_the_first_wrong_step(tmp_path: Path) -> None:
    made = await processed(tmp_path, '{"first_wrong_step": 1, "leads_to_answer": false}')
    assert made["first_wrong_step"] == 1 and made["process_valid"] is False
    made = await processed(tmp_path, '{"first_wrong_step": null, "leads_to_answer": true}')
    assert made["first_wrong_step"] is None and made["process_valid"] is True


async def test_a_step_that_is_not_there_is_no_answer(tmp_path: Path) -> None:
    wrong = '{"first_wrong_step": 4, "leads_to_answer": false}'
    made = await processed(tmp_path, wrong, '{"first_wrong_step": 2, "leads_to_answer": false}')
    assert made["first_wrong_step"] == 2
    with pytest.raises(RowError, match="from 1 to 3"):
        await processed(tmp_path, wrong, wrong)


async def test_steps_are_numbered_for_the_judge(tmp_path: Path) -> None:
    judge = ScriptedTeacher(['{"first_wrong_step": null, "leads_to_answer": true}'])
    await JudgeProcess(JudgeParams(judge="j")).process(TRACE, OperatorRun(tmp_path, j=judge))
    shown = judge.requests[0].messages[-1].content
    assert "[1] 3 * 4 = 7" in shown and "[2] So it is 12." in shown and "[3] 12" in shown


async def test_a_valid_process_must_lead_to_the_answer(tmp_path: Path) -> None:
    made = await processed(tmp_path, '{"first_wrong_step": null, "leads_to_answer": false}')
    assert made["process_valid"] is False
