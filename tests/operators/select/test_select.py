"""The best k rows of every problem."""

from __future__ import annotations

import random

import pytest
from dqdata_operators.select.select import Select, SelectParams
from outcomes import decided, frame_of, have

from dqdata.errors import ColumnError, QueryError
from dqdata.operator import Schema

COLUMNS = {"problem_id": "VARCHAR", "trace_id": "VARCHAR", "correct": "BOOLEAN", "output_tokens": "BIGINT"}
ROWS = [
    ["p1", "t1", True, 900],
    ["p1", "t2", True, 400],
    ["p1", "t3", False, 100],
    ["p1", "t4", None, 50],
    ["p2", "t5", False, 10],
    ["p3", "t6", True, None],
    ["p3", "t7", True, 70],
]


def select(folder, rows=ROWS, **params):
    params = {"by": "correct desc, output_tokens asc"} | params
    kept, gone = decided(Select(SelectParams(**params)), frame_of(COLUMNS, rows), folder)
    return kept["trace_id"].to_list(), gone


def test_one_of_every_problem(tmp_path):
    kept, gone = select(tmp_path)
    assert kept == ["t2", "t5", "t7"]
    assert gone["t1"] == ("not_selected", "rank 2 of 4") and gone["t4"] == ("not_selected", "rank 4 of 4")


def test_several_and_nulls_last(tmp_path):
    assert select(tmp_path, k=2)[0] == ["t1", "t2", "t5", "t6", "t7"]
    assert select(tmp_path, k=9)[1] == {}


def test_only_rows_that_are_fit_are_chosen(tmp_path):
    kept, gone = select(tmp_path, where="correct", k=2)
    assert kept == ["t1", "t2", "t6", "t7"]
    assert gone["t4"] == gone["t5"] == ("not_eligible", "not: correct")


def test_problems_with_too_few_fit_rows_go_whole(tmp_path):
    rows = [*ROWS, ["p4", "t8", True, 5]]
    kept, gone = select(tmp_path, rows, where="correct", at_least=2)
    assert kept == ["t2", "t7"]
    assert gone["t8"] == ("too_few", "1 of 2 needed") and gone["t5"][0] == "not_eligible"
    assert gone["t1"] == ("not_selected", "rank 2 of 2")


def test_equals_are_settled_by_key_in_whatever_order_they_come(tmp_path):
    rows = [["p1", f"t{n}", True, 7] for n in range(9)]
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        assert sorted(select(tmp_path, rows, k=2)[0]) == ["t0", "t1"]


def test_per_another_column(tmp_path):
    assert select(tmp_path, per="correct", by="output_tokens desc")[0] == ["t1", "t3", "t4"]


def test_expressions_with_remarks_and_quotes(tmp_path):
    assert select(tmp_path, by="(trace_id = 't3') desc -- this one", where="trace_id <> 'it''s'")[0][0] == "t3"


@pytest.mark.parametrize(
    ("params", "error", "said"),
    [
        ({"by": "corect desc"}, ColumnError, "by = 'corect desc' needs column 'corect'; did you mean 'correct'"),
        ({"by": "output_tokens asc,"}, QueryError, "syntax error"),
        ({"by": "random()"}, QueryError, "random() gives another result"),
        ({"where": "output_tokens"}, QueryError, "where = 'output_tokens' is BIGINT, not a condition"),
        ({"per": "problem"}, ColumnError, "needs column 'problem'; did you mean 'problem_id'"),
    ],
)
def test_wrong_parameters_are_found_when_planning(params, error, said):
    with pytest.raises(error) as caught:
        Select(SelectParams(**({"by": "correct"} | params))).columns(have(frame_of(COLUMNS, [])), Schema())
    assert said in str(caught.value)


def test_a_value_that_the_ranking_chokes_on_is_named(tmp_path):
    with pytest.raises(QueryError, match=r"select by = 'trace_id::int': .*t1"):
        select(tmp_path, by="trace_id::int")
