"""Looks the answers of many calls up in one statement.

    row = await lookups.row(key)      # None where the call was never answered

Calls begin in groups, because a commit wakes all whose answers it holds. SQLite's module gives up the interpreter's
lock at each statement, so a statement a key would cost a busy event loop more than the look-up itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from dqdata.ledger.database import Row

Read = Callable[[Sequence[str]], Mapping[str, Row]]


class Lookups:
    """Gathers the keys that are asked for while the event loop runs what is ready, then reads them. Not for several
    threads at once."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._waiting: list[tuple[str, asyncio.Future[Row | None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def row(self, key: str) -> Row | None:
        """The columns of the answer under this key. Raises what reading raises."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._waiting = loop, []  # an earlier loop is over, and with it who waited on it
        if not self._waiting:
            loop.call_soon(self._answer)
        future: asyncio.Future[Row | None] = loop.create_future()
        self._waiting.append((key, future))
        return await future

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            found = self._read([key for key, _ in waiting])
        except Exception as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        for key, future in waiting:
            if not future.done():
                future.set_result(found.get(key))
