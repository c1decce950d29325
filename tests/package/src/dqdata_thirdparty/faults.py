"""Plug-ins whose code raises what it should not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from dqdata.columns import Columns
from dqdata.operator import (
    Batch,
    BatchOperator,
    CallOperator,
    Decisions,
    NewRows,
    NoParams,
    Outcome,
    Params,
    Row,
    RowOperator,
    Run,
    Schema,
    Table,
    TableOperator,
)
from dqdata.source import Source

BAD = 7
"""The number of the row that each of them can't work on."""


def fail(number: int) -> None:
    """An error of the kind that a bug is: none of them is a ValueError."""
    {0: lambda: [][number], 1: lambda: {}[number], 2: lambda: None.x, 3: lambda: 1 / 0}[number % 4]()  # type: ignore


class FaultyRow(RowOperator[NoParams]):
    """Raises AttributeError for one row."""

    name = "faulty_row"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have

    def process(self, row: Row) -> Outcome:
        if row["number"] == BAD:
            fail(2)
        return row


class FaultyBatch(BatchOperator[NoParams]):
    """Raises ZeroDivisionError for a batch with one row in it."""

    name = "faulty_batch"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have

    def process(self, batch: pl.DataFrame) -> Batch:
        if BAD in batch["number"].to_list():
            fail(3)
        return Batch(batch)


class FaultyCall(CallOperator[NoParams]):
    """Raises KeyError for one row."""

    name = "faulty_call"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        if row["number"] == BAD:
            fail(1)
        return [row]


class FaultyTableParams(Params):
    lazily: bool = False
    """Fails while its rows are read rather than before."""


class FaultyTable(TableOperator[FaultyTableParams]):
    """Raises ValueError or IndexError, which no row is to blame for."""

    name = "faulty_table"
    Params = FaultyTableParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have

    def process(self, table: Table, run: Run) -> Decisions | NewRows:
        if not self.params.lazily:
            raise ValueError("the table has an odd shape")

        def rows() -> Iterator[pl.DataFrame]:
            fail(0)
            yield pl.DataFrame()

        return NewRows(rows(), pl.DataFrame())


class FaultyColumns(RowOperator[NoParams]):
    """Raises NameError when it is planned."""

    name = "faulty_columns"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return undefined(have)  # type: ignore  # noqa: F821

    def process(self, row: Row) -> Outcome:
        return row


class FaultySourceParams(Params):
    at: str


class FaultySource(Source[FaultySourceParams]):
    """Raises TypeError when its schema is read, or when its second batch is."""

    kind = "faulty"
    Params = FaultySourceParams

    def schema(self) -> Columns:
        if self.params.at == "schema":
            len(5)  # type: ignore
        return Columns({"question": "VARCHAR"})

    def fingerprint(self) -> str:
        return "faulty"

    def batches(self) -> Iterator[Any]:
        yield pa.record_batch({"question": ["one"]})
        len(5)  # type: ignore
