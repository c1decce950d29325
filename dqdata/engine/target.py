"""Runs a pipeline over as many rows of its source as `target_rows` rows of the result need.

The rows are taken from the beginning of the source, in rounds: each executes the plan over more of them, which table
steps require, and takes the answers of the round before from the ledger. The yield measured so far decides how many
more. The result depends on the rows and answers alone: those of the shortest round that reached the target.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from dqdata.engine.chunks import Folder, row_count
from dqdata.engine.executor import RunOutput, execute, unpaid
from dqdata.engine.frames import rejects_of_frame
from dqdata.engine.progress import Progress
from dqdata.engine.runtime import Runtime
from dqdata.engine.tasks import Executor
from dqdata.project.plan import Plan

STEP = "target_rows"
REASON = "target_reached"
LEAST_GROWTH = 1.02
"""A round takes at least so many times the rows of the one before, so that there are few rounds."""
MOST_GROWTH = 4.0


@dataclass(frozen=True)
class Reached:
    """limit: rows of the source that were taken. ended_by: target, source or budget. answered: calls of the last round,
    those that the ledger answered included."""

    output: RunOutput
    limit: int
    ended_by: str
    answered: int


async def until_target(
    plan: Plan, runtime: Runtime, executor: Executor, folder: Path, progress: Progress, *, allow_partial: bool
) -> Reached:
    """The rows of the result, at most `target_rows`; those after them are rejects, `target_reached`. Raises RunError,
    always resumable: finished chunks of the round that was under way are passed over."""
    target = plan.pipeline.target_rows
    assert target is not None
    limit = _first_round(plan, target)
    while True:
        shutil.rmtree(folder / "scratch", ignore_errors=True)
        before = _answered(runtime)
        place = folder / f"first-{limit}"
        output = await execute(plan.first(limit), runtime, executor, place, progress, allow_partial=allow_partial)
        kept = row_count(list(output.rows))
        ended_by = ""
        if kept >= target:
            ended_by = "target"
        elif output.partial and _budget_ended(plan, place):
            ended_by = "budget"
        elif output.rows_in < limit:
            ended_by = "source"
        if ended_by:
            cut = first_rows(output, plan, target, folder / "cut")
            return Reached(cut, limit, ended_by, _answered(runtime) - before)
        limit = _next_round(limit, kept, target)


def first_rows(output: RunOutput, plan: Plan, target: int, folder: Path) -> RunOutput:
    """The first rows of an output, and the others as rejects."""
    left, rows, rejects = target, list[Path](), list(output.rejects)
    place = Folder(folder)
    shutil.rmtree(folder, ignore_errors=True)
    place.prepare()
    for number, file in enumerate(output.rows):
        there = row_count([file])
        if there <= left:
            rows.append(file)
            left -= there
            continue
        frame = pl.read_parquet(file, glob=False)
        kept, over = frame.head(left), frame.slice(left)
        why = over.select(plan.after.key, reason=pl.lit(REASON), detail=pl.lit(f"target_rows = {target} were accepted"))
        place.write(number, kept, rejects_of_frame(over, why, STEP, STEP))
        rows += [folder / f"rows-{number:06}.parquet"]
        rejects += [folder / f"rejects-{number:06}.parquet"]
        left = 0
    return replace(output, rows=rows, rejects=rejects)


def expected_source_rows(plan: Plan, target: int) -> int:
    """Rows of the source that the operators expect the target to need."""
    last = plan.steps[-1].estimate if plan.steps else None
    share = last.rows / plan.rows if last is not None and plan.rows else 1.0
    return max(1, math.ceil(target / share)) if share > 0 else target


def _first_round(plan: Plan, target: int) -> int:
    """As many rows as would do if every row came through: a first measurement that buys nothing in vain."""
    last = plan.steps[-1].most if plan.steps else None
    share = last.rows / plan.rows if last is not None and plan.rows else 1.0
    return max(1, math.ceil(target / max(share, 1.0))) if math.isfinite(share) else 1


def _next_round(limit: int, kept: int, target: int) -> int:
    """Rows of the source that the target needs at the yield so far, within the bounds of growth."""
    needed = limit + math.ceil((target - kept) * limit / kept) if kept else math.inf
    return int(min(max(needed, math.ceil(limit * LEAST_GROWTH)), math.ceil(limit * MOST_GROWTH)))


def _answered(runtime: Runtime) -> int:
    return sum(counters.made + counters.cached for counters in runtime.counters())


def _budget_ended(plan: Plan, place: Path) -> bool:
    folders: Sequence[Folder] = [
        Folder(path) for segment in plan.segments for path in place.glob(f"{segment.fingerprint}*")
    ]
    return any(unpaid(folder) for folder in folders if folder.rejects())
