"""The writer thread of the ledger: calls that end at about the same time share one commit and one fsync.

    await writer.write(Answer(request, call))      # returns once the rows are on disk

A caller waits for the commit that holds its rows and no longer; while one commit is under way, the next group gathers.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dqdata.errors import StoreError
from dqdata.ledger.answers import Answer, store
from dqdata.ledger.tables import broken, connect, patiently, write_lock

Write = Answer | Callable[[sqlite3.Connection], Any]

GROUP = 2_000
CHECKPOINT_PAGES = 8_000
"""Pages of the write-ahead log (4 kB each) after which it is folded into the file: readers slow down with its size."""


class Writer:
    """Stores answers and runs functions inside shared transactions. Raises StoreError to those whose transaction
    failed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._con = connect(path)
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._pages = 0
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
        """Writes what was handed in, folds the log into the file."""
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
            if last or self._pages >= CHECKPOINT_PAGES:
                self._checkpoint(truncate=last)
        with write_lock(self.path):  # the last connection to close removes the log
            self._con.close()

    def _commit(self, group: Sequence[_Item]) -> StoreError | None:
        try:
            with write_lock(self.path):
                patiently(self.path, lambda: self._con.execute("begin immediate"))
                try:
                    _carry_out(self._con, group)
                    self._con.execute("commit")
                except BaseException:
                    if self._con.in_transaction:
                        self._con.execute("rollback")
                    raise
        except Exception as error:
            return broken(self.path, error)
        self._pages += 2 * len(group)
        return None

    def _checkpoint(self, *, truncate: bool) -> None:
        try:
            with write_lock(self.path):  # no process folds the log back while another appends to it
                row = self._con.execute(f"pragma wal_checkpoint({'truncate' if truncate else 'passive'})").fetchone()
        except sqlite3.Error:
            return  # a reader is in the way, or the disk is full; what was committed is safe in the log
        # A reader that holds an old snapshot leaves frames behind: try again a while later, not at each commit.
        self._pages = 0 if row[1] == row[2] else CHECKPOINT_PAGES // 2


class _Item:
    __slots__ = ("future", "loop", "result", "write")

    def __init__(self, write: Write, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> None:
        self.write, self.loop, self.future = write, loop, future
        self.result: Any = None


def _carry_out(con: sqlite3.Connection, group: Sequence[_Item]) -> None:
    answers = []
    for item in group:
        if isinstance(item.write, Answer):
            answers.append((item, item.write))
        else:
            item.result = item.write(con)
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
