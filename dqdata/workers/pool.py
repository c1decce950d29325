"""The CPU pool with deadlines: every symbolic check, batch step and `run.cpu` uses it.

    >>> async with Pool(workers=2) as pool:
    ...     outcomes = await pool.map_rows(verify, rows)      # a row that hangs is killed at verify.deadline
    ...     total = await pool.call(math.fsum, [1, 2], deadline=1.0)

Workers are processes started by hand, not by multiprocessing: they never import the caller's `__main__`, and they hold
in threads, in any event loop and inside a trainer. One thread of the caller serves each worker.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import pickle
import queue
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dqdata.errors import DeadlineExceeded, RowError, RunError
from dqdata.operator import Outcome, Reject, Row, RowOperator
from dqdata.workers.worker import BEAT_BYTES, LENGTH, NOT_BEGUN, ready, receive, send

T = TypeVar("T")
GROUP = 256
"""Rows that travel to a worker together."""
START_SECONDS = 60.0
STOP_SECONDS = 10.0
IDLE_FACTOR = 6.0
"""How many deadlines of wall time a task may take that uses no CPU. Time in which it is ready and has no core counts
only where it is more than EXCUSED times that."""
EXCUSED = 8.0
ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Environment of a worker: it has one core."""


class WorkerDied(RunError):
    """The process that ran a task ended under it."""


@dataclass(eq=False)
class _Task:
    kind: str
    target: Any
    payload: Any
    deadline: float | None
    done: Future[Any] = field(default_factory=Future)


class Pool:
    """Workers start with the first task. Usable from several event loops and threads at once."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else workers or 1
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def call(self, function: Callable[..., T], *args: Any, deadline: float | None = None) -> T:
        """`function(*args)` in a worker. Raises what it raises; DeadlineExceeded after `deadline` seconds of work."""
        result: T = await asyncio.wrap_future(self._submit(_Task("call", function, args, deadline)))
        return result

    async def map_rows(self, operator: RowOperator[Any], rows: Sequence[Row]) -> list[Outcome]:
        """The operator's outcome for each row, in order; rows that fail or time out become what it says of them."""
        pickled = pickle.dumps(operator)
        groups = [
            asyncio.wrap_future(self._submit(_Task("rows", pickled, list(rows[at : at + GROUP]), operator.deadline)))
            for at in range(0, len(rows), GROUP)
        ]
        raw = [item for group in await asyncio.gather(*groups) for item in group]
        return [_outcome(operator, row, item) for row, item in zip(rows, raw, strict=True)]

    def _submit(self, task: _Task) -> Future[Any]:
        with self._lock:
            if self._closed:
                raise RunError("the CPU pool is closed")
            if not self._threads:
                self._threads = [
                    threading.Thread(target=_serve, args=(self._tasks,), name=f"dqdata-cpu-{n}", daemon=True)
                    for n in range(self.workers)
                ]
                for thread in self._threads:
                    thread.start()
        self._tasks.put(task)
        return task.done

    def close(self) -> None:
        """Ends the workers once their current tasks are done; tasks never begun fail."""
        with self._lock:
            self._closed = True
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []


def _outcome(operator: RowOperator[Any], row: Row, item: Any) -> Outcome:
    if isinstance(item, DeadlineExceeded):
        return operator.timed_out(row)
    if isinstance(item, RowError):
        return Reject(item.reason, item.detail, kind="failed")
    if isinstance(item, MemoryError):
        return Reject("out_of_memory", "the row needed more memory than a worker may hold", kind="failed")
    if isinstance(item, BaseException):
        raise item
    return {**row, **item} if isinstance(item, Mapping) else item


def fork_server(control: int, beat: int) -> subprocess.Popen[bytes]:
    """Starts `dqdata.workers.worker` with two descriptors that it inherits. Raises OSError."""
    return subprocess.Popen(
        [sys.executable, "-m", "dqdata.workers.worker", str(os.getpid()), str(control), str(beat)],
        pass_fds=(control, beat),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **ONE_THREAD},
    )


class _Died(Exception):
    """The child of a worker has ended by itself."""


