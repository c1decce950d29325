"""Opens the DuckLake of a store: DuckDB with its two extensions, the metadata attached, readable errors.

    with lake_errors(path, "reading"):
        con = attach(Layout(path), read_only=True)
        con.sql("from lake.main.dq_versions")

The extensions come with the installation (PyPI wheels); nothing is fetched at run time. Python's own sqlite3 must not
open a SQLite file while DuckDB's copy of SQLite has it open in the same process: closing it there would drop the locks
held here. So sqlite3 makes the empty metadata file and is never used on it again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.database import lock, open_database
from dqdata.errors import StoreError
from dqdata.files import make_file
from dqdata.sql import literal

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Layout:
    """Where things lie in a store. Data files are the lake's alone; work and spill are never part of it."""

    root: Path

    @property
    def format(self) -> Path:
        return self.root / "store.json"

    @property
    def metadata(self) -> Path:
        return self.root / "metadata.sqlite"

    @property
    def data(self) -> Path:
        return self.root / "data"

    def table(self, name: str) -> Path:
        """Folder of a table's files; DuckLake's own convention, so that it keeps relative paths."""
        return self.data / "main" / name

    @property
    def ledger(self) -> Path:
        """A profile's store lies in `profiles/NAME` of another and shares its ledger: nothing is paid twice."""
        above = self.root.parent
        return (above.parent if above.name == "profiles" else self.root) / "ledger.sqlite"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def appended(self) -> Path:
        """What runs in append mode take over from the run before, by catalog."""
        return self.root / "append"

    @property
    def spill(self) -> Path:
        return self.root / "spill"

    @property
    def commit(self) -> Path:
        return self.root / "commit"

    @property
    def pending(self) -> Path:
        """Exists while a commit is under way; left behind by one that was killed."""
        return self.root / "commit.pending"


def writable(path: Path) -> bool:
    """Whether this process may write the file, or make files in the folder."""
    return os.access(path, os.W_OK | os.X_OK if path.is_dir() else os.W_OK)


def make_metadata(file: Path) -> None:
    """An empty SQLite file in WAL mode, so that others read while one writes. DuckLake fills it when it is attached."""
    make_file(file)
    with contextlib.closing(sqlite3.connect(file)) as con:
        con.execute("pragma journal_mode = wal")


def snapshot(file: Path, target: Path) -> None:
    """Copies a SQLite file as it is at this moment, whoever writes to it. DuckDB mustn't have it open here."""
    with contextlib.closing(sqlite3.connect(file)) as con, contextlib.closing(sqlite3.connect(target)) as to:
        con.backup(to)


def attach(
    layout: Layout,
    metadata: Path | None = None,
    *,
    read_only: bool,
    threads: int | None = None,
    memory: int | None = None,
    local_files: bool = False,
) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own with the lake attached as `lake`, locked: it reaches the files of the store, with
    `local_files` every local file, and never the network. The data path is always given afresh, as files are noted
    relative to it: a store that was moved opens as it is. `metadata`: a copy to use instead of the store's own.
    `memory`: bytes that queries may hold before they spill."""
    spill = layout.spill if writable(layout.root) else Path(tempfile.gettempdir()) / f"dqdata-spill-{uuid.uuid4().hex}"
    con = open_database(["sqlite_scanner", "ducklake"], spill=spill, threads=threads)
    options = f"data_path {literal(str(layout.data.resolve()) + '/')}, override_data_path true"
    options += ", read_only" if read_only else ", data_inlining_row_limit 0"
    con.execute(f"attach {literal(f'ducklake:sqlite:{(metadata or layout.metadata).resolve()}')} as lake ({options})")
    if memory is not None:
        con.execute(f"set memory_limit = '{memory // (1 << 20)}MB'")
    lock(con, [metadata or layout.metadata], [Path("/")] if local_files else [layout.data, layout.work])
    return con


def copied(file: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder with a private copy of a SQLite file that DuckDB hasn't open here. Of one that can't be written to the
    bytes are copied: in WAL mode SQLite has to make a file beside the database even to read it."""
    folder = tempfile.TemporaryDirectory(prefix="dqdata-", ignore_cleanup_errors=True)
    if writable(file.parent) and writable(file):
        snapshot(file, Path(folder.name) / file.name)
        return folder
    for suffix in ("", "-wal"):
        part = file.with_name(file.name + suffix)
        if part.exists():
            shutil.copyfile(part, Path(folder.name) / part.name)
    return folder


@contextlib.contextmanager
def lake_errors(root: Path, doing: str) -> Iterator[None]:
    """What DuckDB and the system say, as StoreError in plain words with the next action."""
    import duckdb

    try:
        yield
    except OSError as error:
        raise StoreError(f"{doing} the store {root}: {_plain(error)}") from error
    except duckdb.Error as error:
        raise StoreError(f"{doing} the store {root}: {_plain(error)}") from error


def _plain(error: Exception) -> str:
    text, number = str(error), getattr(error, "errno", None)
    lower = text.lower()
    if number in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in lower or "no space left" in lower:
        return "the disk is full; nothing was changed. Free some space and run the same command again"
    if number in (errno.EACCES, errno.EPERM):
        place = getattr(error, "filename", None) or "its files"
        return f"no permission for {place}: give yourself permission, or choose another folder (`[store] path`)"
    if number == errno.EROFS or "readonly database" in lower or "read-only file system" in lower:
        return "it is read-only; nothing was changed. Open it with read_only=True or copy it to where you may write"
    if number in (errno.EEXIST, errno.ENOTDIR):
        place = getattr(error, "filename", None) or "its path"
        return (
            f"{place} is a file, and a store is a folder: move the file away, or choose another folder (`[store] path`)"
        )
    if "database is locked" in lower:
        return "another program holds its metadata; end that program or try again"
    if "catalog version mismatch" in lower:
        return f"made by a newer dqdata with another DuckLake: update dqdata ({text.splitlines()[0]})"
    if "not a database" in lower or "malformed" in lower or "creating a new ducklake is explicitly disabled" in lower:
        return "the metadata (metadata.sqlite) is damaged; restore it from a backup, the data files are untouched"
    if "no such file" in lower or "no files found" in lower:
        return f"a data file is missing; restore it from a backup ({text.splitlines()[0]})"
    return text.strip()
