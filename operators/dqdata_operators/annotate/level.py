"""Maps a number to a word: easy, medium, hard.

    { op = "level", column = "pass_rate", at = [0.25, 0.75], labels = ["hard", "medium", "easy"] }
    { op = "level", column = "cd", at = [3, 6] }

    pass_rate  ->  level
    0.06           hard
    0.25           medium
    1.00           easy

A value at a threshold belongs to the label above it. A null stays null.
"""

from __future__ import annotations

from itertools import pairwise

import polars as pl
from pydantic import Field, model_validator

from dqdata.columns import NUMBERS, Columns
from dqdata.operator import Batch, BatchOperator, Params, Schema


class LevelParams(Params):
    column: str
    """Column with the number."""
    at: tuple[float, ...] = Field(min_length=1)
    """Thresholds, rising."""
    labels: tuple[str, ...] = ("easy", "medium", "hard")
    """From the smallest values up; one more than thresholds."""
    into: str = "level"
    """Column for the word."""

    @model_validator(mode="after")
    def _consistent(self) -> LevelParams:
        if any(high <= low for low, high in pairwise(self.at)):
            raise ValueError(f"at = {list(self.at)} must rise")
        if len(self.labels) != len(self.at) + 1:
            raise ValueError(f"{len(self.at)} thresholds part {len(self.at) + 1} labels, {len(self.labels)} are given")
        return self


class Level(BatchOperator[LevelParams]):
    """Names ranges of a number, such as a pass rate or a difficulty."""

    name = "level"
    Params = LevelParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require(self.params.column, *NUMBERS)
        return have.add(**{self.params.into: "VARCHAR"})

    def process(self, batch: pl.DataFrame) -> Batch:
        value = pl.col(self.params.column).cast(pl.Float64).fill_nan(None)
        label: pl.Expr = pl.when(value.is_not_null()).then(pl.lit(self.params.labels[-1]))
        for mark, name in reversed([*zip(self.params.at, self.params.labels, strict=False)]):
            label = pl.when(value < mark).then(pl.lit(name)).otherwise(label)
        return Batch(batch.with_columns(label.alias(self.params.into)))
