"""The executors: where the chunks of a segment are processed.

local     in this process: many chunks in flight, CPU work in worker processes; a slow row delays its own chunk alone
inline    in this process and thread, one chunk after the other, without deadlines: for debuggers
spawn     each task in a process of its own, started in another folder: what a cluster does, on one machine

Each gives the same rows, rejects, failures and ledger.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from dqdata import errors
from dqdata.calls.owner import LocalOwner
from dqdata.calls.server import OwnerServer
from dqdata.engine.admission import Admission
from dqdata.engine.chunks import Folder
from dqdata.engine.memory import held_bytes, open_files
from dqdata.engine.progress import Progress
from dqdata.engine.runtime import Runtime
from dqdata.engine.segment import BATCH_ROWS, SegmentRun
from dqdata.engine.tasks import ChunkResult, ChunkTask, Job
from dqdata.errors import DqdataError, InputError, RunError
from dqdata.teacher import Teacher


class LocalExecutor:
    """Processes chunks on this event loop."""

    def __init__(self, runtime: Runtime, progress: Progress, chunks: int | None = None) -> None:
        """chunks: how many may be open at once; by default as many as memory and teachers have use for."""
        self._runtime, self._progress, self._chunks = runtime, progress, chunks
        self._job: Job | None = None
        self._run: SegmentRun
        self._admission: Admission

    async def admit(self, task: ChunkTask) -> None:
        if task.job is not self._job:
            self._begin(task.job)
        await self._admission.open_chunk(task.chunk.number, task.chunk.rows)

    async def run(self, task: ChunkTask) -> ChunkResult:
        try:
            return await self._run.chunk(task.chunk, Folder(task.job.target), self._admission)
        finally:
            self._admission.close_chunk(task.chunk.number)

    async def aclose(self) -> None:
        """The runtime belongs to whoever made it."""

    def _begin(self, job: Job) -> None:
        runtime = self._runtime
        self._job, self._run = job, SegmentRun(job.segment, runtime, runtime.stop, self._progress)
        names = [name for step in job.segment.steps for name in step.operator.teachers()]
        flowing = runtime.concurrency(names) if names else runtime.pool.workers * BATCH_ROWS
        columnar = min(runtime.pool.workers + 1, open_files(job.memory))
        chunks = self._chunks or (None if self._run.flows else columnar)
        self._admission = Admission(rows=2 * flowing, chunks=chunks, held_bytes=held_bytes(job.memory))


class SpawnExecutor:
    """Processes each chunk in a fresh process, whose calls go through the owner in this one."""

    def __init__(self, runtime: Runtime, processes: int) -> None:
        self._runtime, self._processes = runtime, processes
        self._room = asyncio.Semaphore(processes)
        self._server: OwnerServer | None = None
        self._children: set[asyncio.subprocess.Process] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="dqdata-tasks-")
        runtime.stop.on_set(lambda _: self._signal(signal.SIGTERM))

    async def admit(self, task: ChunkTask) -> None:
        refuse_gathering(task, self._runtime)
        await self._room.acquire()

    async def run(self, task: ChunkTask) -> ChunkResult:
        try:
            return await self._in_a_process(task)
        finally:
            self._room.release()

    async def aclose(self) -> None:
        self._signal(signal.SIGKILL)
        for child in list(self._children):
            await child.wait()
        if self._server is not None:
            await self._server.__aexit__(None, None, None)
        self._folder.cleanup()

    async def _owner(self) -> OwnerServer:
        if self._server is None:
            owner = self._runtime.owner
            if not isinstance(owner, LocalOwner):
                raise RunError("tasks in processes need the owner of the ledger in this one")
            self._server = await OwnerServer(owner).__aenter__()
            self._runtime.waiting_elsewhere = self._server.waiting
        return self._server

    async def _in_a_process(self, task: ChunkTask) -> ChunkResult:
        server = await self._owner()
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dqdata.engine.task_process", str(os.getpid())),
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            start_new_session=True,
        )
        self._children.add(child)
        if self._runtime.stop.cause is not None:
            self._signal(signal.SIGTERM)
        try:
            await child.communicate(pickle.dumps((server.address, self._processes, task)))
            return self._received(folder / "result", task, child.returncode)
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
            self._children.discard(child)

    def _received(self, file: Path, task: ChunkTask, code: int | None) -> ChunkResult:
        try:
            outcome = pickle.loads(file.read_bytes())
        except (OSError, EOFError, pickle.UnpicklingError):
            raise RunError(
                f"the process of chunk {task.chunk.number} ended with code {code} and no result; what it wrote to "
                "stderr is above. Run again: it goes on from here"
            ) from None
        if isinstance(outcome, ChunkResult):
            self._runtime.add_counters(outcome.counters)
            return outcome
        raise error_of(outcome)

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.send_signal(number)


def refuse_gathering(task: ChunkTask, runtime: Runtime) -> None:
    """A teacher that gathers the requests of the whole run can't work in several processes. Raises InputError."""
    for name in {name for step in task.job.segment.steps for name in step.operator.teachers()}:
        teacher = runtime.client(name).teacher
        if type(teacher).remember_in is not Teacher.remember_in:
            raise InputError(
                f"teacher {name!r} (provider {teacher.provider!r}) gathers the requests of a whole run, which "
                'takes one process: use [engine] kind = "local"'
            )


def described_error(error: DqdataError) -> tuple[str, str, str]:
    """The error that ended a task, for another process: class, text, code."""
    return type(error).__name__, str(error), error.code


def error_of(outcome: Any) -> DqdataError:
    """The error that `described_error` described."""
    name, text, code = outcome
    kind = getattr(errors, name, RunError)
    try:
        made: DqdataError = kind(text, code=code)
    except TypeError:  # a kind with more to it than a text
        made = RunError(text, code=code)
    return made
