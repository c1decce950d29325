"""Sources for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from dqdata.columns import Columns, columns_of
from dqdata.ids import canonical, digest
from dqdata.operator import Params
from dqdata.source import Source


class CountingParams(Params):
    rows: int


class Counting(Source[CountingParams]):
    """Rows with a question and a number."""

    kind = "counting"
    Params = CountingParams

    def schema(self) -> Columns:
        return Columns({"question": "VARCHAR", "number": "BIGINT"})

    def fingerprint(self) -> str:
        return digest("counting", str(self.params.rows))

    def row_count(self) -> int:
        return self.params.rows

    def batches(self) -> Iterator[pa.RecordBatch]:
        for start in range(0, self.params.rows, 1000):
            numbers = range(start, min(start + 1000, self.params.rows))
            yield pa.record_batch({"question": [f"How much is {n}?" for n in numbers], "number": list(numbers)})


class GivenParams(Params):
    rows: list[Mapping[str, Any]]


class Given(Source[GivenParams]):
    """Rows as the test writes them."""

    kind = "given"
    Params = GivenParams

    def _table(self) -> pa.Table:
        return pa.Table.from_pylist([dict(row) for row in self.params.rows])

    def schema(self) -> Columns:
        return columns_of(self._table().schema)

    def fingerprint(self) -> str:
        return digest("given", canonical(self.params.rows))

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from self._table().to_batches()
