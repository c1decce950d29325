"""Keeps the rows for which a SQL condition is true; false and null both drop.

{ op = "filter", where = "verdict = 'correct' and output_tokens < 8192" }

trace_id | verdict    | output_tokens
t1       | correct    |           812   stays
t2       | incorrect  |           640   dropped: reason "filtered by verdict = ...", detail "verdict=incorrect, ..."
t3       | null       |           701   dropped
"""

from __future__ import annotations

import polars as pl

from dqdata.columns import Columns, key_of
from dqdata.errors import RowError
from dqdata.expressions import check_condition, names_read
from dqdata.operator import Batch, BatchOperator, Params, Schema, SqlExpression
from dqdata.sql import connection

SHOWN = 80
"""Characters of a value that a reject's detail shows."""


class FilterParams(Params):
    where: SqlExpression
    """DuckDB condition over the columns at this step."""
    reason: str | None = None
    """What dropped rows are counted under; by default `filtered by` and the condition."""


class Filter(BatchOperator[FilterParams]):
    """Keeps the rows for which a SQL condition is true."""

    name = "filter"
    version = 2
    Params = FilterParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        check_condition(self.params.where, have)
        return have

    def process(self, batch: pl.DataFrame) -> Batch:
        keep = self._holds(batch)
        dropped = batch.filter(~keep)
        return Batch(batch.filter(keep), self._rejects(dropped) if len(dropped) else None)

    def _holds(self, batch: pl.DataFrame) -> pl.Series:
        """Boolean per row, never null. Raises RowError where the condition can't be computed, as a cast that fails."""
        import duckdb

        con = connection()
        con.register("rows", batch)
        try:
            held = con.sql(f"select coalesce((\n{self.params.where}\n), false) as held from rows").pl()["held"]
        except duckdb.Error as error:
            raise RowError("sql_error", f"{self.params.where!r}: {error}") from None
        finally:
            con.unregister("rows")
        return held

    def _rejects(self, dropped: pl.DataFrame) -> pl.DataFrame:
        """Key, reason, and as detail the values that the condition looked at."""
        read = names_read(self.params.where)
        shown = [
            pl.format(f"{name}={{}}", pl.col(name).cast(pl.String).str.slice(0, SHOWN).fill_null("null"))
            for name, kind in dropped.schema.items()
            if name.lower() in read and not kind.is_nested()
        ]
        return dropped.select(
            pl.col(key_of(dropped.columns)),
            reason=pl.lit(self.params.reason or f"filtered by {self.params.where}"),
            detail=pl.concat_str(shown, separator=", ") if shown else pl.lit(""),
        )