class _Worker:
    """One fork server and its current child. Raises RunError if it cannot be started."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.channel = -1
        with tempfile.TemporaryFile() as shared:
            shared.truncate(BEAT_BYTES)
            self.beat = mmap.mmap(shared.fileno(), BEAT_BYTES)
            try:
                self.process = fork_server(theirs.fileno(), shared.fileno())
            except OSError as error:
                self.control.close()
                raise RunError(f"a CPU worker can't be started: {error}") from error
            finally:
                theirs.close()
        try:
            self._take_child()
        except BaseException:
            self.end()
            raise

    def _take_child(self) -> None:
        """The next child that the fork server has started. Raises RunError where there is none."""
        if self.channel >= 0:
            os.close(self.channel)
            self.channel = -1
        if not ready(self.control.fileno(), select.POLLIN, START_SECONDS):
            raise RunError(f"a CPU worker didn't start within {START_SECONDS:g} s")
        message, descriptors, _, _ = socket.recv_fds(self.control, 64, 1)
        if not descriptors:
            raise RunError(
                "a CPU worker ends as soon as it starts; `python -m dqdata.workers.worker` writes why to stderr, "
                "above (a package that can't be imported, no memory, no processes left)"
            )
        self.child, self.channel = int(message), descriptors[0]

    def _next(self, seconds: float | None) -> Any:
        """The next message, None where none begins within `seconds`. Raises _Died."""
        if not ready(self.channel, select.POLLIN, seconds):
            return None
        try:
            return pickle.loads(receive(self.channel))
        except EOFError:
            raise _Died from None

    def _send(self, message: Any) -> None:
        try:
            send(self.channel, message)
        except TimeoutError:
            self._end_child()
            raise _Died from None
        except OSError:
            raise _Died from None

    def _answer(self, deadline: float | None) -> Any:
        """The next message; None where the child has worked on one row for `deadline` seconds, once it has imported
        what it needs. Its own CPU time counts, so that a busy machine condemns no row; a child that only waits is given
        IDLE_FACTOR times as long, and EXCUSED times that where it waits for a core. Raises _Died."""
        if deadline is None:
            return self._next(None)
        at, limit = NOT_BEGUN, max(START_SECONDS, deadline)
        cpu, began, left = self._cpu_seconds(), time.monotonic(), min(deadline, 1.0)
        delayed = self._delay_seconds()
        while (message := self._next(left)) is None:
            if self._beat() != at:
                at, limit = self._beat(), deadline
                cpu, began, left = self._cpu_seconds(), time.monotonic(), deadline
                delayed = self._delay_seconds()
                continue
            worked, waited = self._cpu_seconds() - cpu, time.monotonic() - began
            waited = max(waited - self._delay_seconds() + delayed, waited / EXCUSED)
            left = min(limit - worked, limit * IDLE_FACTOR - waited)
            if left <= limit / 50:
                return None
            if at == NOT_BEGUN:
                left = min(left, deadline, 1.0)
        return message

    def _beat(self) -> int:
        return int(LENGTH.unpack(self.beat[: LENGTH.size])[0])

    def _row_at(self) -> int:
        """The row at work; the first while the child has not begun, as it imports what the rows need."""
        at = self._beat()
        return 0 if at == NOT_BEGUN else at

    def _hand_over(self, task: tuple[Any, ...]) -> None:
        self.beat[: LENGTH.size] = LENGTH.pack(NOT_BEGUN)
        self._send(task)

    def _cpu_seconds(self) -> float:
        """CPU time of the child so far (Linux, by the clock that clock_getcpuclockid names); elsewhere wall time."""
        if sys.platform == "linux":
            with suppress(OSError):
                return time.clock_gettime(~self.child << 3 | 2)
        return time.monotonic()

    def _delay_seconds(self) -> float:
        """Seconds for which the child's main thread was ready and had no core; 0 where the kernel does not count."""
        try:
            return int(Path(f"/proc/{self.child}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError):
            return 0.0

    def _end_child(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGKILL)

    def replace(self) -> None:
        """Ends the current child, and what it had half written with it, and takes the next."""
        self._end_child()
        self._take_child()

    def end(self) -> None:
        self.control.close()
        if self.channel >= 0:
            os.close(self.channel)
            self.channel = -1
        try:
            self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.beat.close()

    def run(self, task: _Task) -> Any:
        return self._rows(task) if task.kind == "rows" else self._call(task)

    def _call(self, task: _Task) -> Any:
        try:
            self._hand_over((task.kind, task.target, task.payload))
            message = self._answer(task.deadline)
        except _Died:
            self.replace()
            raise WorkerDied("a CPU worker died at its task (out of memory, or a crash in native code)") from None
        if message is None:
            self.replace()
            raise DeadlineExceeded(f"killed after {task.deadline:g} s")
        if message[0] == "error":
            raise _Raised(message[1])
        return message[1]

    def _rows(self, task: _Task) -> list[Any]:
        """Results by row. A row that outlives the deadline, or kills its worker, gets an exception for a result; what
        the worker had done before and not sent yet is done again."""
        rows: list[Row] = task.payload
        done: list[Any] = []
        while len(done) < len(rows):
            first = len(done)
            verdict: Exception | None = None
            try:
                self._hand_over(("rows", task.target, rows[first:]))
                while verdict is None:
                    message = self._answer(task.deadline)
                    if message is None:
                        verdict = DeadlineExceeded(f"killed after {task.deadline:g} s")
                    elif message[0] == "error":
                        raise _Raised(message[1])
                    elif message[0] == "done":
                        break
                    else:
                        done += message[1]
            except _Died:
                verdict = RowError("worker_died", "the worker that held this row died")
            if verdict is not None:
                stuck = max(first + self._row_at(), len(done))
                self.replace()
                done += self._rows(_Task("rows", task.target, rows[len(done) : stuck], task.deadline))
                done.append(verdict)
        return done


class _Raised(Exception):
    """What the task itself raised, as distinct from a failure of its worker."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _serve(tasks: queue.SimpleQueue[_Task | None]) -> None:
    """A thread: starts its worker with its first task and hands it one task after another. Whatever breaks fails the
    task at hand; a worker that can't be trusted any more is replaced with the next task."""
    worker: _Worker | None = None
    while (task := tasks.get()) is not None:
        if not task.done.set_running_or_notify_cancel():
            continue
        try:
            worker = worker or _Worker()
            task.done.set_result(worker.run(task))
        except _Raised as raised:
            task.done.set_exception(raised.error)
        except (DeadlineExceeded, WorkerDied) as error:
            task.done.set_exception(error)
        except BaseException as error:
            if not isinstance(error, RunError):
                error = RunError(f"a CPU worker was lost: {type(error).__name__}: {error}")
            task.done.set_exception(error)
            if worker is not None:
                worker.end()
                worker = None
    if worker is not None:
        worker.end()
