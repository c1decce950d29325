"""Garbage collection while many calls are in flight.

With the usual thresholds the collector goes through every task, future and row again and again, a tenth of
the time of a busy event loop, and finds nothing: what a call leaves behind is freed by its reference counts.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (50_000, 20, 100)
"""New objects before a collection, and collections of each generation before one of the next."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Cycles are still found, only later: at most some tens of megabytes wait for it."""
    usual = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
