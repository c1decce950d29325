"""Shapes in which tests of operators look at what `dqdata.testing` gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from dqdata.columns import Columns, columns_of, polars_schema
from dqdata.operator import BatchOperator, TableOperator
from dqdata.testing import run_operator


def have(frame: pl.DataFrame) -> Columns:
    """Columns of a frame, as a plan would know them."""
    return columns_of(frame.to_arrow().schema)


def frame_of(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """A frame of planned columns: {name: DuckDB type} and rows."""
    return pl.DataFrame(rows, schema=polars_schema(columns), orient="row")


def batched(operator: BatchOperator[Any], frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    """Rows that stay, and reason by key of the others."""
    tried = run_operator(operator, frame)
    return tried.frame, tried.reasons


def decided(
    operator: TableOperator[Any], frame: pl.DataFrame, folder: Path
) -> tuple[pl.DataFrame, dict[str, tuple[str, str]]]:
    """Rows that stay, with added columns, and (reason, detail) by key of the others."""
    tried = run_operator(operator, frame)
    return tried.frame, {one["row_key"]: (one["reason"], one["detail"]) for one in tried.rejects}
