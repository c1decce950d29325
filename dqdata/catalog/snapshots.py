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

    def rows(self, con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the lake alone, as of now. con: a connection outside any transaction."""
        con.begin()
        snapshot = int(con.execute(_NOW).fetchall()[0][0])
        with self._guard:
            if snapshot != self._snapshot:
                self._snapshot, self._answers = snapshot, {}
            known = self._answers.get(sql)
        if known is None:
            known = con.execute(sql).fetchall()
            with self._guard:
                if snapshot == self._snapshot:
                    self._answers[sql] = known
        con.rollback()
        return list(known)
