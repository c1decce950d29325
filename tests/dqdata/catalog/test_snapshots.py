"""Small questions about a store are answered from memory while nothing changed, and anew when anyone changed it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from dqdata.catalog import Store, Version


class Counted:
    """A connection that keeps what is executed."""

    def __init__(self, con: Any) -> None:
        self._con, self.executed = con, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)

    def execute(self, sql: str) -> Any:
        self.executed.append(sql)
        return self._con.execute(sql)


QUESTIONS = [
    "select count(*) from lake.main.dq_versions",
    "select catalog, version from lake.main.dq_versions order by all",
    "select count(*) from lake.main.dq_runs",
    "select count(*) from lake.main.dq_marks",
    "describe from lake.main.dq_checks",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_asked_once_until_another_process_or_object_changes_the_store(
    store: Store, commit_to: Callable[..., Version], problems: Callable[..., Any], question: str
) -> None:
    with Store.open(store.path, read_only=True) as reader, contextlib.closing(reader.cursor()) as con:
        counted = Counted(con)

        def ask() -> list[tuple[Any, ...]]:
            [rows] = reader._asked.rows(counted, question)
            return rows

        first = ask()
        first.append(("what one caller does with its rows is nobody else's",))
        assert ask() == first[:-1] and counted.executed.count(question) == 1

        commit_to(store, "problems", problems([1]))
        store.record_run({"run_id": "r1", "pipeline": "p"})
        after = ask()
        assert counted.executed.count(question) == 2
        assert after == con.execute(question).fetchall()
        assert reader.latest("problems") == 1
        commit_to(store, "problems", problems([1, 2]))
        assert reader.latest("problems") == 2 and len(reader.versions("problems")) == 2


def test_a_question_that_fails_is_asked_again(store: Store) -> None:
    for _ in range(2):
        with pytest.raises(Exception, match="nothing_there"), contextlib.closing(store.cursor()) as con:
            store._asked.rows(con, "from lake.main.nothing_there")
    assert store.latest("problems") is None
