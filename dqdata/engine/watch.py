"""A deadline for the code of a call operator, which runs on the event loop: a row whose code doesn't come back fails,
and its neighbours go on.

    >>> watch = Watch()
    >>> await watch.row(operator.process(row, run), deadline=10.0)

What counts is the time that the row's code holds the loop without awaiting anything: CPU time of the loop's thread, so
that a busy machine condemns no row, or IDLE_FACTOR times as much by the clock. Tasks that the row starts are watched
too. `_Stuck` is raised in the code that holds the loop. In the main thread a timer of CPU time and a thread that looks
on send signals, so that searching and sleeping end too; elsewhere it is raised between two instructions of Python.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import signal
import threading
import time
import types
from collections.abc import Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from dqdata.errors import DeadlineExceeded

T = TypeVar("T")
IDLE_FACTOR = 6.0
TOTAL_FACTOR = 10.0
"""How many deadlines of its own code a row may take in all, however often it awaits."""
LOOK_SECONDS = 0.25
SIGNALS = (signal.SIGURG, signal.SIGVTALRM)
"""The one that the thread sends, which does nothing where nobody waits for it, and the timer's: code that holds the
interpreter, as a search does, lets no thread look."""


class _Stuck(BaseException):
    """No Exception, so that no operator takes it for an error of its own."""


@dataclass(eq=False)
class _Row:
    watch: Watch
    deadline: float
    used: float = 0.0


@dataclass(eq=False)
class _Step:
    """One stretch of a row's code, from being resumed to awaiting something."""

    row: _Row
    thread: int
    cpu: float
    began: float
    condemned: bool = False


_row: contextvars.ContextVar[_Row | None] = contextvars.ContextVar("dqdata_row", default=None)


class Watch:
    """The deadlines of all rows of one run. on: whether they hold; a debugger stops for as long as it likes."""

    def __init__(self, *, on: bool = True) -> None:
        self._on = on
        self._lock = threading.Lock()
        self._step: dict[int, _Step] = {}
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._usual: list[Any] = []

    async def row(self, coroutine: Coroutine[Any, Any, T], deadline: float) -> T:
        """What the coroutine returns. Raises DeadlineExceeded where its code takes longer."""
        if not self._on:
            return await coroutine
        self._begin()
        token = _row.set(_Row(self, deadline))
        try:
            return await _driven(coroutine, _row.get())
        finally:
            _row.reset(token)

    def close(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if self._usual and threading.current_thread() is threading.main_thread():
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            for number, usual in zip(SIGNALS, self._usual, strict=True):
                signal.signal(number, usual)
            self._usual = []

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.get_task_factory() is None:
            loop.set_task_factory(_task)
        if self._thread is None:
            in_main = threading.current_thread() is threading.main_thread()
            if in_main and not signal.getitimer(signal.ITIMER_VIRTUAL)[0]:
                self._usual = [signal.signal(number, self._interrupt) for number in SIGNALS]
                signal.setitimer(signal.ITIMER_VIRTUAL, LOOK_SECONDS, LOOK_SECONDS)
            self._thread = threading.Thread(target=self._look, name="dqdata-watch", daemon=True)
            self._thread.start()

    def enter(self, row: _Row) -> _Step:
        thread = threading.get_ident()
        step = _Step(row, thread, time.thread_time(), time.monotonic())
        self._step[thread] = step
        return step

    def leave(self, step: _Step) -> None:
        with self._lock:
            if self._step.get(step.thread) is step:
                del self._step[step.thread]
            if step.condemned and not (self._usual and step.thread == threading.main_thread().ident):
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(step.thread), None)
        step.row.used += time.thread_time() - step.cpu

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with self._lock:
                for step in list(self._step.values()):
                    if self._is_over(step):
                        step.condemned = True
                        self._raise_in(step.thread)

    def _is_over(self, step: _Step) -> bool:
        waited = time.monotonic() - step.began
        if waited <= step.row.deadline:
            return False
        if waited > IDLE_FACTOR * step.row.deadline:
            return True
        try:
            used = time.clock_gettime(time.pthread_getcpuclockid(step.thread)) - step.cpu
        except (AttributeError, OSError):  # macOS has no clock of another thread
            return True
        return used > step.row.deadline

    def _raise_in(self, thread: int) -> None:
        if thread == threading.main_thread().ident and self._usual:
            with suppress(OSError):
                signal.pthread_kill(thread, SIGNALS[0])
        else:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Stuck))

    def _interrupt(self, number: int, frame: object) -> None:
        """Runs in the main thread, maybe where it holds the lock."""
        step = self._step.get(threading.get_ident())
        if step is not None and self._is_over(step):
            raise _Stuck


def _task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """A task of a row is watched with it."""
    row = _row.get()
    if row is not None and asyncio.iscoroutine(coroutine):
        coroutine = _driven(coroutine, row)
    return asyncio.Task(coroutine, loop=loop, **options)


async def _driven(coroutine: Coroutine[Any, Any, T], row: _Row | None) -> T:
    assert row is not None
    return await _steps(coroutine, row)


@types.coroutine
def _steps(coroutine: Coroutine[Any, Any, T], row: _Row) -> Generator[Any, Any, T]:
    act: Any = coroutine.send
    given: Any = None
    while True:
        step = row.watch.enter(row)
        try:
            try:
                awaited = act(given)
            finally:
                row.watch.leave(step)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        except _Stuck:
            row.watch.leave(step)
            why = f"its code held up all other rows for {row.deadline:g} s without awaiting anything"
            raise DeadlineExceeded(why) from None
        if row.used > TOTAL_FACTOR * row.deadline:
            coroutine.close()
            raise DeadlineExceeded(f"its code took {row.used:.0f} s in all")
        try:
            act, given = coroutine.send, (yield awaited)
        except BaseException as error:
            act, given = coroutine.throw, error
