"""asyncio helpers that plug-ins and the core share.

>>> await gather_all(teacher.complete(request) for request in requests)
>>> settle(future, completion)                 # from a model's own thread; or error=TeacherError(...)
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import functools
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, Concatenate, ParamSpec, TypeVar

from dqdata.errors import Interrupted, Stopped

T = TypeVar("T")
A = ParamSpec("A")
S = TypeVar("S")


async def gather_all(awaitables: Iterable[Awaitable[T]]) -> list[T]:
    """All results, in order.

    Every awaitable runs to its end before the first error is raised: a call in flight is paid for, and its answer
    must be stored. Stopped is raised only where nothing else failed.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    for result in await asyncio.gather(*awaitables, return_exceptions=True):
        if isinstance(result, BaseException):
            errors.append(result)
        else:
            results.append(result)
    if errors:
        raise next((error for error in errors if not isinstance(error, Stopped)), errors[0])
    return results


def settle(future: asyncio.Future[Any], value: Any = None, *, error: Exception | None = None) -> None:
    """Resolves the future in its loop, from any thread. Does nothing if it is done, or if the loop is closed."""

    def resolve() -> None:
        if not future.done():
            future.set_exception(error) if error is not None else future.set_result(value)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
        future.get_loop().call_soon_threadsafe(resolve)


class Interrupt:
    """Passes on to a thread at work that whoever waits for it wants it to stop."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._cause: Stopped | None = None
        self._listeners: list[Callable[[Stopped], None]] = []

    def on_send(self, listener: Callable[[Stopped], None]) -> None:
        """Calls the listener with the cause when one is sent, in the sender's thread; at once if one was sent."""
        with self._guard:
            self._listeners.append(listener)
            cause = self._cause
        if cause is not None:
            listener(cause)

    def send(self, cause: Stopped) -> None:
        with self._guard:
            self._cause, listeners = cause, list(self._listeners)
        for listener in listeners:
            listener(cause)


_interrupt: contextvars.ContextVar[Interrupt | None] = contextvars.ContextVar("dqdata_interrupt", default=None)


def interrupt() -> Interrupt | None:
    """What may interrupt the work in this thread; None in a thread that nobody of dqdata waits for."""
    return _interrupt.get()


def inside_loop() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def outside_loop(method: Callable[A, T]) -> Callable[A, T]:
    """The function, callable where an event loop runs in this thread, as in a notebook's cell: it then works in a
    thread of its own, and the loop waits. Ctrl-C is passed on to the work, which ends resumable; a second one leaves it
    behind."""

    @functools.wraps(method)
    def called(*args: A.args, **kwargs: A.kwargs) -> T:
        if not inside_loop():
            return method(*args, **kwargs)
        done, sent = _in_thread(functools.partial(method, *args, **kwargs))
        try:
            return done.result()
        except KeyboardInterrupt:
            if done.done():
                raise
            sent.send(Interrupted("interrupted: calls in flight are completed, nothing new begins"))
            return done.result()

    return called


def awaitable(method: Callable[Concatenate[S, A], T]) -> Callable[Concatenate[S, A], Coroutine[Any, Any, T]]:
    """The asynchronous form of a method: it works in a thread, and other tasks of the loop go on. A cancelled one ends
    as after Ctrl-C, resumable, before the cancellation goes on."""

    @functools.wraps(method)
    async def called(self: S, /, *args: A.args, **kwargs: A.kwargs) -> T:
        done, sent = _in_thread(functools.partial(method, self, *args, **kwargs))
        waiting = asyncio.wrap_future(done)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            sent.send(Stopped("cancelled: calls in flight are completed, nothing new begins"))
            with contextlib.suppress(Exception):
                await waiting
            raise

    return called


def _in_thread(work: Callable[[], T]) -> tuple[Future[T], Interrupt]:
    """Starts the work in a thread; its result, and what stops it."""
    done: Future[T] = Future()
    sent = Interrupt()
    context = contextvars.copy_context()
    context.run(_interrupt.set, sent)

    def target() -> None:
        try:
            result = context.run(work)
        except BaseException as error:
            _ending.add(thread)
            done.set_exception(error)
        else:
            _ending.add(thread)
            done.set_result(result)

    _ending.difference_update([one for one in _ending if not one.is_alive()])
    thread = threading.Thread(target=target, name="dqdata", daemon=True)
    thread.start()
    return done, sent


_ending: set[threading.Thread] = set()
"""Threads whose work is done. What is theirs alone, such as a connection to DuckDB, is closed after that."""


@atexit.register
def _wait_for_the_ending() -> None:
    """An interpreter that ends while a thread closes its database is aborted."""
    for thread in list(_ending):
        thread.join()
