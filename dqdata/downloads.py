"""Whether files may be fetched from the Hub: a check or a plan says what is not on this machine instead.

with without_downloads():
    gguf.locate("hf:owner/name/file.gguf")     # raises DataError where the cache does not have it
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_allowed: ContextVar[bool] = ContextVar("downloads", default=True)


def downloads_allowed() -> bool:
    """Whether a model's files may be fetched now. A plug-in that fetches some asks this first, and raises a DataError
    with the code `not-downloaded` where they are neither allowed nor here."""
    return _allowed.get()


@contextlib.contextmanager
def without_downloads() -> Iterator[None]:
    """Within the block, and what it calls in threads of asyncio, nothing is fetched. Serves as a decorator too."""
    before = _allowed.set(False)
    try:
        yield
    finally:
        _allowed.reset(before)
