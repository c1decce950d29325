"""The writer thread of a ledger: calls that end at about the same time share one commit and one fsync.

    await writer.write(Answer(request, call))      # returns once the rows are on disk

A caller waits for the commit that holds its rows and no longer; while one commit is under way, the next group gathers.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from dqdata.errors import StoreError
from dqdata.ledger.answers import Answer, Failure, store, store_failure
from dqdata.ledger.database import Connection, Database

Write = Answer | Failure | Callable[[Connection], Any]
"""A function may be called again where a server did not say whether its first transaction was committed."""

GROUP = 2_000


class Writer:
    """Stores answers and runs functions inside shared transactions. Raises StoreError to those whose transaction
    failed."""

    def __init__(self, database: Database) -> None:
        self.session = database.open(read_only=False)
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    async def write(self, write: Write) -> Any:
        """Result of the function, or of `store` for an answer, once it is on disk. The rows of a caller that is
        cancelled are written all the same."""
        loop = asyncio.get_running_loop()
        item = _Item(write, loop, loop.create_future())
        self._queue.put(item)
        return await item.future

    def close(self) -> None:
        """Writes what was handed in."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        last = False
        while not last:
            group: list[_Item] = []
            item = self._queue.get()
            while True:
                if item is None:
                    last = True
                    break
                group.append(item)
                if len(group) == GROUP or self._queue.empty():
                    break
                item = self._queue.get()
            if group:
                _tell(group, self._commit(group))
            self.session.tidy(len(group), last=last)
        self.session.close()

    def _commit(self, group: Sequence[_Item]) -> StoreError | None:
        try:
            self.session.transact(lambda con: _carry_out(con, group))
        except StoreError as error:
            return error
        except Exception as error:
            return StoreError(f"the ledger could not write: {type(error).__name__}: {error}")
        return None


class _Item:
    __slots__ = ("future", "loop", "result", "write")

    def __init__(self, write: Write, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> None:
        self.write, self.loop, self.future = write, loop, future
        self.result: Any = None


def _carry_out(con: Connection, group: Sequence[_Item]) -> None:
    answers = []
    for item in group:
        if isinstance(item.write, Answer):
            answers.append((item, item.write))
        elif isinstance(item.write, Failure):
            store_failure(con, item.write)
        else:
            item.result = item.write(con)
    answers.sort(key=lambda pair: pair[1].call[0])  # processes that store the same keys wait for one another in order
    for (item, _), stood in zip(answers, store(con, [answer for _, answer in answers]), strict=True):
        item.result = stood


def _tell(group: Sequence[_Item], error: StoreError | None) -> None:
    """Wakes the callers: one call into each loop for the whole group."""
    for loop in {item.loop for item in group}:
        mine = [item for item in group if item.loop is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, mine, error)


def _resolve(group: Sequence[_Item], error: StoreError | None) -> None:
    for item in group:
        if item.future.done():
            continue
        if error is None:
            item.future.set_result(item.result)
        else:
            item.future.set_exception(StoreError(*error.args))
