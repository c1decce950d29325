"""A ledger in a SQLite file of this machine: several processes may share it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dqdata.errors import StoreError
from dqdata.ledger.database import Connection, Database, Row, Session
from dqdata.ledger.tables import broken, connect, patiently, readable_file, write_lock
from dqdata.sql import literal

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")

CHECKPOINT_PAGES = 8_000
"""Pages of the write-ahead log (4 kB each) after which it is folded into the file: readers slow down with its size."""


class FileSession(Session):
    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self.con = connect(path, read_only=read_only)
        self._lock = threading.Lock()
        self._read_only = read_only
        self._pages = 0

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        try:
            with self._lock:
                return self.con.execute(sql, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise broken(self.path, error) from error

    def transact(self, work: Callable[[Connection], T]) -> T:
        try:
            with write_lock(self.path):
                patiently(self.path, lambda: self.con.execute("begin immediate"))
                try:
                    done = work(self.con)
                    self.con.execute("commit")
                except BaseException:
                    if self.con.in_transaction:
                        self.con.execute("rollback")
                    raise
        except (sqlite3.Error, OSError) as error:
            raise broken(self.path, error) from error
        return done

    def tidy(self, written: int, *, last: bool) -> None:
        self._pages += 2 * written
        if not last and self._pages < CHECKPOINT_PAGES:
            return
        try:
            with write_lock(self.path):  # no process folds the log back while another appends to it
                row = self.con.execute(f"pragma wal_checkpoint({'truncate' if last else 'passive'})").fetchone()
        except sqlite3.Error:
            return  # a reader is in the way, or the disk is full; what was committed is safe in the log
        # A reader that holds an old snapshot leaves frames behind: try again a while later, not at each commit.
        self._pages = 0 if row[1] == row[2] else CHECKPOINT_PAGES // 2

    def close(self) -> None:
        if self._read_only:
            with self._lock:
                self.con.close()
            return
        with write_lock(self.path), self._lock:  # the last connection to close removes the log
            self.con.close()


class FileLedger(Database):
    extension = "sqlite_scanner"

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        return self.path.exists()

    def open(self, *, read_only: bool) -> FileSession:
        return FileSession(self.path, read_only=read_only)

    def size(self) -> int:
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def damage(self, session: Session) -> list[str]:
        try:
            return [f"file: {said}" for (said,) in session.rows("pragma integrity_check(20)") if said != "ok"]
        except StoreError as error:  # a page that the check itself needs
            return [f"file: {error}"]

    def compact(self) -> None:
        with closing(self.open(read_only=False)) as session, write_lock(self.path):
            session.rows("vacuum")
            session.rows("pragma wal_checkpoint(truncate)")

    @contextmanager
    def attached(self, con: duckdb.DuckDBPyConnection) -> Iterator[None]:
        with readable_file(self.path) as file:
            con.execute(f"attach {literal(file)} as ledger (type sqlite, read_only)")
            yield
