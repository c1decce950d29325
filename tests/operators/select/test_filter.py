"""SQL conditions: what stays, what goes and why, and what is refused when planning."""

from __future__ import annotations

import polars as pl
import pytest
from dqdata_operators.select.filter import Filter, FilterParams
from outcomes import batched, frame_of, have

from dqdata.columns import MESSAGES
from dqdata.errors import ColumnError, QueryError, RowError
from dqdata.operator import Schema

FRAME = frame_of(
    {"trace_id": "VARCHAR", "verdict": "VARCHAR", "correct": "BOOLEAN", "rv": "DOUBLE", "messages": MESSAGES},
    [
        ["t1", "correct", True, 3.0, [{"role": "user", "content": "a"}]],
        ["t2", "incorrect", False, 4.0, []],
        ["t3", None, None, None, None],
    ],
)


def kept(where: str) -> list[str]:
    return batched(Filter(FilterParams(where=where)), FRAME)[0]["trace_id"].to_list()


@pytest.mark.parametrize(
    ("where", "stays"),
    [
        ("correct", ["t1"]),
        ("not correct", ["t2"]),
        ("correct is null", ["t3"]),
        ("verdict = 'correct' or rv > 3.5", ["t1", "t2"]),
        ("len(messages) > 0 and messages[1].role = 'user'", ["t1"]),
        ("coalesce(rv, 0) < 3.5 -- a remark", ["t1", "t3"]),
        ("TRACE_ID in ('t1', 't3')", ["t1", "t3"]),
        ("true", ["t1", "t2", "t3"]),
        ("null::boolean", []),
    ],
)
def test_null_counts_as_not_true(where, stays):
    Filter(FilterParams(where=where)).columns(have(FRAME), Schema())
    assert kept(where) == stays


def test_rejects_say_the_condition_and_the_values_it_saw():
    batch = Filter(FilterParams(where="correct and rv < 9 and len(messages) > 0")).process(FRAME)
    assert batch.dropped.to_dicts() == [
        {
            "trace_id": "t2",
            "reason": "filtered by correct and rv < 9 and len(messages) > 0",
            "detail": "correct=false, rv=4.0",
        },
        {
            "trace_id": "t3",
            "reason": "filtered by correct and rv < 9 and len(messages) > 0",
            "detail": "correct=null, rv=null",
        },
    ]
    assert batch.rows.schema == FRAME.schema
    named = Filter(FilterParams(where="correct", reason="not correct")).process(FRAME)
    assert named.dropped["reason"].unique().to_list() == ["not correct"]


def test_long_values_are_cut_in_the_detail():
    frame = pl.DataFrame({"problem_id": ["p"], "question": ["x" * 5000]})
    assert len(Filter(FilterParams(where="question = ''")).process(frame).dropped["detail"][0]) < 120


@pytest.mark.parametrize(
    ("where", "error", "said"),
    [
        ("verdct = 'correct'", ColumnError, "needs column 'verdct'; did you mean 'verdict'? (have: trace_id,"),
        ("rv + 1", QueryError, "is DOUBLE, not a condition"),
        ("verdict", QueryError, "is VARCHAR, not a condition"),
        ("rv >", QueryError, "syntax error"),
        ("verdict > [1]", QueryError, "where = 'verdict > [1]'"),
        ("random() < 0.5", QueryError, "random() gives another result each time"),
        ("current_date > '2020-01-01'", QueryError, "current_date() gives another result each time"),
        ("count(*) > 1", QueryError, "aggregate"),
        ("row_number() over () < 3", QueryError, "window function"),
        ("trace_id in (select 't1')", QueryError, "no subquery here"),
        ("lenght(verdict) > 3", QueryError, "lenght"),
        ("true; drop table rows", QueryError, "syntax error"),
    ],
)
def test_wrong_conditions_are_found_when_planning(where, error, said):
    with pytest.raises(error) as caught:
        Filter(FilterParams(where=where)).columns(have(FRAME), Schema())
    assert said in str(caught.value)


def test_a_value_that_the_condition_chokes_on_fails_its_row():
    """The engine halves the batch until that row is alone."""
    frame = pl.DataFrame({"problem_id": ["p1", "p2"], "answer": ["12", "twelve"]})
    operator = Filter(FilterParams(where="answer::int > 3"))
    with pytest.raises(RowError, match=r"sql_error.*twelve"):
        operator.process(frame)
    assert len(operator.process(frame[:1]).rows) == 1


def test_the_same_process_filters_frames_of_other_shapes():
    operator = Filter(FilterParams(where="n > 1"))
    assert len(operator.process(pl.DataFrame({"problem_id": ["a"], "n": [2]})).rows) == 1
    assert len(operator.process(pl.DataFrame({"n": [0.5], "problem_id": ["a"], "more": [[1]]})).rows) == 0
