"""The public interface of the sandbox.

sandbox = Sandbox()
result = await sandbox.run("print(input())", stdin="42")
check = await sandbox.check("def add(a, b): return a + b", Tests("assert add(2, 3) == 5"))
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from dqdata.errors import RowError, SandboxError
from dqdata.sandbox.beside import check_beside
from dqdata.sandbox.dispatcher import Dispatcher
from dqdata.sandbox.jobs import check_task, run_task
from dqdata.sandbox.limits import Check, Limits, Result, Tests
from dqdata.sandbox.sending import Wired, wired
from dqdata.sandbox.worker import Task

if TYPE_CHECKING:
    from dqdata.workers.pool import Pool

T = TypeVar("T")
SHORT = 4_000
"""Characters of tests that are read where the check is asked for: some milliseconds, and 0.2 s where Python's compiler
joins constants of 4,096 characters, which takes time with the square of their number."""
READING_SECONDS = 10.0
SandboxMode = Literal["auto", "bwrap", "landlock", "none"]


class Sandbox:
    """Runs programs, each in fresh state. Starts at the first one; one object serves threads and event loops at once.

    mode: "auto" takes what the environment variable DQDATA_SANDBOX says, or else the strongest isolation that works
    here; where none works, running raises SandboxError. "none" runs programs as the user you are, with limits alone.
    workers: server processes, one a core by default. limits: what a program may use by default. pool: where
    texts are read, instead of one of its own.
    """

    def __init__(
        self,
        mode: SandboxMode = "auto",
        workers: int | None = None,
        limits: Limits | None = None,
        pool: Pool | None = None,
    ) -> None:
        self.mode: SandboxMode = mode
        self.workers = workers or os.cpu_count() or 1
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._dispatcher: Dispatcher | None = None
        self._given, self._reader = pool, 0
        self._own: Pool | None = None
        self._owner = 0
        self._closed = False

    async def run(
        self, program: str, *, stdin: str = "", limits: Limits | None = None, files: Mapping[str, str] | None = None
    ) -> Result:
        """Runs a program as `python program.py` would, `files` (relative path to text) beside it.

        Raises SandboxError where no isolation works; what the program does raises nothing.
        """
        return await asyncio.wrap_future(self.submit(program, stdin=stdin, limits=limits, files=files))

    def submit(
        self, program: str, *, stdin: str = "", limits: Limits | None = None, files: Mapping[str, str] | None = None
    ) -> Future[Result]:
        """`run` for threads."""
        return self._submit(run_task(program, stdin, limits or self.limits, files or {}))

    async def check(
        self, candidate: str, tests: Tests, *, limits: Limits | None = None, files: Mapping[str, str] | None = None
    ) -> Check:
        """Tests a candidate from a process of its own; see `Tests`. Raises as `run` does, and SyntaxError where the
        tests are no Python."""
        short = len(tests.code) + len(tests.prompt) <= SHORT
        runs = wired(tests) if short else await self.aside(wired, tests, deadline=READING_SECONDS)
        return await self.check_wired(candidate, runs, limits=limits, files=files)

    def submit_check(
        self, candidate: str, tests: Tests, *, limits: Limits | None = None, files: Mapping[str, str] | None = None
    ) -> Future[Check]:
        """`check` for threads."""
        return self._start(candidate, wired(tests), limits, files)

    async def check_wired(
        self,
        candidate: str,
        runs: Sequence[Wired],
        *,
        limits: Limits | None = None,
        files: Mapping[str, str] | None = None,
    ) -> Check:
        """`check` with what `wired` made of the tests."""
        return await asyncio.wrap_future(self._start(candidate, runs, limits, files))

    def _start(
        self, candidate: str, runs: Sequence[Wired], limits: Limits | None, files: Mapping[str, str] | None
    ) -> Future[Check]:
        def start(number: int) -> Future[Check]:
            return self._submit(check_task(candidate, runs[number], limits or self.limits, files or {}))

        return check_beside([run.tests for run in runs], start) if runs[0].tests.inside else start(0)

    async def aside(self, function: Callable[..., T], *args: Any, deadline: float) -> T:
        """`function(*args)` in a process that is killed after `deadline` seconds of its work (DeadlineExceeded): for
        whatever reads a text that nobody trusts. The function is a module's own; what it raises is raised. RowError
        where the text kills the process."""
        from dqdata.workers.pool import WorkerDied

        try:
            return await self._pool().call(function, *args, deadline=deadline)
        except WorkerDied as error:
            raise RowError("reader_died", f"the process that read a text of the row died: {error}") from None

    def _pool(self) -> Pool:
        if self._given is not None:
            return self._given

        from dqdata.workers.pool import Pool

        with self._lock:
            if self._own is None or self._reader != os.getpid():  # a fork has the object but not its threads
                self._own, self._reader = Pool(self.workers), os.getpid()
            return self._own

    def close(self) -> None:
        """Ends every process; safe to call twice. Using the sandbox afterwards raises SandboxError."""
        with self._lock:
            self._closed = True
            dispatcher, self._dispatcher = self._dispatcher, None
            own, self._own = self._own, None
            owner = self._owner
        if own is not None and self._reader == os.getpid():
            own.close()
        if dispatcher is not None and owner == os.getpid():
            dispatcher.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _submit(self, task: Task) -> Future[Any]:
        if self._owner not in (0, os.getpid()):  # a fork has the object but not its thread
            self._lock, self._dispatcher, self._owner = threading.Lock(), None, 0
        with self._lock:
            if self._closed:
                raise SandboxError("the sandbox is closed; make another one")
            if self._dispatcher is None or self._dispatcher.closing:
                self._start_servers()
            assert self._dispatcher is not None
            if task.limits.processes and self._dispatcher.mode == "landlock":
                raise SandboxError(
                    "programs that start processes need the sandbox bwrap, and only landlock works here; "
                    "set processes = 0, or see dqdata.sandbox.probe() for what bwrap needs"
                )
            self._dispatcher.submit(task)
        return task.future

    def _start_servers(self) -> None:
        mode: str = self.mode
        if mode == "auto":
            from dqdata.sandbox.probe import probe

            mode = os.environ.get("DQDATA_SANDBOX", "auto")
            if mode == "auto":
                mode = probe().require()
            elif mode not in ("bwrap", "landlock", "none"):
                raise SandboxError(f"DQDATA_SANDBOX is {mode!r}; it may be auto, bwrap, landlock or none")
        self._owner = os.getpid()
        self._dispatcher = Dispatcher(mode, self.workers)
        weakref.finalize(self, _close_in, self._owner, self._dispatcher)


def _close_in(owner: int, dispatcher: Dispatcher) -> None:
    """At exit, or when the sandbox is forgotten; in a forked child there is nothing to close."""
    if owner == os.getpid():
        dispatcher.close()
