"""The signal that ends a run early and leaves it resumable: Ctrl-C, SIGTERM, a budget, an error that fails the run.

Once it is set, no new row begins and no new request is sent; calls in flight complete and are stored.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from dqdata.aio import interrupt
from dqdata.errors import Interrupted, Stopped, Terminated


class StopSignal:
    """Holds the first cause for which the run ends. Used in the event loop's thread alone."""

    def __init__(self) -> None:
        self.cause: BaseException | None = None
        self._listeners: list[Callable[[BaseException], None]] = []

    def on_set(self, listener: Callable[[BaseException], None]) -> None:
        """Calls the listener with the cause when the signal is set, or at once if it is set already."""
        self._listeners.append(listener)
        if self.cause is not None:
            listener(self.cause)

    def set(self, cause: BaseException) -> None:
        """Sets the signal. A later cause changes nothing."""
        if self.cause is None:
            self.cause = cause
            for listener in self._listeners:
                listener(cause)

    def check(self) -> None:
        """Raises Stopped, of the cause's kind, if the signal is set."""
        if self.cause is not None:
            kind = type(self.cause) if isinstance(self.cause, Interrupted | Terminated) else Stopped
            raise kind(f"stopping: {self.cause}")


@contextmanager
def on_signals(stop: StopSignal) -> Iterator[None]:
    """Ctrl-C and SIGTERM set the signal; a second one ends the process as usual."""
    loop = asyncio.get_running_loop()
    handled = (signal.SIGINT, signal.SIGTERM)

    def received(number: int) -> None:
        for one in handled:
            loop.remove_signal_handler(one)
        kind = Interrupted if number == signal.SIGINT else Terminated
        stop.set(kind(f"{signal.Signals(number).name}: calls in flight are completed, nothing new begins"))

    try:
        for number in handled:
            loop.add_signal_handler(number, received, number)
    except (RuntimeError, NotImplementedError):
        # Not the main thread, or a platform without signals: whoever waits for this thread passes an interrupt on.
        if (sender := interrupt()) is not None:
            sender.on_send(lambda cause: _set_from_outside(stop, loop, cause))
        yield
        return
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _set_from_outside(stop: StopSignal, loop: asyncio.AbstractEventLoop, cause: Stopped) -> None:
    with suppress(RuntimeError):  # the loop is closed: the run has ended
        loop.call_soon_threadsafe(stop.set, cause)
