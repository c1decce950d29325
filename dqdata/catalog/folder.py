"""A store in a folder: metadata.sqlite, data/, store.json.

Python's own sqlite3 must not open a SQLite file while DuckDB's copy of SQLite has it open in the same process: closing
it there would drop the locks held here. So sqlite3 makes the empty metadata file and is never used on it again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.catalog.backend import Data, DataFile, Lock, Metadata, Published
from dqdata.catalog.queue import QueuedLock
from dqdata.files import computed_hash, file_mode, linked, make_file, make_folder, whole_file

if TYPE_CHECKING:
    import duckdb


class SqliteMetadata(Metadata):
    extension = "sqlite_scanner"
    schema = "main"

    def __init__(self, root: Path) -> None:
        self._file, self._lock = root / "metadata.sqlite", root / "commit"

    @property
    def file(self) -> Path:
        return self._file

    def exists(self) -> bool:
        return self._file.is_file()

    def create(self) -> None:
        """In WAL mode, so that others read while one writes."""
        make_file(self._file)
        with contextlib.closing(sqlite3.connect(self._file)) as con:
            con.execute("pragma journal_mode = wal")

    def address(self) -> str:
        return address_of(self._file)

    def lock(self) -> Lock:
        return QueuedLock(self._lock)


def address_of(file: Path) -> str:
    """What DuckLake attaches for metadata in this SQLite file."""
    return f"ducklake:sqlite:{file.resolve()}"


class FolderFile(DataFile):
    def __init__(self, path: Path) -> None:
        self._path, self.name = path, path.name

    @property
    def url(self) -> str:
        return str(self._path)

    def exists(self) -> bool:
        return self._path.exists()

    def size(self) -> int:
        return self._path.stat().st_size

    def digest(self) -> str:
        return computed_hash(self._path, "blake2b")

    def rows(self) -> int:
        import pyarrow.parquet as pq

        return int(pq.read_metadata(self._path).num_rows)

    def fetched(self, folder: Path) -> Path:
        return self._path

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


class FolderData(Data):
    """Files are read-only and the lake's alone. Checkpoints in the store's work folder are hard-linked, as nobody
    writes to them again; any other file is copied, or its owner could change a version by writing over it."""

    def __init__(self, root: Path) -> None:
        self._root, self._folder = root, root / "data"
        self.url = f"{self._folder.resolve()}/"

    @property
    def folder(self) -> Path:
        return self._folder

    def create(self) -> None:
        make_folder(self._folder)

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Nothing: DuckDB reads local files."""

    def file(self, table: str, name: str) -> FolderFile:
        return FolderFile(self._table(table) / name)

    def files(self) -> list[DataFile]:
        return [FolderFile(path) for path in self._folder.rglob("*.parquet")]

    def tables(self) -> list[str]:
        return [path.name for path in (self._folder / "main").iterdir()]

    def publish(self, files: Sequence[Path], table: str, version: int, work: Path) -> list[Published]:
        folder = self._table(table)
        make_folder(folder)
        placed: list[Path] = []
        try:
            for file in files:
                target = folder / f"v{version}-{uuid.uuid4().hex}.parquet"
                placed.append(target)
                if not (file.resolve().is_relative_to(work.resolve()) and linked(file, target)):
                    shutil.copyfile(file, target)
                target.chmod(file_mode(folder) & 0o440)
                _sync(target)
            _sync(folder)
            return [Published(one := FolderFile(path), one.size(), one.digest()) for path in placed]
        except BaseException:
            for path in placed:
                path.unlink(missing_ok=True)
            raise

    def place(self, table: str, file: Path) -> None:
        folder = self._table(table)
        make_folder(folder)
        with whole_file(folder / file.name) as unfinished:
            shutil.copyfile(file, unfinished)
            unfinished.chmod(file_mode(folder) & 0o440)
        _sync(folder)

    @contextlib.contextmanager
    def written(self, table: str) -> Iterator[None]:
        """DuckDB itself leaves it to the system when a file is brought to disk."""
        folder = self._table(table)
        make_folder(folder)
        before = set(folder.iterdir())
        yield
        for file in set(folder.iterdir()) - before:
            file.chmod(file_mode(folder))
            _sync(file)
        _sync(folder)

    def read_note(self, name: str) -> str | None:
        path = self._root / name
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def write_note(self, name: str, text: str) -> None:
        with whole_file(self._root / name) as unfinished:
            make_file(unfinished)
            unfinished.write_text(text, encoding="utf-8")

    def remove_note(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)

    def _table(self, name: str) -> Path:
        """DuckLake's own convention, so that it keeps relative paths."""
        return self._folder / "main" / name


def writable(path: Path) -> bool:
    """Whether this process may write the file, or make files in the folder."""
    return os.access(path, os.W_OK | os.X_OK if path.is_dir() else os.W_OK)


def snapshot(file: Path, target: Path) -> None:
    """Copies a SQLite file as it is at this moment, whoever writes to it. DuckDB mustn't have it open here."""
    with contextlib.closing(sqlite3.connect(file)) as con, contextlib.closing(sqlite3.connect(target)) as to:
        con.backup(to)


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


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
