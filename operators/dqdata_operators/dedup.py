"""Drops rows that say what another row says.

    { op = "dedup", column = "question", keep = "correct desc, rv asc" }

    trace_id | question           | correct
    t1       | What is 2 + 2?     | false     goes: duplicate, {"duplicate_of": "t2", "similarity": 1.0}
    t2       | what is  2 + 2?    | true      stays
    t3       | What is 2 + 3?     | true      stays

A method (`method = "exact"`: dedup_exact.py) says which rows belong together. The best row of each group by `keep`
stays, and of equals the one with the smallest key: the order in which rows arrive says nothing of the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl
from pydantic import model_validator

from dqdata.columns import Columns
from dqdata.errors import QueryError
from dqdata.expressions import check_ranking, literal, quoted
from dqdata.operator import Decisions, Params, Run, SqlExpression, Table, TableOperator
from dqdata_operators import dedup_exact

if TYPE_CHECKING:
    import duckdb


class DedupParams(Params):
    column: str | tuple[str, ...]
    """Text to compare; of several columns all must agree."""
    method: Literal["exact"] = "exact"
    keep: SqlExpression | None = None
    """ORDER BY list: the first of each group by it stays; nulls come last."""
    ignore: tuple[Literal["case", "space"], ...] = ("case", "space")
    """Differences that don't count. Unicode forms of one character never do."""

    @model_validator(mode="after")
    def _consistent(self) -> DedupParams:
        if not self.names:
            raise ValueError("`column` names no column")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column,) if isinstance(self.column, str) else self.column


class Dedup(TableOperator[DedupParams]):
    """Drops duplicates by normalised text and keeps the best row of each group."""

    name = "dedup"
    Params = DedupParams

    def columns(self, have: Columns) -> Columns:
        for name in self.params.names:
            have.require(name)
        if self.params.keep is not None:
            check_ranking(self.params.keep, have, "keep")
        return have

    def process(self, table: Table, run: Run) -> Decisions:
        import duckdb

        target = run.scratch / "duplicates.parquet"
        with table.connect() as con:
            dedup_exact.group(con, table.key, self.params.names, self.params.ignore)
            try:
                _drop_all_but_best(con, table.key, self.params.keep, str(target))
            except duckdb.ConversionException as error:
                raise QueryError(f"dedup keep = {self.params.keep!r}: {error}") from error
        return Decisions(pl.scan_parquet(target))


def _drop_all_but_best(con: duckdb.DuckDBPyConnection, key: str, keep: str | None, target: str) -> None:
    """Writes key, reason and detail of every row of a group but its best.

    Reads the temporary table `groups` (row_key, group_id), which a method has made and which holds only rows that have
    company.
    """
    key = quoted(key)
    order = f"{keep}\n, {key}" if keep else key
    con.execute(
        f"""
        copy (
            with ranked as (
                select row_key, first_value(row_key) over (partition by group_id order by {order}) as best
                from groups join rows on row_key = rows.{key}
            )
            select row_key as {key}, 'duplicate' as reason,
                json_object('duplicate_of', best, 'similarity', 1.0)::varchar as detail
            from ranked where row_key <> best
        ) to {literal(target)}
        """
    )
