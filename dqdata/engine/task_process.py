"""The process of one task: `python -m dqdata.engine.task_process PARENT`, the task on stdin, the result in `result`.

`run_task` is all that a process on another machine needs too: a task, and the address of the owner of the ledger.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from dqdata.calls.remote import RemoteOwner
from dqdata.calls.wire import OwnerAddress
from dqdata.catalog import Store
from dqdata.engine.executors import LocalExecutor
from dqdata.engine.progress import Progress
from dqdata.engine.runtime import Runtime
from dqdata.engine.stop import StopSignal, on_signals
from dqdata.engine.tasks import ChunkResult, ChunkTask
from dqdata.errors import DqdataError
from dqdata.project.check import NoStore
from dqdata.workers.lifetime import end_with


async def run_task(task: ChunkTask, owner: OwnerAddress, processes: int = 1) -> ChunkResult:
    """Processes a chunk in this process and writes its checkpoint. processes: how many share the memory of the run.
    Raises RunError, always resumable."""
    job, stop = task.job, StopSignal()
    job = replace(job, memory=max(job.memory // processes, 1 << 28))
    async with AsyncExitStack() as stack:
        stack.enter_context(on_signals(stop))
        there = Store.exists(job.project.store)
        store = stack.enter_context(Store.open(job.project.store, read_only=True)) if there else NoStore()
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="dqdata-task-"))
        runtime = await stack.enter_async_context(
            Runtime(
                job.project,
                await stack.enter_async_context(RemoteOwner(owner)),
                job.labels,
                stop=stop,
                workers=1,
                seed=job.seed,
                memory_limit=job.memory,
                scratch=Path(scratch),
                store=store,
                unpaid_rows_fail=job.unpaid_rows_fail,
                replay=job.replay,
            )
        )
        executor = LocalExecutor(runtime, Progress(1.0, runtime.counters, None))
        task = ChunkTask(job, task.chunk)
        await executor.admit(task)
        try:
            result = await executor.run(task)
        except Exception:
            stop.check()  # what ended the run says why
            raise
        return replace(result, rows=task.chunk.rows, counters=runtime.counters_by_name())


def main() -> None:
    end_with(int(sys.argv[1]))
    address, processes, task = pickle.loads(sys.stdin.buffer.read())
    outcome: Any
    try:
        outcome = asyncio.run(run_task(task, address, processes))
    except DqdataError as error:
        outcome = (type(error).__name__, str(error), error.code)
    unfinished = Path("result.part")
    unfinished.write_bytes(pickle.dumps(outcome))
    os.replace(unfinished, "result")  # noqa: PTH105  (one call, of names in the folder that this process began in)


if __name__ == "__main__":
    main()
