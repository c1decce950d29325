"""Keeps a sample of the rows, chosen by the hash of their keys.

    { op = "sample", rows = 1000 }                              a thousand
    { op = "sample", rows = 50, per = ["domain", "level"] }     fifty of each
    { op = "sample", share = 0.1 }                              about a tenth; a row added later moves no other

The same rows give the same sample, in whatever order they come; `salt` gives another one.
"""

from __future__ import annotations

import polars as pl
from pydantic import Field, model_validator

from dqdata.columns import Columns
from dqdata.operator import Decisions, Params, Run, Schema, Table, TableOperator
from dqdata.sql import PARQUET, literal, quoted


class SampleParams(Params):
    rows: int | None = Field(None, ge=1)
    """Rows to keep, or rows of each group of `per`."""
    share: float | None = Field(None, gt=0, le=1)
    """About this share of the rows is kept, each by its own hash; in place of `rows`."""
    per: tuple[str, ...] = ()
    """Columns whose values each get `rows` rows."""
    salt: str = ""
    """Another word gives another sample."""

    @model_validator(mode="after")
    def _one_size(self) -> SampleParams:
        if (self.rows is None) == (self.share is None):
            raise ValueError("give `rows` or `share`, one of them")
        if self.share is not None and self.per:
            raise ValueError("`per` belongs to `rows`; a share is the same of every group already")
        return self


class Sample(TableOperator[SampleParams]):
    """Keeps a stable sample: a number of rows, a number for each group, or a share."""

    name = "sample"
    Params = SampleParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        for name in self.params.per:
            have.require(name)
        return have

    def process(self, table: Table, run: Run) -> Decisions:
        key, target = quoted(table.key), run.scratch / "left_out.parquet"
        mark = f"md5_number_lower({literal(self.params.salt + chr(31))} || {key})"
        groups = f"partition by {', '.join(map(quoted, self.params.per))}" if self.params.per else ""
        if self.params.share is None:
            out = f"row_number() over ({groups} order by {mark}, {key}) > {self.params.rows}"
        else:
            out = f"{mark} / 18446744073709551616.0 >= {self.params.share!r}"
        with table.connect() as con:
            con.execute(
                f"""copy (
                        select {key}, 'not_sampled' as reason, '' as detail
                        from (select {key}, {out} as dq_out from rows) where dq_out
                    ) to {literal(str(target))} {PARQUET}"""
            )
        return Decisions(pl.scan_parquet(target))
