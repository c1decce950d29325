"""The commit protocol: finished Parquet files become one version, completely or not at all.

    files = bring_in(finished, layout.table("problems"), version=4)
    add_table(con, "problems", columns, files)          # inside a transaction that the store opens

Every file is finished before the transaction and gets a unique name that the lake alone owns: DuckLake would count the
rows of a file registered twice, and one shared by two versions would go with the first that is removed. A process
killed on the way leaves `commit.pending` and perhaps files that nothing refers to; whoever holds the lock next
removes them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.catalog.lake import Layout
from dqdata.errors import StoreError
from dqdata.files import computed_hash, file_mode, linked, make_file, make_folder
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb


def counted(con: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> dict[Path, int]:
    """Rows of each Parquet file, from its footer. Raises StoreError for a file that can't be read."""
    import duckdb

    if not files:
        return {}
    try:
        found = con.execute(f"select file_name, num_rows from parquet_file_metadata({_list(files)})").fetchall()
    except duckdb.Error as error:
        raise StoreError(f"can't read a file to be committed: {error}") from error
    rows = {str(name): int(count) for name, count in found}
    return {file: rows[str(file)] for file in files}


def check_key(con: duckdb.DuckDBPyConnection, files: Sequence[Path], key: str, catalog: str) -> None:
    """Raises StoreError unless every row has a key and no key occurs twice."""
    if not files:
        return
    table, column = f"read_parquet({_list(files)})", quoted(key)
    twice = con.execute(
        f"select {column}::varchar, count(*) from {table} group by all having count(*) > 1 or {column} is null "
        "order by 1 nulls first limit 3"
    ).fetchall()
    if not twice:
        return
    value, times = twice[0]
    if value is None:
        raise StoreError(f"{catalog}: {times} rows have no {key}; nothing was committed")
    examples = ", ".join(f"{value!r} ({times} times)" for value, times in twice[:2])
    raise StoreError(
        f"{catalog}: {key} must be unique, but these occur more than once: {examples}; nothing was committed. "
        "An id of the imported rows that isn't unique should be renamed, as in --column source_id=id"
    )


def bring_in(files: Sequence[Path], layout: Layout, table: str, version: int) -> list[Path]:
    """The files under new unique names in a table's folder, read-only. Checkpoints in the store's work folder are
    hard-linked, as nobody writes to them again; any other file is copied, or its owner could change a version by
    writing over it. On disk when it returns; all gone again when it raises."""
    folder = layout.table(table)
    make_folder(folder)
    placed: list[Path] = []
    try:
        for file in files:
            target = folder / f"v{version}-{uuid.uuid4().hex}.parquet"
            placed.append(target)
            if not (file.resolve().is_relative_to(layout.work.resolve()) and linked(file, target)):
                shutil.copyfile(file, target)
            target.chmod(file_mode(folder) & 0o440)
            _sync(target)
        _sync(folder)
        return placed
    except BaseException:
        discard(placed)
        raise


def described(table: str, files: Sequence[Path], rows: Sequence[int]) -> list[dict[str, object]]:
    """What the manifest says of a table's files: name, rows, bytes and hash."""
    return [
        {
            "table_name": table,
            "file": file.name,
            "rows": count,
            "bytes": file.stat().st_size,
            "blake2b": computed_hash(file, "blake2b"),
        }
        for file, count in zip(files, rows, strict=True)
    ]


def discard(files: Sequence[Path]) -> None:
    """Removes files that no version refers to."""
    for file in files:
        file.unlink(missing_ok=True)


def add_table(con: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], files: Sequence[Path]) -> None:
    """The table anew, with these columns and the rows of these files, which lie in its folder. DuckLake refuses a file
    whose columns differ."""
    types = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
    con.execute(f"create or replace table lake.main.{quoted(table)} ({types})")
    if files:
        con.execute(f"call ducklake_add_data_files('lake', {literal(table)}, {_list(files)}, schema => 'main')")


def mark_pending(layout: Layout, catalog: str) -> None:
    """Leaves word that a commit has begun: who to wait for, and what to clean up after."""
    note = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "catalog": catalog,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    make_file(layout.pending)
    layout.pending.write_text(json.dumps(note))


def pending_note(layout: Layout) -> str:
    """Who is committing, for a message: ` (process 12 on host box, since ...)`."""
    try:
        note = json.loads(layout.pending.read_text())
        return f" (process {note['pid']} on {note['host']}, committing {note['catalog']} since {note['since']})"
    except (OSError, ValueError, KeyError):
        return ""


def remove_orphans(con: duckdb.DuckDBPyConnection, layout: Layout) -> list[Path]:
    """Removes data files that no snapshot refers to; call it under the lock. Names are unique, so a name that the
    metadata mentions anywhere is alive."""
    parts = ("data_file", "delete_file", "files_scheduled_for_deletion")
    alive = {
        Path(str(path)).name
        for part in parts
        for (path,) in con.execute(f"select path from __ducklake_metadata_lake.ducklake_{part}").fetchall()
    }
    orphans = [file for file in layout.data.rglob("*.parquet") if file.name not in alive]
    discard(orphans)
    return orphans


@contextlib.contextmanager
def synced(folder: Path) -> Iterator[None]:
    """Brings files that appear in this folder meanwhile to disk; DuckDB itself leaves that to the system."""
    make_folder(folder)
    before = set(folder.iterdir())
    yield
    for file in set(folder.iterdir()) - before:
        file.chmod(file_mode(folder))
        _sync(file)
    _sync(folder)


def _list(files: Sequence[Path]) -> str:
    return "[" + ", ".join(literal(str(file)) for file in files) + "]"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
