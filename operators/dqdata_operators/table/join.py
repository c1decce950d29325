"""Joins columns of a catalog to the rows.

    { op = "join", catalog = "graded@2", on = "problem_id", columns = ["level"] }

    problem_id | question          problem_id | level          problem_id | question | level
    p1         | ...          +    p1         | 4         =    p1         | ...      | 4
    p2         | ...                                           p2         | ...      | null

`how = "inner"` drops rows without a match (`no_match`), `"anti"` those with one (`matched`). The catalog must have each
value of `on` once: a join never multiplies rows. A bare name means the newest version, pinned when planning.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import polars as pl

from dqdata.columns import Columns
from dqdata.errors import ColumnError, DataError
from dqdata.operator import CatalogRef, Decisions, Params, Run, Schema, Table, TableOperator
from dqdata.sql import PARQUET, literal, quoted


class JoinParams(Params):
    catalog: CatalogRef
    """`name` or `name@3`; a bare name is pinned to its newest version when planning."""
    on: str | tuple[str, ...] = "problem_id"
    """Columns that both sides have and by which rows match."""
    columns: tuple[str, ...] | None = None
    """Columns to bring; by default all that the rows don't have."""
    how: Literal["left", "inner", "anti"] = "left"
    """left keeps all rows, inner those with a match, anti those without."""

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.on,) if isinstance(self.on, str) else self.on


class Join(TableOperator[JoinParams]):
    """Joins the rows with a catalog: brings its columns, or keeps the rows that have, or haven't, a match."""

    name = "join"
    Params = JoinParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        other = schema.catalogs[self.params.catalog]
        for name in self.params.keys:
            have.require(name)
            if name not in other:
                raise ColumnError(f"catalog {self.params.catalog!r} has no column {name!r} (have: {', '.join(other)})")
        wanted = self._brought(have, other)
        for name in wanted:
            if name not in other:
                raise ColumnError(f"catalog {self.params.catalog!r} has no column {name!r} (have: {', '.join(other)})")
            if name in have:
                raise ColumnError(
                    f"the rows have a column {name!r} already; leave it out of `columns` or `select` it away"
                )
        return have.add(**{name: other[name] for name in wanted})

    def _brought(self, have: Columns, other: Iterable[str]) -> list[str]:
        """Columns of the catalog that the rows get. other: all that it has."""
        if self.params.how == "anti":
            return []
        if self.params.columns is not None:
            return list(self.params.columns)
        return [name for name in other if name not in have]

    def process(self, table: Table, run: Run) -> Decisions:
        import pyarrow.parquet as pq

        other = run.scratch / "catalog.parquet"
        reader = run.rows(self.params.catalog)
        with pq.ParquetWriter(other, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
        brought = self._brought(table.columns, reader.schema.names)
        key, keys = quoted(table.key), [quoted(name) for name in self.params.keys]
        same = " and ".join(f"rows.{name} = other.{name}" for name in keys)
        with table.connect() as con:
            listed = ", ".join(dict.fromkeys([*keys, *map(quoted, brought)]))
            con.execute(f"create temp view other as select {listed} from read_parquet({literal(str(other))})")
            present = " and ".join(f"{name} is not null" for name in keys)
            by = ", ".join(keys)
            twice = con.execute(
                f"select {by} from other where {present} group by {by} having count(*) > 1 limit 1"
            ).fetchone()
            if twice:
                raise DataError(
                    f"catalog {self.params.catalog!r} has {', '.join(self.params.keys)} = {twice!r} more than once; "
                    "join on more columns, or make one row of each there first"
                )
            matched = f"exists (from other where {same})"
            gone = {"left": "false", "inner": f"not {matched}", "anti": matched}[self.params.how]
            reason = "matched" if self.params.how == "anti" else "no_match"
            dropped, added = run.scratch / "unmatched.parquet", run.scratch / "brought.parquet"
            con.execute(
                f"""copy (select {key}, '{reason}' as reason, {literal(self.params.catalog)} as detail from rows
                    where {gone}) to {literal(str(dropped))} {PARQUET}"""
            )
            if not brought:
                return Decisions(pl.scan_parquet(dropped))
            listed = ", ".join(f"other.{quoted(name)}" for name in brought)
            con.execute(
                f"""copy (select rows.{key}, {listed} from rows left join other on {same} where not ({gone}))
                    to {literal(str(added))} {PARQUET}"""
            )
        return Decisions(pl.scan_parquet(dropped), pl.scan_parquet(added))
