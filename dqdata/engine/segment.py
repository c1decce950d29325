"""Processes rows through the steps between two table steps.

frame steps      row and batch operators before the first call step and after the last: whole chunks, columnar
flowing steps    from the first call step to the last: each row proceeds on its own, and batches form again from
                 whichever rows are there, so one slow answer holds up nothing but its chunk's checkpoint
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from dqdata.aio import gather_all
from dqdata.columns import REJECTS
from dqdata.engine.admission import Admission
from dqdata.engine.batches import BatchStep
from dqdata.engine.bound import outcomes_of
from dqdata.engine.chunks import Folder, Slice
from dqdata.engine.frames import failures, frame_of, no_rejects, records, reject_record, schema_of
from dqdata.engine.pieces import carried
from dqdata.engine.progress import Progress
from dqdata.engine.runtime import Runtime
from dqdata.engine.stop import StopSignal
from dqdata.engine.tasks import ChunkResult
from dqdata.errors import AccountingError, OperatorError
from dqdata.ids import child_id
from dqdata.operator import BatchOperator, CallOperator, Reject, Row, RowOperator
from dqdata.project.plan import Segment, Step

CALL_CHUNK = 256
FRAME_CHUNK = 50_000
BATCH_ROWS = 256
PROBLEM: ContextVar[str] = ContextVar("PROBLEM", default="")
"""The problem whose row makes the calls of this task."""
LINGER_SECONDS = 0.01


@dataclass
class _Chunk:
    """What a chunk has left behind on its way."""

    rejects: list[dict[str, Any]] = field(default_factory=list)
    frames: list[pl.DataFrame] = field(default_factory=list)
    retryable: bool = False

    def reject(self, row: Row, reject: Reject, step: Step) -> None:
        self.rejects.append(reject_record(row, reject, step.spec.id, step.spec.op, step.before.key))
        self.retryable |= reject.retryable

    def frame(self) -> pl.DataFrame:
        made = pl.concat([*self.frames, records(self.rejects)]) if self.frames or self.rejects else no_rejects()
        return made.cast(schema_of(REJECTS)).sort("step", "row_key", "reason")  # type: ignore[arg-type]


def chunk_rows(segment: Segment) -> int:
    """Rows of a chunk: few where teachers are called and many elsewhere."""
    return CALL_CHUNK if any(isinstance(step.operator, CallOperator) for step in segment.steps) else FRAME_CHUNK


def _flowing_steps(segment: Segment) -> tuple[int, int]:
    """From the first call step to after the last; after all steps where there is none."""
    calls = [n for n, step in enumerate(segment.steps) if isinstance(step.operator, CallOperator)]
    return (calls[0], calls[-1] + 1) if calls else (len(segment.steps), len(segment.steps))


class SegmentRun:
    def __init__(self, segment: Segment, runtime: Runtime, stop: StopSignal, progress: Progress) -> None:
        self.segment, self.runtime, self.stop, self.progress = segment, runtime, stop, progress
        self._first, self._last = _flowing_steps(segment)
        self._runs = [runtime.at(step) for step in segment.steps]
        self._batchers = {
            n: _Batcher(self, segment.steps[n])
            for n in range(self._first, self._last)
            if not isinstance(segment.steps[n].operator, CallOperator)
        }

    @property
    def flows(self) -> bool:
        """Whether each row moves through calls on its own."""
        return self._first < len(self.segment.steps)

    async def chunk(self, chunk: Slice, folder: Folder, admission: Admission) -> ChunkResult:
        """Processes a chunk that `admission` has opened and writes its checkpoint. Rows of its flowing steps are
        reported to `progress` one by one."""
        left = _Chunk()
        if not chunk.rows:
            nothing = pl.DataFrame(schema=schema_of(self.segment.steps[-1].after))
            await asyncio.to_thread(folder.write, chunk.number, nothing, no_rejects())
            return ChunkResult(chunk.number, 0, 0, {}, False, {})
        frame = await asyncio.to_thread(chunk.read)
        frame = await self._columnar(frame, range(self._first), left)
        ticked = 0
        if self.flows:
            ticked = frame.height
            rows = await self._flowing(frame.to_dicts(), left, chunk.number, admission)
            last = self.segment.steps[self._last - 1]
            frame = frame_of(rows, last.after, last.spec.op)
        frame = await self._columnar(frame, range(self._last, len(self.segment.steps)), left)
        rejects = left.frame()
        await asyncio.to_thread(folder.write, chunk.number, frame, rejects, partial=left.retryable)
        outcomes = frame.height + rejects.height
        return ChunkResult(chunk.number, chunk.rows - ticked, outcomes, failures(rejects), left.retryable, {})

    async def _columnar(self, frame: pl.DataFrame, steps: range, left: _Chunk) -> pl.DataFrame:
        """Frame steps; neighbouring batch steps travel to a worker together."""
        batch: list[BatchStep] = []
        for n in steps:
            step = self.segment.steps[n]
            if isinstance(step.operator, BatchOperator):
                batch.append(BatchStep(step.spec.id, step.operator, step.after))
                continue
            frame = await self._batches(frame, batch, left)
            batch = []
            frame = await self._rows(frame, step, left)
        return await self._batches(frame, batch, left)

    async def _batches(self, frame: pl.DataFrame, batch: list[BatchStep], left: _Chunk) -> pl.DataFrame:
        if not batch:
            return frame
        frame, rejects = await carried(self.runtime.pool, batch, frame)
        if rejects.height:
            left.frames.append(rejects)
        return frame

    async def _rows(self, frame: pl.DataFrame, step: Step, left: _Chunk) -> pl.DataFrame:
        assert isinstance(step.operator, RowOperator)
        rows = frame.to_dicts()
        kept: list[Row] = []
        for row, outcome in zip(rows, await self.runtime.pool.map_rows(step.operator, rows), strict=True):
            if isinstance(outcome, Reject):
                left.reject(row, outcome, step)
            elif outcome.get(step.before.key) != row[step.before.key]:
                raise AccountingError(f"operator {step.spec.op!r} changed the key of row {row[step.before.key]!r}")
            else:
                kept.append(outcome)
        return frame_of(kept, step.after, step.spec.op)

    async def _flowing(self, rows: Sequence[Row], left: _Chunk, number: int, admission: Admission) -> list[Row]:
        async def admitted(row: Row) -> list[Row]:
            async with admission.row(number):
                self.stop.check()
                PROBLEM.set(str(row.get("problem_id") or ""))
                leaves = await self._flow(row, self._first, left)
            admission.hold(number, leaves)
            self.progress.tick()
            return leaves

        return [row for leaves in await gather_all(admitted(row) for row in rows) for row in leaves]

    async def _flow(self, row: Row, n: int, left: _Chunk) -> list[Row]:
        """A row, and what becomes of it, through the flowing steps from the n-th on."""
        if n == self._last:
            return [row]
        step = self.segment.steps[n]
        if isinstance(step.operator, CallOperator):
            outcomes = await outcomes_of(step.operator, row, self._runs[n])
        else:
            outcomes = [await self._batchers[n].submit(row)]
        if not outcomes:
            raise AccountingError(
                f"operator {step.spec.op!r} returned nothing for row {row[step.before.key]!r}; a row that is not kept "
                "is a Reject with its reason"
            )
        kept: list[Row] = []
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, Reject):
                left.reject(row, outcome, step)
            else:
                kept.append(_adopted(outcome, row, step, index))
        if len(kept) == 1:
            return await self._flow(kept[0], n + 1, left)
        nested = await gather_all(self._flow(child, n + 1, left) for child in kept)
        return [leaf for leaves in nested for leaf in leaves]


def _adopted(made: Row, parent: Row, step: Step, index: int) -> Row:
    """The row with its key: the parent's own row stays as it is, a child gets key and parent."""
    was, key = step.before.key, step.after.key
    missing = [name for name in step.after if name not in made and name not in (key, "parent_id")]
    if missing:
        raise OperatorError(f"operator {step.spec.op!r} promised column {missing[0]!r} and didn't make it")
    if was == key and made.get(key) == parent[was]:
        return made
    row = dict(made)
    if row.get(key) is None:
        row[key] = child_id(str(parent[was]), step.fingerprint, index)
    if "parent_id" in step.after and was == "trace_id":
        row["parent_id"] = parent[was]
    return row


