"""Answers to small questions about a store, kept while it stays at one snapshot.

Every change of a DuckLake makes a snapshot, and asking for its number takes a tenth of what a question takes: planning
a pipeline asks for the versions of a store hundreds of times.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

_NOW = "select id from lake.current_snapshot()"


class SnapshotCache:
    """What queries gave at the newest snapshot; shared by the threads of a reader."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._snapshot: int | None = None
        self._answers: dict[str, list[tuple[Any, ...]]] = {}

    def rows(self, con: duckdb.DuckDBPyConnection, *questions: str) -> list[list[tuple[Any, ...]]]:
        """The rows of queries over the lake alone, all as of one moment, now. con: a connection outside any
        transaction."""
        con.begin()
        snapshot = int(con.execute(_NOW).fetchall()[0][0])
        with self._guard:
            if snapshot != self._snapshot:
                self._snapshot, self._answers = snapshot, {}
            known = {sql: self._answers[sql] for sql in questions if sql in self._answers}
        new = {sql: con.execute(sql).fetchall() for sql in questions if sql not in known}
        if new:
            with self._guard:
                if snapshot == self._snapshot:
                    self._answers |= new
        con.rollback()
        known |= new
        return [list(known[sql]) for sql in questions]
