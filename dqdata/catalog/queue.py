"""The commit lock of a store in a folder: `commit.lock`, given to processes in the order in which they asked.

A file lock alone goes to whoever tries first after it was released, mostly the process that released it: with four
that commit without a pause one of them waited for 30 commits. Whoever has to wait thus leaves a ticket in
`commit.waiting` and touches it at each try, and the oldest ticket tries alone. Tickets only order: one that its
process, killed or stopped, no longer touches is passed over, and nothing but `commit.lock` keeps two processes apart.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from dqdata.files import file_mode, lock, make_folder

POLL = 0.05
"""Seconds between two tries."""
PASSED_OVER = 5.0
"""Seconds after which a ticket that nobody touched holds up nobody."""
REMOVED = 60.0
"""Seconds after which it is removed."""


class QueuedLock:
    """path: of the lock, without `.lock`."""

    def __init__(self, path: Path) -> None:
        self._held = lock(path, timeout=0)
        self._queue = path.with_name(f"{path.name}.waiting")
        self._ticket: Path | None = None

    def acquire(self, timeout: float) -> bool:
        """Whether the lock was acquired within so many seconds; if not, a second call goes on waiting in the same
        place of the queue, and `release` leaves it. A timeout of 0 only tries."""
        until = time.monotonic() + timeout
        while not (self._is_first() and self._tried()):
            if time.monotonic() >= until:
                return False
            self._touch()
            time.sleep(POLL)
        self._leave()
        return True

    def release(self) -> None:
        self._leave()
        self._held.release()

    def _tried(self) -> bool:
        from filelock import Timeout

        try:
            self._held.acquire()
        except Timeout:
            return False
        return True

    def _touch(self) -> None:
        """Makes the ticket, or makes it again: whoever was stopped for long has lost it."""
        if self._ticket is None:
            make_folder(self._queue)
            self._ticket = self._queue / f"{time.time_ns():020}-{os.getpid()}-{threading.get_ident()}"
        self._ticket.touch(mode=file_mode(self._queue))

    def _leave(self) -> None:
        if self._ticket is not None:
            self._ticket.unlink(missing_ok=True)
            self._ticket = None

    def _is_first(self) -> bool:
        """Whether nobody waits who came before. Times of tickets are compared with each other: the clock of a file
        server need not be ours."""
        try:
            names = sorted(ticket.name for ticket in self._queue.iterdir())
        except FileNotFoundError:
            return True
        if self._ticket is None:
            return not names
        now = _touched(self._ticket)
        for name in names:
            if name >= self._ticket.name:
                return True
            idle = now - _touched(self._queue / name)
            if idle < PASSED_OVER:
                return False
            if idle > REMOVED:
                (self._queue / name).unlink(missing_ok=True)
        return True


def _touched(ticket: Path) -> float:
    """When, in seconds; long ago for one that is gone."""
    try:
        return ticket.stat().st_mtime
    except FileNotFoundError:
        return 0.0
