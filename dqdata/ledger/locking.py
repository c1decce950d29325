"""The lock between processes that write to one ledger: `flock` on PATH.lock.

    fd = acquire(path)          # None where another process holds it
    ...
    release(fd)

`dqdata.files.lock` takes the same lock, through filelock, for 30 times the processor time; every commit of a busy run
takes this one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from dqdata.files import file_mode

_held: set[int] = set()


def acquire(path: Path) -> int | None:
    """The descriptor of the lock; None where another process holds it. Raises OSError, also on a file system without
    locks (ENOSYS)."""
    fd = _opened(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_nlink:
            _held.add(fd)
            return fd
    except BlockingIOError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)  # held elsewhere, or somebody removed the file: another is made at the next try
    return None


def release(fd: int) -> None:
    _held.discard(fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


def _opened(path: Path) -> int:
    """Made with the rights of the files beside it where it is not there, whatever the umask."""
    flags = os.O_RDWR | os.O_NOFOLLOW
    while True:
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, flags)
        with contextlib.suppress(FileExistsError):
            fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            os.fchmod(fd, file_mode(path.parent))
            return fd


def _forked() -> None:
    """A child must not keep the lock of a parent that is killed."""
    for fd in _held:
        with contextlib.suppress(OSError):
            os.close(fd)
    _held.clear()


os.register_at_fork(after_in_child=_forked)
