"""Copies a whole store to another place: a folder, or Postgres and S3, in both directions.

    copy(StorePlace(Path("catalogs")), StorePlace(Path("here"), "postgres:dbname=traces", "s3://bucket/traces"))

Data files are copied byte for byte and compared by checksum, then metadata in one transaction, then models, what append
mode remembers, marks and the ledger. `store.json` is written last, so a target whose copy was killed is no store yet:
the same command goes on with what is missing. The source isn't changed, and takes no commit meanwhile.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.catalog.backend import FACTS, Backend, Metadata
from dqdata.catalog.choice import backend_of
from dqdata.catalog.lake import attach, lake_errors
from dqdata.catalog.rights import make_private
from dqdata.catalog.store import Store
from dqdata.database import open_database
from dqdata.errors import StoreError
from dqdata.files import computed_hash, make_folder, whole_file
from dqdata.ledger.choice import has_ledger
from dqdata.ledger.transfer import merge
from dqdata.place import PROFILES, StorePlace
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

COPYING = "copy.pending"
"""The note of a target that is not whole yet: what is copied there."""
PATIENCE = 60.0
"""Seconds to wait for a commit that is under way."""
_ELSEWHERE = ("data", "work", "spill", "backups", PROFILES)
"""Folders of a store that are copied in another way, or not at all: unfinished work stays where it is."""
_OWN = ("metadata.sqlite", "ledger.sqlite", "commit", FACTS, COPYING)


@dataclass(frozen=True)
class Copied:
    """files, bytes: of versions, those that were there from a copy that was killed included. others: files of models,
    marks and append mode. calls: answers that the ledger of the target did not have. profiles: their stores."""

    versions: int
    files: int
    bytes: int
    others: int
    calls: int
    profiles: tuple[str, ...]


def copy(source: StorePlace, target: StorePlace) -> Copied:
    """Raises StoreError: no store, a target that is not empty, a checksum that differs, a server that is away."""
    source, target = source.absolute(), target.absolute()
    if not Store.exists(source):
        raise StoreError(f"no store at {source}: there is nothing to copy", code="no-store")
    with Store.open(source) as store:  # removes what a killed commit left, and migrates
        versions = len(store.versions())
    done = _copied(source, target)
    calls = 0
    if has_ledger(source.ledger) and source.ledger != target.ledger:
        calls = merge(target.ledger, source.ledger, batches=True).calls
    profiles = []
    for folder in sorted((source.path / PROFILES).glob("*")):
        if Store.exists(place := source.of_profile(folder.name)):
            _finish(_copied(place, target.of_profile(folder.name)))
            profiles.append(folder.name)
    _finish(done)
    return Copied(versions, done.files, done.bytes, done.others, calls, tuple(profiles))


@dataclass(frozen=True)
class _Done:
    target: Backend
    facts: str
    files: int
    bytes: int
    others: int


def _copied(source: StorePlace, target: StorePlace) -> _Done:
    """All but store.json and the ledger."""
    ours, theirs = backend_of(source), backend_of(target)
    with lake_errors(target, "copying to"):
        _begin(source, target, theirs)
        with _held(ours), _held(theirs):
            files, size = _data(ours, theirs)
            _metadata(ours, theirs)
        others = _others(source.path, target.path)
        return _Done(theirs, ours.data.read_note(FACTS) or "", files, size, others)


def _finish(done: _Done) -> None:
    done.target.data.write_note(FACTS, done.facts)
    done.target.data.remove_note(COPYING)


def _begin(source: StorePlace, target: StorePlace, theirs: Backend) -> None:
    if theirs.exists():
        raise StoreError(f"the target {target} is a store already: name a place where none is")
    said = json.dumps({"from": [str(source.path), source.metadata, source.data]})
    make_private(theirs.root, None)
    theirs.data.create()
    note = theirs.data.read_note(COPYING)
    if note is not None and note != said:
        raise StoreError(f"the target {target} has half a copy of another store: {note}; name an empty place")
    if note is None:
        if theirs.metadata.exists() or theirs.data.files():
            raise StoreError(f"the target {target} is not empty, and no copy began there: name an empty place")
        theirs.data.write_note(COPYING, said)


@contextmanager
def _held(backend: Backend) -> Iterator[None]:
    lock = backend.metadata.lock()
    if not lock.acquire(PATIENCE):
        raise StoreError(f"the store {backend.place} is locked by another program: end it, or try again later")
    try:
        yield
    finally:
        lock.release()


def _data(ours: Backend, theirs: Backend) -> tuple[int, int]:
    """Number of files and bytes."""
    count = size = 0
    for file in ours.data.files():
        table, digest = file.url.split("/")[-2], file.digest()
        there = theirs.data.file(table, file.name)
        if not (there.exists() and there.size() == file.size() and there.digest() == digest):
            with tempfile.TemporaryDirectory(prefix="dqdata-copy-") as folder:
                theirs.data.place(table, file.fetched(Path(folder)))
            if there.digest() != digest:
                raise StoreError(f"{there.url} has another checksum than {file.url}: look at the disks, and copy again")
        count, size = count + 1, size + file.size()
    return count, size


def _metadata(ours: Backend, theirs: Backend) -> None:
    theirs.create()
    attach(theirs, read_only=False).close()  # makes DuckLake's tables
    extensions = ["sqlite_scanner", *{ours.metadata.extension, theirs.metadata.extension} - {"sqlite_scanner"}]
    with closing(open_database(extensions, spill=None)) as con:
        _attach(con, "ours", ours.metadata, read_only=True)
        _attach(con, "theirs", theirs.metadata, read_only=False)
        con.execute("begin")
        for table in _tables(con, "theirs"):
            mine, other = _named("ours", ours.metadata, table), _named("theirs", theirs.metadata, table)
            kept = " where key <> 'data_path'" if table == "ducklake_metadata" else ""
            con.execute(f"delete from {other}{kept}")
            if table in _tables(con, "ours"):
                con.execute(f"insert into {other} by name select * from {mine}{kept}")
        con.execute("commit")


def _attach(con: duckdb.DuckDBPyConnection, name: str, metadata: Metadata, *, read_only: bool) -> None:
    kind = metadata.extension.removesuffix("_scanner")
    options = f"type {kind}{', read_only' if read_only else ''}"
    address = metadata.address().removeprefix(f"ducklake:{kind}:")
    con.execute(f"attach {literal(address)} as {name} ({options})")


def _tables(con: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    sql = f"select table_name from duckdb_tables() where database_name = {literal(name)} order by all"
    return [table for (table,) in con.execute(sql).fetchall() if table.startswith("ducklake_")]


def _named(name: str, metadata: Metadata, table: str) -> str:
    return f"{name}.{quoted(metadata.schema)}.{quoted(table)}"


def _others(ours: Path, theirs: Path) -> int:
    """Models, marks and what append mode remembers."""
    count = 0
    for file in sorted(path for path in ours.rglob("*") if path.is_file() and not path.is_symlink()):
        within = file.relative_to(ours)
        if within.parts[0] in _ELSEWHERE or within.name.endswith(".lock"):
            continue
        if len(within.parts) == 1 and within.name.startswith(_OWN):
            continue
        target = theirs / within
        if not (target.is_file() and computed_hash(target, "blake2b") == computed_hash(file, "blake2b")):
            make_folder(target.parent)
            with whole_file(target) as unfinished:
                shutil.copy(file, unfinished)
        count += 1
    return count
