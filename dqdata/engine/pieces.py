"""Batch steps in CPU workers, with a deadline: a frame that takes too long, or kills its worker, is cut into pieces
until the culprit is alone. It fails with a message; no other row does.

    >>> frame, rejects = await carried(pool, steps, frame)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar

import polars as pl

from dqdata.columns import key_of
from dqdata.engine.batches import BatchStep, Processed, apply, process
from dqdata.engine.frames import no_rejects, rejects_of_frame
from dqdata.errors import DeadlineExceeded
from dqdata.operator import BatchOperator
from dqdata.workers.pool import Pool, WorkerDied

T = TypeVar("T")
MOST_ROWS = 4096
"""Rows that a worker is given at once."""
ROW_SECONDS = 0.02
"""What each row adds to the deadline of one, for a frame of many."""
PIECES = 16
EMPTY_SECONDS = 60.0
"""For steps on no rows, which say what columns there are: a worker may load what they need first."""
Failed = Callable[[pl.DataFrame, str, str], Awaitable[T]]


def _limit(deadline: float, rows: int) -> float:
    return deadline + ROW_SECONDS * rows


def _parts(frame: pl.DataFrame, rows: int) -> Iterator[pl.DataFrame]:
    yield from (frame[at : at + rows] for at in range(0, frame.height, rows))


async def _collected(frame: pl.DataFrame, run: Callable[[pl.DataFrame], Awaitable[T]], failed: Failed[T]) -> list[T]:
    """What `run` makes of the frame, in pieces and in order; of a row that ends it when it is alone, what `failed` does
    with the row, the reason and the detail."""
    if frame.height > MOST_ROWS:
        return [made for part in _parts(frame, MOST_ROWS) for made in await _collected(part, run, failed)]
    try:
        return [await run(frame)]
    except DeadlineExceeded as error:
        reason, detail = "timeout", f"no result: {error}"
    except WorkerDied as error:
        reason, detail = "worker_died", str(error)
    if frame.height <= 1:
        return [await failed(frame, reason, detail)]
    size = -(-frame.height // PIECES)
    return [made for part in _parts(frame, size) for made in await _collected(part, run, failed)]


async def carried(pool: Pool, steps: Sequence[BatchStep], frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The frame after the steps, and the rejects of all of them."""
    deadline = sum(step.operator.deadline for step in steps)

    async def run(part: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        return await pool.call(apply, tuple(steps), part, deadline=_limit(deadline, part.height))

    async def failed(row: pl.DataFrame, reason: str, detail: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Step by step, to find the one that it fails at; without rows the others say what columns there are."""
        for number, step in enumerate(steps):
            try:
                row, gone = await pool.call(apply, (step,), row, deadline=_limit(step.operator.deadline, 1))
            except (DeadlineExceeded, WorkerDied) as error:
                died = isinstance(error, WorkerDied)
                why = {"reason": ["worker_died" if died else "timeout"], "detail": [f"no result: {error}"]}
                key = key_of(row.columns)
                gone = rejects_of_frame(
                    row, pl.DataFrame({key: row[key], **why}), step.id, step.operator.name, kind="failed"
                )
                rest, _ = await pool.call(apply, tuple(steps[number:]), row[:0], deadline=EMPTY_SECONDS)
                return rest, gone
            if not row.height:
                rest, _ = await pool.call(apply, tuple(steps[number + 1 :]), row, deadline=EMPTY_SECONDS)
                return rest, gone
        return row, no_rejects()

    parts = await _collected(frame, run, failed)
    if len(parts) == 1:
        return parts[0]
    return pl.concat([kept for kept, _ in parts]), pl.concat([gone for _, gone in parts])


async def processed(pool: Pool, operator: BatchOperator[Any], frame: pl.DataFrame) -> Processed:
    """`process` for an operator that is bound to another."""

    async def run(part: pl.DataFrame) -> Processed:
        return await pool.call(process, operator, part, deadline=_limit(operator.deadline, part.height))

    async def failed(row: pl.DataFrame, reason: str, detail: str) -> Processed:
        key = key_of(row.columns)
        return Processed([], [], [pl.DataFrame({key: row[key], "reason": [reason], "detail": [detail]})])

    parts = await _collected(frame, run, failed)
    return Processed(*([one for part in parts for one in part[place]] for place in range(3)))
