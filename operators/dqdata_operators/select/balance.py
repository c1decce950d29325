"""Balances classes by dropping rows, never by copying them.

    { op = "balance", column = "task", shares = { math = 0.6, code = 0.4 }, rows = 10000 }

    task: 9000 math, 2000 code   ->   3000 math, 2000 code   (without `rows`: as many as the shares allow)

Without shares all classes get the same. Which rows of a class stay is drawn by a hash of seed and key, so the order of
the rows changes nothing. Supply and take of each class are logged and are in the detail of the dropped rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import polars as pl
from pydantic import Field, model_validator

from dqdata.columns import Columns
from dqdata.operator import Decisions, Params, Run, Schema, Table, TableOperator
from dqdata.sql import literal, quoted
from dqdata_operators.select._quotas import quotas, take


class BalanceParams(Params):
    column: str = "task"
    """Column with the class of a row."""
    shares: Mapping[str, float] = {}
    """Share of each class; a class that is not named is dropped."""
    rows: int | None = Field(None, ge=1)
    """Rows in all."""
    at_least: int = Field(1, ge=1)
    """Rows below which a class is dropped whole, so that a tiny one doesn't shrink all others."""
    seed: int | None = None
    """The pipeline's own where not given."""

    @model_validator(mode="after")
    def _shares(self) -> BalanceParams:
        if self.shares and (min(self.shares.values()) <= 0):
            raise ValueError("`shares` must be more than 0; a class that isn't named is left out")
        return self


class Balance(TableOperator[BalanceParams]):
    """Brings classes to given shares by dropping rows; reports supply and take."""

    name = "balance"
    Params = BalanceParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.require(self.params.column, "VARCHAR")

    def process(self, table: Table, run: Run) -> Decisions:
        key, column = quoted(table.key), quoted(self.params.column)
        seed = run.seed if self.params.seed is None else self.params.seed
        target = run.scratch / "unbalanced.parquet"
        with table.connect() as con:
            found = con.execute(
                f"select {column}, count(*) from rows where {column} is not null group by 1 order by 1"
            ).fetchall()
            supply = {str(name): int(rows) for name, rows in found if rows >= self.params.at_least}
            shares = self.params.shares or dict.fromkeys(supply, 1.0)
            wanted = self._wanted(supply, shares)
            con.execute("create temp table quotas (name varchar, quota bigint, detail varchar)")
            for name, rows in ((str(name), int(rows)) for name, rows in found):
                quota = wanted.get(name, 0)
                run.log(f"{name}: supply {rows}, take {min(rows, quota)}" + _short(rows, quota))
                con.execute(
                    "insert into quotas values (?, ?, ?)", [name, quota, json.dumps({"supply": rows, "quota": quota})]
                )
            for name in wanted.keys() - {str(name) for name, _ in found}:
                run.log(f"{name}: supply 0, take 0" + _short(0, wanted[name]))
            con.execute(
                f"""copy (
                    select row_key as {key}, case when name is null then 'no_class' when quota = 0 then 'no_share'
                        else 'balance' end as reason, coalesce(detail, '') as detail
                    from (
                        select {key} as row_key, {column} as class, row_number() over (
                            partition by {column} order by md5({literal(f"{seed}:")} || {key}), {key}) as place
                        from rows
                    ) left join quotas on class = name
                    where name is null or place > quota
                ) to {literal(str(target))}"""
            )
        return Decisions(pl.scan_parquet(target))

    def _wanted(self, supply: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, int]:
        if self.params.rows is not None:
            return quotas(shares, self.params.rows)
        return take(supply, shares)


def _short(rows: int, quota: int) -> str:
    return f", {quota - rows} short of the quota" if rows < quota else ""