class _Batcher:
    """Rows of any chunk, gathered for a CPU step between two call steps."""

    def __init__(self, run: SegmentRun, step: Step) -> None:
        self._run, self._step = run, step
        self._waiting: list[tuple[Row, asyncio.Future[Any]]] = []
        self._flushing: set[asyncio.Task[None]] = set()

    async def submit(self, row: Row) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, future))
        if len(self._waiting) >= BATCH_ROWS:
            self._flush()
        elif len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._flush)
        return await future

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            task = asyncio.create_task(self._work(waiting))
            self._flushing.add(task)
            task.add_done_callback(self._flushing.discard)

    async def _work(self, waiting: list[tuple[Row, asyncio.Future[Any]]]) -> None:
        try:
            outcomes = await self._outcomes([row for row, _ in waiting])
        except BaseException as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        for outcome, (_, future) in zip(outcomes, waiting, strict=True):
            if not future.done():
                future.set_result(outcome)

    async def _outcomes(self, rows: list[Row]) -> list[Any]:
        step = self._step
        if isinstance(step.operator, RowOperator):
            return list(await self._run.runtime.pool.map_rows(step.operator, rows))
        assert isinstance(step.operator, BatchOperator)
        key = step.before.key
        steps = (BatchStep(step.spec.id, step.operator, step.after),)
        frame, rejects = await carried(self._run.runtime.pool, steps, frame_of(rows, step.before, step.spec.op))
        outcome: dict[str, Any] = {row[key]: row for row in frame.iter_rows(named=True)}
        for record in rejects.iter_rows(named=True):
            outcome[record["row_key"]] = Reject(record["reason"], record["detail"], kind=record["kind"])
        return [outcome[row[key]] for row in rows]
