"""Assigns each row to a split; a problem and its near duplicates always share one.

    { op = "split", shares = { train = 0.9, validation = 0.05, test = 0.05 } }

    problem_id | question                                         | split
    p1         | Tom has 3 apples and buys 4 more. How many now?  | train
    p2         | Tom has 3 apples and buys 4 more. How many?      | train        near p1: the same
    p3         | What is the largest prime below 100?             | test

Rows of one problem, and problems whose questions are near duplicates, make a unit. A unit's split follows from the
smallest hash among its problem ids, so rows that are added later move no others, unless they join a unit and bring a
smaller hash. With `stratify` the shares hold in each stratum to one unit, at the price that additions can move the
units next to a cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field, field_validator

from dqdata.columns import Columns
from dqdata.errors import ColumnError
from dqdata.operator import Decisions, InOrder, Params, Run, Schema, Table, TableOperator
from dqdata.sql import PARQUET, literal, quoted
from dqdata_operators.lib.near.clusters import I64, components
from dqdata_operators.lib.near.near import Words, near_groups


class SplitParams(Params):
    shares: Annotated[Mapping[str, float], InOrder()] = Field(
        default={"train": 0.9, "validation": 0.05, "test": 0.05}, min_length=1
    )
    """Name of each split and its share; shares are taken relative to their sum, in this order."""
    near: str | None = "question"
    """Text by which problems are near duplicates; false where only problem ids count."""
    threshold: float = Field(0.7, gt=0, le=1)
    """Jaccard similarity of word 3-grams of near duplicates."""
    stratify: tuple[str, ...] = ()
    """Columns in each of whose groups the shares hold."""
    column: str = "split"
    """Column for the name of the split."""
    salt: str = ""
    """Another word gives another split."""

    @field_validator("shares")
    @classmethod
    def _positive(cls, shares: Mapping[str, float]) -> Mapping[str, float]:
        if any(share <= 0 for share in shares.values()):
            raise ValueError("every share must be above 0")
        return shares


class Split(TableOperator[SplitParams]):
    """Gives each row a split by hash; no problem and no cluster of near duplicates is in two."""

    name = "split"
    Params = SplitParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("problem_id", "VARCHAR")
        if self.params.near is not None:
            if self.params.near not in have:
                raise ColumnError(
                    f"near = {self.params.near!r}: no such column; name the problem's text, or write near = false"
                )
            have.require(self.params.near, "VARCHAR")
        for name in self.params.stratify:
            have.require(name)
        return have.add(**{self.params.column: "VARCHAR"})

    def process(self, table: Table, run: Run) -> Decisions:
        units = self._units(table, run)
        files = run.scratch / "units"
        files.mkdir(exist_ok=True)
        start = 0
        pl.DataFrame(schema={"dq_key": pl.String, "dq_unit": pl.Int64}).write_parquet(files / "none.parquet")
        for number, batch in enumerate(table.batches([table.key])):
            mine = units[start : start + batch.height]
            frame = pl.DataFrame({"dq_key": batch[table.key], "dq_unit": mine})
            frame.write_parquet(files / f"{number:06}.parquet")
            start += batch.height
        target = run.scratch / "splits.parquet"
        with table.connect() as con:
            con.execute(
                f"create temp view units as from read_parquet({literal(str(files / '*.parquet'))}); copy "
                f"({self._query(quoted(table.key))}) to {literal(str(target))} {PARQUET}"
            )
        nobody = pl.DataFrame(schema={table.key: pl.String, "reason": pl.String, "detail": pl.String})
        return Decisions(nobody, pl.scan_parquet(target))

    def _units(self, table: Table, run: Run) -> I64:
        """Unit of each row: the smallest position in it."""
        labels: I64 = np.arange(table.rows)
        if self.params.near is not None:
            alike = Words(self.params.threshold, flat=True)  # else rows of old splits would move
            labels = near_groups(table, (self.params.near,), alike, run.scratch, run.memory_limit).labels
        problems = [batch["problem_id"].hash(seed=0).to_numpy() for batch in table.batches(["problem_id"])]
        if not problems:
            return labels
        _, first, which = np.unique(np.concatenate(problems), return_index=True, return_inverse=True)
        return components(len(labels), np.arange(len(labels)), first[which].astype(np.int64), labels)

    def _query(self, key: str) -> str:
        """Key and split of every row."""
        stratum = " || chr(31) || ".join(f"coalesce({quoted(name)}::varchar, '')" for name in self.params.stratify)
        place = "dq_mark / 18446744073709551616.0"
        if self.params.stratify:
            alike = "over (partition by dq_stratum"
            place = f"(row_number() {alike} order by dq_mark, dq_unit) - 0.5) / count(*) {alike})"
        mark = f"md5_number_lower({literal(self.params.salt + chr(31))} || rows.problem_id)"
        total, until = sum(self.params.shares.values()), 0.0
        cases = []
        for name, share in self.params.shares.items():
            until += share / total
            cases.append(f"when dq_place < {min(until, 1.0)!r} then {literal(name)}")
        last = literal(list(self.params.shares)[-1])
        return f"""
            with marked as (
                select dq_unit, min({mark}) as dq_mark, min({stratum or "''"}) as dq_stratum
                from units join rows on dq_key = rows.{key} group by dq_unit
            ), placed as (select dq_unit, {place} as dq_place from marked)
            select dq_key as {key}, case {" ".join(cases)} else {last} end as {quoted(self.params.column)}
            from units join placed using (dq_unit)
        """
