"""Converts lengths to the scale of RV by rank: 0 for the shortest of the table, 9 for the longest.

    steps = [{ op = "length" }, { op = "length_scale" }, { op = "grade", judge = "qwq" }]

    trace_id | tokens  ->  rv_length
    t1       |     80            0.0
    t2       |    400            4.5
    t3       |   9000            9.0

Rank, not size: token counts of reasoning models spread over three orders of magnitude, and a percentile means the same
for every tokenizer. Equal lengths share the middle of their ranks. The run's log prints the ten thresholds; given to
`grade` as `length_at` they put later rows on the same scale without another pass.
"""

from __future__ import annotations

import polars as pl

from dqdata.columns import NUMBERS, Columns
from dqdata.operator import Decisions, Params, Run, Schema, Table, TableOperator
from dqdata.sql import literal, quoted


class LengthScaleParams(Params):
    tokens: str = "tokens"
    """Column with the length, counted by one tokenizer for the whole table."""


class LengthScale(TableOperator[LengthScaleParams]):
    """Adds the length part of RV: the percentile of a trace's length in the table, as 0-9."""

    name = "length_scale"
    Params = LengthScaleParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.require(self.params.tokens, *NUMBERS).add(rv_length="DOUBLE")

    def process(self, table: Table, run: Run) -> Decisions:
        key, tokens = quoted(table.key), quoted(self.params.tokens)
        added, dropped = run.scratch / "scaled.parquet", run.scratch / "unscaled.parquet"
        with table.connect() as con:
            con.execute(
                f"""copy (
                    select {key},
                        case when n = 1 then 4.5 else 9 * (place - 1 + (same - 1) / 2) / (n - 1) end as rv_length
                    from (
                        select {key}, count(*) over () as n, rank() over (order by {tokens}) as place,
                            count(*) over (partition by {tokens}) as same
                        from rows where {tokens} is not null
                    )
                ) to {literal(str(added))}"""
            )
            con.execute(
                f"""copy (select {key}, 'no_length' as reason, {literal(self.params.tokens + " is null")} as detail
                    from rows where {tokens} is null) to {literal(str(dropped))}"""
            )
            marks = con.execute(
                f"select quantile_cont({tokens}, [{', '.join(f'{n}/9.0' for n in range(10))}]) from rows"
            ).fetchone()
        if marks and marks[0]:
            run.log(f"length_at = [{', '.join(f'{mark:.0f}' for mark in marks[0])}]")
        return Decisions(pl.scan_parquet(dropped), pl.scan_parquet(added))
