"""Rows of a SELECT over the catalogs of the store.

    from = "select * from problems@3 where domain = 'math'"
    from = "slow_thinking"                                       # short for select * from slow_thinking

Bare names and `@latest` are pinned to versions when planning, and the pinned SQL is the fingerprint: a newer version of
a catalog makes the pipeline run again, anything else doesn't.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dqdata.catalog.values import python_rows
from dqdata.columns import Columns
from dqdata.errors import DqdataError
from dqdata.ids import digest
from dqdata.params import Params
from dqdata.source import Source
from dqdata.sql import versions_read

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

    def reads(self) -> list[str]:
        return versions_read(self._pinned[0])

    def row_count(self) -> int | None:
        """None where a catalog that it reads is still to be made."""
        try:
            [batch] = self.context.store.query(f"select count(*) as n from ({self._pinned[0]}\n)")
        except DqdataError:
            return None
        return int(batch["n"][0].as_py())

    def sample(self, rows: int) -> list[dict[str, Any]]:
        batches = self.context.store.query(f"select * from ({self._pinned[0]}\n) limit {rows}")
        return [row for batch in batches for row in python_rows(batch)]

    def namespace(self) -> str:
        """Empty: ids in a catalog are dqdata's own."""
        return ""

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from self.context.store.query(self._pinned[0], repeatable=True)
