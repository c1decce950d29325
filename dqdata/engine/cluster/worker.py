"""What runs in a worker process of the cluster: one chunk after the other, with what they share opened once.

The session of a job (its runtime, its connection to the owner of the calls) lives in an event loop of its own thread
until another job comes, or the run ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import tempfile
import threading
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dqdata.calls.remote import RemoteOwner
from dqdata.engine.chunks import Folder, Slice
from dqdata.engine.cluster.bucket import Bucket, unpacked
from dqdata.engine.cluster.owner import OWNER_PATIENCE, find
from dqdata.engine.executors import described_error
from dqdata.engine.stop import StopSignal
from dqdata.engine.task_process import TaskSession
from dqdata.engine.tasks import ChunkResult, Job
from dqdata.errors import DqdataError, Stopped
from dqdata.workers.logs import show_logs


@dataclass(frozen=True)
class RayJob:
    """A job with what a worker needs to take part. owner: name of the actor; token: what its server asks for.
    processes: chunks at once on one machine. environment: credentials of the driver. level: from which on plug-ins and
    dqdata log."""

    job: Job
    owner: str
    token: str
    processes: int
    environment: Mapping[str, str]
    level: int = logging.WARNING


def work(host: str, payload: bytes, name: str, rows: Any, chunk: bytes) -> tuple[str, Any]:
    """As `probe.carry_out`."""
    global _worker
    try:
        if _worker is None:
            _worker = _Worker()
        return "done", _worker.run(payload, name, rows, pickle.loads(chunk))
    except DqdataError as error:
        return "failed", described_error(error)
    except (ImportError, AttributeError) as error:
        if not isinstance(error, ImportError) and "Can't get attribute" not in str(error):
            raise
        return "differs", (host, f"lacks what this run needs ({error}): install the same packages there")


def job_name() -> str:
    """Of the job that this process works on; empty where there is none yet."""
    return "" if _worker is None else _worker.name


class _Worker:
    """Of this process. name: of the job that it works on."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="dqdata", daemon=True).start()
        self.name = ""
        self._open: _Open | None = None

    def run(self, payload: bytes, name: str, rows: Any, chunk: Slice) -> ChunkResult:
        return asyncio.run_coroutine_threadsafe(self._run(payload, name, rows, chunk), self._loop).result()

    async def _run(self, payload: bytes, name: str, rows: Any, chunk: Slice) -> ChunkResult:
        if self._open is None or self.name != name or self._open.closed:
            if self._open is not None:
                await self._open.close()
            self._open, self.name = await _Open.of(pickle.loads(payload)), name
        return await self._open.run(rows, chunk)


class _Open:
    """The session of a job. It closes when the run ends: at once where no chunk is processed, else behind it."""

    def __init__(self, job: RayJob) -> None:
        self._stop, self._busy, self.closed = StopSignal(), True, False
        self._stack = AsyncExitStack()
        self._closing: asyncio.Task[None] | None = None
        for name, value in job.environment.items():
            os.environ.setdefault(name, value)
        show_logs(job.level)
        owner = RemoteOwner(find(job.owner, job.token), patience=OWNER_PATIENCE, on_stop=self._end)
        self._job = job.job
        self._session = TaskSession(job.job, owner, self._stop, job.processes)

    @classmethod
    async def of(cls, job: RayJob) -> _Open:
        made = cls(job)
        await made._stack.enter_async_context(made._session)
        return made

    async def run(self, rows: Any, chunk: Slice) -> ChunkResult:
        self._busy = True
        try:
            self._stop.check()
            return await (self._session.run(chunk) if rows is None else self._elsewhere(rows, chunk))
        finally:
            self._busy = False
            if self._stop.cause is not None:
                await self.close()

    async def _elsewhere(self, rows: bytes, chunk: Slice) -> ChunkResult:
        """A chunk whose rows came with the task, and whose checkpoint goes to the bucket."""
        bucket = Bucket(self._job.project.store, self._job.target)
        if (made := await asyncio.to_thread(bucket.found, chunk)) is not None:
            return made
        with tempfile.TemporaryDirectory(prefix="dqdata-task-") as folder:
            here = Path(folder)
            chunk = await asyncio.to_thread(unpacked, rows, chunk, here)
            result = await self._session.run(chunk, here)
            await asyncio.to_thread(bucket.put, chunk.number, Folder(here))
        return result

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            await self._stack.aclose()

    def _end(self, cause: DqdataError) -> None:
        self._stop.set(Stopped(str(cause)))
        if not self._busy:
            self._closing = asyncio.get_running_loop().create_task(self.close())


_worker: _Worker | None = None
