"""SQL expressions checked when planning."""

from __future__ import annotations

import threading

import pytest

from dqdata.columns import MESSAGES, Columns
from dqdata.errors import ColumnError, QueryError
from dqdata.expressions import check_condition, check_ranking, check_value, names_read
from dqdata.sql import literal, quoted

HAVE = Columns(
    {"trace_id": "VARCHAR", "correct": "BOOLEAN", "Rv": "DOUBLE", "messages": MESSAGES, "odd name": "BIGINT"}
)


def test_columns_that_an_expression_reads():
    assert check_condition("rv > 1 and correct", HAVE) == ("correct", "Rv")
    assert check_condition('"odd name" = 1 and messages[1].content <> trace_id', HAVE) == (
        "trace_id",
        "messages",
        "odd name",
    )
    assert check_ranking("correct desc nulls first, -rv", HAVE) == ("correct", "Rv")
    assert names_read("correct desc, rv") == {"correct", "rv"}


def test_the_type_of_a_value():
    assert check_value("len(trace_id) + 1", HAVE, "value") == "BIGINT"
    with pytest.raises(ColumnError, match=r"value = 'len.trce_id.' needs column 'trce_id'; did you mean 'trace_id'"):
        check_value("len(trce_id)", HAVE, "value")


@pytest.mark.parametrize(
    "expression", ["random() > 0", "now() is null", "uuid() = ''", "nextval('s') > 1", "today() > null"]
)
def test_what_changes_from_run_to_run_is_refused(expression):
    for check in (check_condition, check_ranking):
        with pytest.raises(QueryError, match="gives another result each time"):
            check(expression, HAVE)


def test_a_column_named_like_a_clock_is_a_column():
    assert check_condition('"today" = 1', Columns({"today": "BIGINT"})) == ("today",)


def test_checks_run_in_any_thread():
    found: list[tuple[str, ...]] = []
    threads = [threading.Thread(target=lambda: found.append(check_condition("correct", HAVE))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [("correct",)] * 4


def test_quoting():
    assert quoted('a"b') == '"a""b"' and literal("it's") == "'it''s'"
