"""How a model's own thread answers those who wait in the event loop.

>>> settle(future, completion)                 # or settle(future, error=TeacherError(...))
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any


def settle(future: asyncio.Future[Any], value: Any = None, *, error: Exception | None = None) -> None:
    """Resolves the future in its loop, from any thread; nothing happens where it is done, or the loop closed."""

    def resolve() -> None:
        if not future.done():
            future.set_exception(error) if error is not None else future.set_result(value)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
        future.get_loop().call_soon_threadsafe(resolve)
