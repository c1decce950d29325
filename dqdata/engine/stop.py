"""One switch that ends a run early and leaves it resumable: Ctrl-C, SIGTERM, a budget, an error that no row survives.

Once it is thrown no new row begins and no new request is sent; calls in the air end and are stored.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dqdata.errors import Stopped


class Switch:
    def __init__(self) -> None:
        self.cause: BaseException | None = None
        self._listeners: list[Callable[[BaseException], None]] = []

    def on_throw(self, listener: Callable[[BaseException], None]) -> None:
        """Called with the cause when the switch is thrown; at once where it was."""
        self._listeners.append(listener)
        if self.cause is not None:
            listener(self.cause)

    def throw(self, cause: BaseException) -> None:
        """The first cause stands."""
        if self.cause is None:
            self.cause = cause
            for listener in self._listeners:
                listener(cause)

    def check(self) -> None:
        """Raises Stopped once the switch is thrown."""
        if self.cause is not None:
            raise Stopped(f"stopping: {self.cause}")


@contextmanager
def on_signals(switch: Switch) -> Iterator[None]:
    """Ctrl-C and SIGTERM throw the switch; a second one ends the process the usual way."""
    loop = asyncio.get_running_loop()
    handled = (signal.SIGINT, signal.SIGTERM)

    def stop(number: int) -> None:
        for one in handled:
            loop.remove_signal_handler(one)
        switch.throw(Stopped(f"{signal.Signals(number).name}: what is in the air is finished, nothing new begins"))

    try:
        for number in handled:
            loop.add_signal_handler(number, stop, number)
    except (RuntimeError, NotImplementedError):
        # Not the main thread, or a platform without signals: the caller's own handling stands.
        yield
        return
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
