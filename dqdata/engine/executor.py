"""Executes a plan on disk: ingest, then segment after segment, each from the checkpoints of the one before.

FOLDER/<fingerprint of the source>/     the rows with their ids
FOLDER/<fingerprint of a segment>/      what its last step left; an unchanged segment is found again by its name
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dqdata.calls.client import UNPAID
from dqdata.engine.append import Appending, row_hashes
from dqdata.engine.chunks import Folder, row_count, slices
from dqdata.engine.ingest import ingest
from dqdata.engine.progress import DETAIL, Progress
from dqdata.engine.runtime import Runtime
from dqdata.engine.segment import chunk_rows
from dqdata.engine.stop import StopSignal
from dqdata.engine.table import run_table_step
from dqdata.engine.tasks import ChunkTask, Executor
from dqdata.errors import Incomplete
from dqdata.project.plan import Plan, Segment


@dataclass(frozen=True)
class RunOutput:
    """What executing a plan left: checkpoint files of rows and rejects. partial: retryable failures are in them."""

    rows: Sequence[Path]
    rejects: Sequence[Path]
    rows_in: int
    partial: bool
    source: Folder
    """Checkpoints of the rows as they entered the first step."""


async def execute(
    plan: Plan,
    runtime: Runtime,
    executor: Executor,
    folder: Path,
    progress: Progress,
    *,
    allow_partial: bool = False,
    namespace_ids: bool = True,
    appending: Appending | None = None,
) -> RunOutput:
    """Runs the plan; finished chunks of an earlier run are passed over. appending: takes over what the last run made of
    the same rows. Raises RunError, always resumable."""
    namespace = plan.source.namespace() if namespace_ids else ""
    came = Folder(folder / plan.source_fingerprint)
    pipeline = plan.pipeline
    await asyncio.to_thread(
        ingest, plan.source, plan.columns, namespace, came, plan.id_scheme, pipeline.limit, pipeline.memory
    )
    facts = came.facts()
    assert facts is not None
    if appending is not None:
        await asyncio.to_thread(row_hashes, came.rows(), came, pipeline.memory)
    folders, partial = [came], False
    _reopen([Folder(folder / plan.checkpoints(segment)) for segment in plan.segments])
    async with progress.alive():
        for segment in plan.segments:
            target = Folder(folder / (plan.checkpoints(segment) + ("-partial" if partial else "")))
            if partial:
                shutil.rmtree(target.path, ignore_errors=True)
            await execute_segment(
                segment, folders[-1], target, runtime, executor, progress, pipeline.chunk_rows, appending
            )
            if target.partial():
                partial = True
                if not (allow_partial or (pipeline.target_rows is not None and unpaid(target))):
                    raise Incomplete(_unfinished(target, runtime.project.command("run", plan.pipeline.name)))
            folders.append(target)
    progress.draw(last=True)
    rejects = [file for done in folders for file in done.rejects()]
    return RunOutput(folders[-1].rows(), rejects, int(facts["rows_in"]), partial, came)


def _reopen(folders: Sequence[Folder]) -> None:
    """Before a run that goes on where another ended: rows that failed then are processed again. The ledger has the
    answers of the others; a failed call is no answer. What came of the rows in later segments is made anew."""
    for number, folder in enumerate(folders):
        if folder.reopen():
            for later in folders[number + 1 :]:
                shutil.rmtree(later.path, ignore_errors=True)
            return


async def execute_segment(
    segment: Segment,
    before: Folder,
    target: Folder,
    runtime: Runtime,
    executor: Executor,
    progress: Progress,
    rows_of_chunk: int | None = None,
    appending: Appending | None = None,
) -> None:
    """Fills the target with what the segment makes of the rows of the folder before. rows_of_chunk: rows of a
    checkpoint, by default few where teachers are called and many elsewhere."""
    appends = appending if not segment.is_table else None
    if target.facts() is not None:
        if appends is not None:
            appends.add(segment, target)
        return
    files = before.rows()
    total = row_count(files)
    progress.segment(" > ".join(step.spec.id for step in segment.steps), total)
    if segment.is_table:
        [step] = segment.steps
        run = runtime.at(step)
        await asyncio.to_thread(run_table_step, step, files, run, target)
        _passed(progress, total)
        return
    target.prepare()
    job = runtime.job(segment, target.path)
    most = rows_of_chunk or chunk_rows(segment)
    if appends is None:
        chunks = list(slices(files, most))
    else:
        memory = runtime.memory_limit
        chunks = await asyncio.to_thread(appends.slices, segment, files, before, target, memory, most)
        _passed(progress, total - sum(chunk.rows for chunk in chunks))
    tasks = [ChunkTask(job, chunk) for chunk in chunks]
    await run_tasks(tasks, executor, runtime.stop, progress)
    if not target.partial():
        target.finish({"rows_in": total})


async def run_tasks(tasks: Sequence[ChunkTask], executor: Executor, stop: StopSignal, progress: Progress) -> None:
    """Processes the chunks that have no checkpoint. An error sets the stop signal: chunks under way end where they can,
    finished ones are written, and then it is raised."""
    under_way: set[asyncio.Task[None]] = set()

    async def guarded(task: ChunkTask) -> None:
        try:
            result = await executor.run(task)
            progress.advance(result.rows)
            progress.judge(task.chunk.rows, result.outcomes, result.failed)
        except Exception as error:
            stop.set(error)

    for task in tasks:
        if Folder(task.job.target).has(task.chunk.number):
            _passed(progress, task.chunk.rows)
            continue
        await executor.admit(task)
        if stop.cause is not None:
            break
        begun = asyncio.create_task(guarded(task))
        under_way.add(begun)
        begun.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    if stop.cause is not None:
        raise stop.cause


def unpaid(folder: Folder) -> bool:
    """Whether rows failed because the budget ended."""
    import polars as pl

    found = pl.scan_parquet(folder.rejects(), glob=False).filter(pl.col("reason") == UNPAID)
    return bool(found.head(1).collect().height)


def _unfinished(folder: Folder, again: str) -> str:
    """What is left, and the command that tries it again."""
    import polars as pl

    left = (
        pl.scan_parquet(folder.rejects(), glob=False)
        .filter(pl.col("kind") == "failed")
        .group_by("reason")
        .agg(pl.len(), pl.col("detail").first())
        .sort("len", descending=True)
        .collect()
    )
    reasons = ", ".join(f"{reason}: {count}" for reason, count, _ in left.iter_rows())
    example = str(left["detail"][0] or "")[:DETAIL]
    return (
        f"{left['len'].sum()} rows failed ({reasons}) and another run may save them: `{again}` "
        f"tries just those again, `--allow-partial` commits without them"
        + (f"; the first of them: {example}" if example else "")
    )


def _passed(progress: Progress, rows: int) -> None:
    """Rows of which none failed."""
    progress.advance(rows)
    progress.judge(rows, rows, {})
