"""The commit protocol: finished Parquet files become one version, completely or not at all.

    placed = backend.data.publish(finished, "problems", 4, backend.work)
    add_table(con, "problems", columns, placed)         # inside a transaction that the store opens

Every file is finished before the transaction and gets a unique name that the lake alone owns: DuckLake would count the
rows of a file registered twice, and one shared by two versions would go with the first that is removed. A process
killed on the way leaves `commit.pending` and perhaps files that nothing refers to; whoever holds the lock next
removes them.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.catalog.backend import PENDING, Backend, DataFile, Lock, Published
from dqdata.errors import StoreError
from dqdata.repeats import suspects
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb


log = logging.getLogger("dqdata")

PATIENCE = 600.0
"""Seconds to wait for another process's commit: links take moments, copies from another file system minutes."""

NOTED_EVERY = 15.0
"""Seconds between two lines about waiting for that."""


def counted(files: Sequence[Path]) -> dict[Path, int]:
    """Rows of each Parquet file, from its footer. Raises StoreError for a file that can't be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts = {}
    for file in files:
        try:
            counts[file] = int(pq.read_metadata(file).num_rows)
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"can't read a file to be committed: {file}: {error}") from error
    return counts


def check_key(files: Sequence[Path], key: str, catalog: str) -> None:
    """Raises StoreError unless every row has a key and no key occurs twice."""
    found = suspects(files, key)
    if not found.height:
        return
    counts: Counter[str | None] = Counter(found.get_column("key").to_list())
    if times := counts.pop(None, 0):
        raise StoreError(f"{catalog}: {times} rows have no {key}; nothing was committed")
    twice = sorted((str(value), times) for value, times in counts.items() if times > 1)
    if not twice:
        return
    examples = ", ".join(f"{value!r} ({times} times)" for value, times in twice[:2])
    raise StoreError(
        f"{catalog}: {key} must be unique, but these occur more than once: {examples}; nothing was committed. "
        "An id of the imported rows that isn't unique should be renamed, as in --column source_id=id"
    )


def described(table: str, placed: Sequence[Published], rows: Sequence[int]) -> list[dict[str, object]]:
    """What the manifest says of a table's files: name, rows, bytes and hash."""
    return [
        {"table_name": table, "file": one.file.name, "rows": count, "bytes": one.bytes, "blake2b": one.blake2b}
        for one, count in zip(placed, rows, strict=True)
    ]


def add_table(
    con: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], placed: Sequence[Published]
) -> None:
    """The table anew, with these columns and the rows of these files, which are in its folder. DuckLake refuses a file
    whose columns differ."""
    types = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
    con.execute(f"create or replace table lake.main.{quoted(table)} ({types})")
    if placed:
        urls = _list([one.file.url for one in placed])
        con.execute(f"call ducklake_add_data_files('lake', {literal(table)}, {urls}, schema => 'main')")


def mark_pending(backend: Backend, catalog: str) -> None:
    """Leaves word that a commit has begun: who to wait for, and what to clean up after."""
    note = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "catalog": catalog,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    backend.data.write_note(PENDING, json.dumps(note))


def pending_note(backend: Backend) -> str:
    """Who is committing, for a message: ` (process 12 on host box, since ...)`."""
    try:
        note = json.loads(backend.data.read_note(PENDING) or "")
        return f" (process {note['pid']} on {note['host']}, committing {note['catalog']} since {note['since']})"
    except (OSError, ValueError, KeyError):
        return ""


def acquired(backend: Backend) -> Lock:
    """The store's lock, held. Reports who has it while it waits. Raises StoreError after `PATIENCE` seconds."""
    held = backend.metadata.lock()
    try:
        _wait(held, backend)
    except BaseException:
        held.release()
        raise
    return held


def _wait(held: Lock, backend: Backend) -> None:
    began = time.monotonic()
    while True:
        waited = time.monotonic() - began
        if held.acquire(min(NOTED_EVERY, max(0.0, PATIENCE - waited))):
            return
        holder, waited = pending_note(backend), time.monotonic() - began
        if waited >= PATIENCE:
            raise StoreError(
                f"the store {backend.place} is locked by another program{holder}; wait for it or end it. "
                "The lock goes with the process: there is no file to delete"
            )
        log.warning(
            "the store %s is locked%s; waiting for it, %.0f s so far",
            *(backend.place, holder, waited),
            extra={"code": "store-locked"},
        )


def remove_orphans(con: duckdb.DuckDBPyConnection, backend: Backend) -> list[DataFile]:
    """Removes data files that no snapshot refers to; call it under the lock. Names are unique, so a name that the
    metadata mentions anywhere is alive."""
    parts = ("data_file", "delete_file", "files_scheduled_for_deletion")
    alive = {
        Path(str(path)).name
        for part in parts
        for (path,) in con.execute(
            f"select path from __ducklake_metadata_lake.{backend.metadata.schema}.ducklake_{part}"
        ).fetchall()
    }
    orphans = [file for file in backend.data.files() if file.name not in alive]
    for file in orphans:
        file.remove()
    return orphans


def _list(files: Sequence[Path | str]) -> str:
    return "[" + ", ".join(literal(str(file)) for file in files) + "]"
