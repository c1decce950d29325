"""The process of one task: `python -m dqdata.engine.task_process PARENT`, the task on stdin, the result in `result`.

`TaskSession` is all that a process on another machine needs too: a job, and the owner of the ledger.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from dqdata.calls.counters import Counters
from dqdata.calls.remote import RemoteOwner
from dqdata.calls.wire import OwnerAddress
from dqdata.catalog import Store
from dqdata.catalog.lake import AWAY
from dqdata.engine.chunks import Slice
from dqdata.engine.executors import LocalExecutor, described_error
from dqdata.engine.progress import Progress
from dqdata.engine.runtime import Runtime
from dqdata.engine.stop import StopSignal, on_signals
from dqdata.engine.tasks import ChunkResult, ChunkTask, Job
from dqdata.errors import DqdataError, StoreError
from dqdata.place import StorePlace
from dqdata.project.check import NoStore
from dqdata.workers.lifetime import end_with
from dqdata.workers.logs import hide_prints

PATIENCE = 300.0
"""Seconds to wait for a store whose server is away."""


class TaskSession:
    """What the chunks of one job need in a process, opened once and used for one chunk after the other.

    >>> async with TaskSession(job, owner, stop) as session:
    ...     result = await session.run(chunk)
    """

    def __init__(self, job: Job, owner: RemoteOwner, stop: StopSignal, processes: int = 1) -> None:
        """processes: how many of this machine share the memory of the run."""
        self._job = replace(job, memory=max(job.memory // processes, 1 << 28))
        self._owner, self._stop = owner, stop
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> TaskSession:
        job, stack = self._job, self._stack
        try:
            store = await _opened(job.project.store)
            if isinstance(store, Store):
                stack.enter_context(store)
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="dqdata-task-"))
            self._runtime = await stack.enter_async_context(
                Runtime(
                    job.project,
                    await stack.enter_async_context(self._owner),
                    job.labels,
                    stop=self._stop,
                    workers=1,
                    seed=job.seed,
                    memory_limit=job.memory,
                    scratch=Path(scratch),
                    store=store,
                    unpaid_rows_fail=job.unpaid_rows_fail,
                    replay=job.replay,
                )
            )
        except BaseException:
            await stack.aclose()
            raise
        self._executor = LocalExecutor(self._runtime, Progress(1.0, self._runtime.counters, None))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def run(self, chunk: Slice, target: Path | None = None) -> ChunkResult:
        """Processes a chunk and writes its checkpoint, to `target` instead of the job's folder where it is given.
        Raises RunError, always resumable."""
        job = self._job if target is None else replace(self._job, target=target)
        before = {name: replace(counted) for name, counted in self._runtime.counters_by_name().items()}
        task = ChunkTask(job, chunk)
        await self._executor.admit(task)
        try:
            result = await self._executor.run(task)
        except Exception:
            self._stop.check()  # what ended the run says why
            raise
        counted = self._runtime.counters_by_name().items()
        since = {name: now.since(before.get(name, Counters())) for name, now in counted}
        return replace(result, rows=chunk.rows, counters=since)


async def _opened(place: StorePlace) -> Store | NoStore:
    """The store for reading. One whose server is away is waited for, as the ledger is."""
    began = time.monotonic()
    while True:
        try:
            return Store.open(place, read_only=True) if Store.exists(place) else NoStore()
        except StoreError as error:
            if AWAY not in str(error) or time.monotonic() - began > PATIENCE:
                raise
        await asyncio.sleep(1.0)


async def run_task(task: ChunkTask, owner: OwnerAddress, processes: int) -> ChunkResult:
    """Processes a chunk in this process, which is for it alone."""
    stop = StopSignal()
    with on_signals(stop):
        async with TaskSession(task.job, RemoteOwner(owner), stop, processes) as session:
            return await session.run(task.chunk)


def main() -> None:
    end_with(int(sys.argv[1]))
    printed = hide_prints()
    address, processes, task = pickle.loads(sys.stdin.buffer.read())
    outcome: Any
    try:
        outcome = asyncio.run(run_task(task, address, processes))
    except DqdataError as error:
        outcome = described_error(error)
    printed.finish()
    unfinished = Path("result.part")
    unfinished.write_bytes(pickle.dumps(outcome))
    os.replace(unfinished, "result")  # noqa: PTH105  (one call, of names in the folder that this process began in)


if __name__ == "__main__":
    main()
