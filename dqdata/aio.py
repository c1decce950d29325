"""asyncio helpers that plug-ins and the core share.

>>> await gather_all(teacher.complete(request) for request in requests)
>>> settle(future, completion)                 # from a model's own thread; or error=TeacherError(...)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

from dqdata.errors import Stopped

T = TypeVar("T")


async def gather_all(awaitables: Iterable[Awaitable[T]]) -> list[T]:
    """All results, in order.

    Every awaitable runs to its end before the first error is raised: a call in flight is paid for, and its answer
    must be stored. Stopped is raised only where nothing else went wrong.
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
