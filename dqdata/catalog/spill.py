"""Folders in which DuckDB spills for a store: one for each process and database, removed with its last connection.

    spill = SpillFolder(store / "spill")
    con = open_database([], spill=spill.path)
    spill.stays_for(con)
    other = cursor_of(con)    # the folder stays for this one too

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
    """A new folder below `parent`, which is made too. Locked, until nothing refers to this object any more."""

    def __init__(self, parent: Path) -> None:
        while not self._made(parent):
            pass
        self.release = weakref.finalize(self, _removed, self.path, self._file, os.getpid())
        """Removes it at once."""
        _remove_abandoned(parent)

    def stays_for(self, con: duckdb.DuckDBPyConnection) -> None:
        """Keeps the folder until the connection is gone."""
        _FOLDERS[con] = self

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


_FOLDERS: weakref.WeakKeyDictionary[duckdb.DuckDBPyConnection, SpillFolder] = weakref.WeakKeyDictionary()


def cursor_of(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A cursor. The rows that it streams go on when `con` is closed, and spill, so the folder stays for it too."""
    cursor = con.cursor()
    _FOLDERS[con].stays_for(cursor)
    return cursor


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
