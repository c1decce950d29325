"""Keeps the best k traces of every problem.

    { op = "select", k = 1, by = "correct desc, output_tokens asc" }

    problem_id | trace_id | correct | output_tokens
    p1         | t1       | true    |           900   dropped: not_selected, rank 2
    p1         | t2       | true    |           400   stays
    p1         | t3       | false   |           100   dropped: not_selected, rank 3

`where` first leaves out the rows that can't be chosen at all, and `at_least` then the problems with too few of the
rest. Equal ranks are ordered by key, so the choice doesn't depend on the order in which rows arrived.
"""

from __future__ import annotations

import polars as pl
from pydantic import Field, model_validator

from dqdata.columns import Columns
from dqdata.errors import QueryError
from dqdata.expressions import check_condition, check_ranking
from dqdata.operator import Decisions, Params, Run, Schema, SqlExpression, Table, TableOperator
from dqdata.sql import literal, quoted


class SelectParams(Params):
    by: SqlExpression
    """ORDER BY list, best first; nulls come last."""
    k: int = Field(1, ge=1)
    """Rows to keep of each group."""
    where: SqlExpression | None = None
    """Condition that a row must meet to be chosen."""
    at_least: int = Field(1, ge=1)
    """Rows that meet it which a problem needs; otherwise all of its rows are dropped."""
    per: str = "problem_id"
    """Column whose values are the groups."""

    @model_validator(mode="after")
    def _consistent(self) -> SelectParams:
        if not self.by.strip():
            raise ValueError("`by` is empty: which rows are best?")
        return self


class Select(TableOperator[SelectParams]):
    """Keeps the best k rows of every problem by a ranking expression."""

    name = "select"
    Params = SelectParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require(self.params.per)
        check_ranking(self.params.by, have)
        if self.params.where is not None:
            check_condition(self.params.where, have)
        return have

    def process(self, table: Table, run: Run) -> Decisions:
        import duckdb

        target = run.scratch / "not_selected.parquet"
        with table.connect() as con:
            try:
                con.execute(f"copy ({self._dropped(table.key)}) to {literal(str(target))}")
            except duckdb.ConversionException as error:
                raise QueryError(f"select by = {self.params.by!r}: {error}") from error
        return Decisions(pl.scan_parquet(target))

    def _dropped(self, key: str) -> str:
        """Query for key, reason and detail of the rows that go."""
        per, key = quoted(self.params.per), quoted(key)
        where, needed = self.params.where or "true", self.params.at_least
        return f"""
            with marked as (
                select {key} as row_key, {per} as row_group, coalesce((\n{where}\n), false) as fit,
                    row_number() over (
                        partition by {per}, coalesce((\n{where}\n), false) order by {self.params.by}\n, {key}
                    ) as place
                from rows
            ), counted as (
                select *, count(*) filter (fit) over (partition by row_group) as fits from marked
            )
            select row_key as {key},
                case when not fit then 'not_eligible' when fits < {needed} then 'too_few'
                     else 'not_selected' end as reason,
                case when not fit then {literal("not: " + where)}
                     when fits < {needed} then fits || ' of {needed} needed'
                     else 'rank ' || place || ' of ' || fits end as detail
            from counted where not fit or fits < {needed} or place > {self.params.k}
        """
