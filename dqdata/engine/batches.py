"""Batch steps on one frame: what a CPU worker runs. Pure, so that it can run anywhere and again.

A ValueError from an operator fails one row, not its batch: the batch is halved until the row is alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from dqdata.columns import Columns, key_of
from dqdata.engine.frames import cast, check_kept, no_rejects, rejects_of_frame
from dqdata.errors import RowError, boundary
from dqdata.operator import Batch, BatchOperator


@dataclass(frozen=True)
class BatchStep:
    """What a worker needs of a planned batch step."""

    id: str
    operator: BatchOperator[Any]
    after: Columns


def apply(steps: tuple[BatchStep, ...], frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The frame after these steps, and the rejects of all of them."""
    rejects: list[pl.DataFrame] = []
    for step in steps:
        name = step.operator.name
        done, failed = _bisect(step.operator, frame)
        dropped = [part.dropped for part in done if part.dropped is not None and part.dropped.height]
        gone = pl.concat(dropped, how="vertical_relaxed") if dropped else None
        kept = pl.concat([cast(part.rows, step.after, name) for part in done]) if done else None
        survivors = frame if failed is None else frame.join(failed, on=key_of(frame.columns), how="anti")
        if kept is None:
            kept = cast(step.operator.process(survivors).rows, step.after, name)
        check_kept(survivors, kept, gone, name)
        if gone is not None:
            rejects.append(rejects_of_frame(frame, gone, step.id, name))
        if failed is not None:
            rejects.append(rejects_of_frame(frame, failed, step.id, name, kind="failed"))
        frame = kept
    return frame, pl.concat(rejects) if rejects else no_rejects()


def _bisect(operator: BatchOperator[Any], frame: pl.DataFrame) -> tuple[list[Batch], pl.DataFrame | None]:
    """Results over the rows that work, and (key, reason, detail) of those that don't."""
    try:
        with boundary(operator.name):
            return [operator.process(frame)], None
    except ValueError as error:
        if frame.height <= 1:
            if not frame.height:
                raise
            key = key_of(frame.columns)
            reason, detail = (
                (error.reason, error.detail) if isinstance(error, RowError) else ("invalid_row", str(error))
            )
            return [], pl.DataFrame({key: frame.get_column(key), "reason": [reason], "detail": [detail]})
        half = frame.height // 2
        left, right = _bisect(operator, frame[:half]), _bisect(operator, frame[half:])
        failed = [part for part in (left[1], right[1]) if part is not None]
        return left[0] + right[0], pl.concat(failed) if failed else None
