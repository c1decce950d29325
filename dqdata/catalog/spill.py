"""Folders in which DuckDB spills for a store: one for each process and database, removed with it.

    spill = SpillFolder(store / "spill")
    con = open_database([], spill=spill.path)
    spill.release_with(con)

Two databases that share a folder write to the same files there, and crash. What a killed process left is removed by
the next one: nobody locks its folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.files import make_folder

if TYPE_CHECKING:
    import duckdb


class SpillFolder:
    """A new folder below `parent`, which is made too."""

    def __init__(self, parent: Path) -> None:
        while not self._made(parent):
            pass
        _remove_abandoned(parent)

    def release_with(self, con: duckdb.DuckDBPyConnection) -> None:
        """Removes the folder when the connection is gone."""
        weakref.finalize(con, _removed, self.path, self._file, os.getpid())

    def release(self) -> None:
        _removed(self.path, self._file, os.getpid())

    def _made(self, parent: Path) -> bool:
        """Whether the folder was made; another process may have removed it, or its parent, before it was locked."""
        self.path = parent / uuid.uuid4().hex
        try:
            make_folder(self.path)
            self._file = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        with contextlib.suppress(OSError):  # a file system without locks, on which no folder is found abandoned either
            fcntl.flock(self._file, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self.path.stat(), os.fstat(self._file)):
                return True
        os.close(self._file)
        return False


def _removed(path: Path, file: int, process: int) -> None:
    """Removes it, and the parent with the last one, as a store that nobody reads has no folder for spilling. process:
    that made it; a fork of it leaves it alone."""
    if os.getpid() != process:
        return
    shutil.rmtree(path, ignore_errors=True)
    os.close(file)
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def _remove_abandoned(parent: Path) -> None:
    """Folders that no process locks; where that can't be found out, as over some network file systems, they stay."""
    for path in parent.iterdir():
        with contextlib.suppress(OSError):
            file = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(file)
