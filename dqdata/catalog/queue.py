"""The commit lock of a store in a folder: `commit.lock`, given to processes in the order in which they asked.

A file lock alone goes to whoever tries first after it was released, mostly the process that released it: with four
that commit without a pause one of them waited for 30 commits. Whoever has to wait thus leaves a ticket in
`commit.waiting`, locks it and touches it at each try, and the oldest ticket tries alone. Tickets only order: one that
nobody locks is of a process that has ended and is removed, one that its process, stopped, no longer touches is passed
over, and nothing but `commit.lock` keeps two processes apart.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

from dqdata.files import file_mode, lock, make_folder

POLL = 0.05
"""Seconds between two tries."""
PASSED_OVER = 5.0
"""Seconds after which a ticket that its process holds and does not touch holds up nobody."""


class QueuedLock:
    """path: of the lock, without `.lock`."""

    def __init__(self, path: Path) -> None:
        self._held = lock(path, timeout=0)
        self._queue = path.with_name(f"{path.name}.waiting")
        self._ticket: Path | None = None
        self._file: int | None = None
        """Descriptor of the ticket, which holds its lock."""

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
        """Makes the ticket, or makes it again under its old name: another process may have met it before its lock."""
        if self._ticket is None:
            make_folder(self._queue)
            self._ticket = self._queue / f"{time.time_ns():020}-{os.getpid()}-{threading.get_ident()}"
        while not self._is_there(self._ticket):
            self._close()
            self._file = os.open(self._ticket, os.O_CREAT | os.O_RDWR, file_mode(self._queue))
            fcntl.flock(self._file, fcntl.LOCK_EX)
        assert self._file is not None
        os.utime(self._file)

    def _is_there(self, ticket: Path) -> bool:
        try:
            return self._file is not None and os.path.samestat(ticket.stat(), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def _leave(self) -> None:
        if self._ticket is not None:
            self._ticket.unlink(missing_ok=True)
            self._ticket = None
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _is_first(self) -> bool:
        """Whether nobody waits who came before. Times of tickets are compared with each other: the clock of a file
        server need not be ours."""
        try:
            names = sorted(ticket.name for ticket in self._queue.iterdir())
        except FileNotFoundError:
            return True
        now = _touched(self._ticket) if self._ticket is not None else None
        for name in names:
            if self._ticket is not None and name >= self._ticket.name:
                return True
            ticket = self._queue / name
            if _is_abandoned(ticket):
                ticket.unlink(missing_ok=True)
            elif now is None or now - _touched(ticket) < PASSED_OVER:
                return False
        return True


def _is_abandoned(ticket: Path) -> bool:
    """Whether no process holds it."""
    try:
        file = os.open(ticket, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def _touched(ticket: Path) -> float:
    """When, in seconds; long ago for one that is gone."""
    try:
        return ticket.stat().st_mtime
    except FileNotFoundError:
        return 0.0
