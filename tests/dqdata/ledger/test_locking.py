"""The lock between processes that write to one ledger."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import Timeout

from dqdata.files import lock
from dqdata.ledger import locking
from dqdata.ledger.tables import write_lock


def test_the_lock_excludes_what_takes_it_through_filelock_and_is_free_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with write_lock(path), pytest.raises(Timeout), lock(path, timeout=0.01, poll=0.005):
        pass
    with lock(path):
        assert locking.acquire(tmp_path / "ledger.sqlite.lock") is None
    held = locking.acquire(tmp_path / "ledger.sqlite.lock")
    assert held is not None
    locking.release(held)


def test_the_lock_is_a_new_file_where_somebody_removed_it(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    first = locking.acquire(path)
    assert first is not None
    path.unlink()
    second = locking.acquire(path)
    assert second is not None and path.exists()
    locking.release(first)
    assert locking.acquire(path) is None
    locking.release(second)


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    held = locking.acquire(path)
    assert held is not None
    child = os.fork()
    if child == 0:
        try:
            os.fstat(held)
        except OSError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert locking.acquire(path) is None, "the parent has it still"
    locking.release(held)
