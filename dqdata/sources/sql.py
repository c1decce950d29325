"""Rows of a SELECT over the catalogs of the store.

    from = "select * from problems@3 where domain = 'math'"
    from = "slow_thinking"                                       # short for select * from slow_thinking

Bare names and `@latest` are pinned to versions when planning, and the pinned SQL is the fingerprint: a newer version of
a catalog makes the pipeline run again, anything else doesn't.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from dqdata.columns import Columns
from dqdata.ids import digest
from dqdata.params import Params
from dqdata.source import Source

if TYPE_CHECKING:
    import pyarrow as pa


class SqlParams(Params):
    query: str
    """A SELECT over catalogs of the store, pinned to their versions when planning."""


class Sql(Source[SqlParams]):
    """Rows of a SELECT over catalogs, pinned to versions."""

    kind = "sql"
    Params = SqlParams

    @cached_property
    def _pinned(self) -> tuple[str, Columns]:
        return self.context.store.query_columns(self.params.query)

    def schema(self) -> Columns:
        return self._pinned[1]

    def fingerprint(self) -> str:
        return digest("sql", self._pinned[0])

    def namespace(self) -> str:
        """Empty: ids in a catalog are dqdata's own."""
        return ""

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from self.context.store.query(self._pinned[0], repeatable=True)
