"""Batch steps on one frame: what a CPU worker runs. Pure, so that it can run anywhere and again.

An exception from an operator fails one row, not its batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from dqdata.columns import Columns, key_of
from dqdata.engine.frames import cast, check_kept, no_rejects, rejects_of_frame, schema_of
from dqdata.errors import DqdataError, fault, from_outside, row_failure
from dqdata.operator import BatchOperator


@dataclass(frozen=True)
class BatchStep:
    """What a worker needs of a planned batch step."""

    id: str
    operator: BatchOperator[Any]
    after: Columns


class Processed(NamedTuple):
    """What an operator made of a frame. rows: frames of kept rows, in order; none only if every row failed. dropped and
    failed: frames of (key, reason, detail)."""

    rows: list[pl.DataFrame]
    dropped: list[pl.DataFrame]
    failed: list[pl.DataFrame]


def process(operator: BatchOperator[Any], frame: pl.DataFrame) -> Processed:
    """Runs the operator on the frame, for a step and for an operator bound to another alike. An exception fails one
    row: the frame is halved until the row is alone. Raises PluginFault where the operator fails without any row."""
    try:
        batch = operator.process(frame)
        return Processed([batch.rows], [batch.dropped] if batch.dropped is not None else [], [])
    except DqdataError:
        raise
    except BaseException as error:
        if from_outside(error):
            raise
        if not frame.height:
            raise fault("operator", operator.name, error) from error
        if frame.height == 1:
            key, failure = key_of(frame.columns), row_failure(error)
            failed = {key: frame.get_column(key), "reason": [failure.reason], "detail": [failure.detail]}
            return Processed([], [], [pl.DataFrame(failed)])
        half = frame.height // 2
        left, right = process(operator, frame[:half]), process(operator, frame[half:])
        return Processed(left.rows + right.rows, left.dropped + right.dropped, left.failed + right.failed)


def apply(steps: tuple[BatchStep, ...], frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The frame after these steps, and the rejects of all of them."""
    rejects: list[pl.DataFrame] = []
    for step in steps:
        name, key = step.operator.name, key_of(frame.columns)
        done = process(step.operator, frame)
        gone = pl.concat(done.dropped, how="vertical_relaxed") if any(part.height for part in done.dropped) else None
        failed = pl.concat(done.failed) if done.failed else None
        survivors = frame if failed is None else frame.join(failed, on=key, how="anti")
        made = done.rows or [pl.DataFrame(schema=schema_of(step.after))]
        kept = pl.concat([cast(rows, step.after, name) for rows in made])
        check_kept(survivors, kept, gone, name)
        if gone is not None:
            rejects.append(rejects_of_frame(frame, gone, step.id, name))
        if failed is not None:
            rejects.append(rejects_of_frame(frame, failed, step.id, name, kind="failed"))
        frame = kept
    return frame, pl.concat(rejects) if rejects else no_rejects()
