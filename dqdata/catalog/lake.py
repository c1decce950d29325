"""Opens the DuckLake of a store: DuckDB with its extensions, the metadata attached, readable errors.

    with lake_errors(backend.place, "reading"):
        con = attach(backend, read_only=True)
        con.sql("from lake.main.dq_versions")

The extensions come with the installation (PyPI wheels); nothing is fetched at run time.
"""

from __future__ import annotations

import contextlib
import errno
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.catalog.backend import Backend
from dqdata.catalog.folder import address_of, writable
from dqdata.catalog.spill import SpillFolder
from dqdata.database import lock, open_database
from dqdata.errors import StoreError
from dqdata.masking import masker
from dqdata.place import LEDGER_SCHEMA, LedgerPlace, PostgresPlace, StorePlace
from dqdata.refusals import may_pass, refusal
from dqdata.sql import literal

if TYPE_CHECKING:
    import duckdb

RETRIES = 100
"""Times that DuckLake tries a commit again that another one has overtaken, where it is not under the store's lock."""


def attach(
    backend: Backend,
    metadata: Path | None = None,
    *,
    read_only: bool,
    threads: int | None = None,
    memory: int | None = None,
    local_files: bool = False,
    ledger: LedgerPlace | None = None,
) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own with the lake attached as `lake`, locked: it reaches the files of the store, with
    `local_files` every local file, and of the network the store's own bucket alone. The data path is always given
    afresh, as files are noted relative to it: a store that was moved opens as it is. `metadata`: a copy of a SQLite
    file to use instead of the store's own. `memory`: bytes that queries may hold before they spill.
    `ledger`: attached too, if it is in a server that answers: that can't be done later."""
    import duckdb

    there = writable(backend.root)
    spill = SpillFolder(backend.spill if there else Path(tempfile.mkdtemp(prefix="dqdata-spill-")))
    database, data = backend.metadata, backend.data
    server = ledger if isinstance(ledger, PostgresPlace) else None
    more = [*data.extensions, *(["postgres_scanner"] if server else [])]
    extensions = dict.fromkeys(["sqlite_scanner", "ducklake", database.extension, *more])
    try:
        con = open_database(list(extensions), spill=spill.path, threads=threads)
    except BaseException:
        spill.release()
        raise
    spill.stays_for(con)
    try:
        data.prepare(con)
        con.execute(f"set ducklake_max_retry_count = {RETRIES}")
        address = database.address() if metadata is None else address_of(metadata)
        options = f"data_path {literal(data.url)}, override_data_path true, metadata_schema {literal(database.schema)}"
        options += ", read_only" if read_only else ", data_inlining_row_limit 0"
        con.execute(f"attach {literal(address)} as lake ({options})")
        if server is not None:
            with contextlib.suppress(duckdb.Error):  # a query that needs it is told why it isn't there
                options = f"type postgres, read_only, schema {literal(LEDGER_SCHEMA)}"
                con.execute(f"attach {literal(server.connection)} as ledger ({options})")
        if memory is not None:
            con.execute(f"set memory_limit = '{memory // (1 << 20)}MB'")
        folders = [Path("/")] if local_files else [*filter(None, [data.folder]), backend.work]
        file = metadata or database.file
        lock(con, [file] if file else [], folders, [] if data.folder else [data.url])
    except BaseException:
        con.close()
        raise
    return con


AWAY = "its metadata can't be reached"
"""In the message of an error that may pass."""


@contextlib.contextmanager
def lake_errors(store: StorePlace, doing: str) -> Iterator[None]:
    """What DuckDB and the system say, as StoreError in plain words with the next action."""
    import duckdb

    try:
        yield
    except OSError as error:
        raise StoreError(f"{doing} the store {store}: {_plain(error)}") from error
    except duckdb.Error as error:
        raise StoreError(f"{doing} the store {store}: {_plain(error)}") from error


def _plain(error: Exception) -> str:
    text, number = str(error), getattr(error, "errno", None)
    lower = text.lower()
    if "unable to connect to postgres" in lower:
        said = masker.hide(" ".join(text.split()))
        advice = refusal(text, "metadata")
        if advice and not may_pass(text):
            return f"its metadata refuse this connection: {advice} ({said})"
        return f"{AWAY}: {advice or 'start the server, or correct [store] metadata'} ({said})"
    if "failed to execute query" in lower and (advice := refusal(said := text.rpartition("ERROR:")[2], "metadata")):
        return f"its metadata refuse this: {advice} ({masker.hide(' '.join(said.split()))})"
    if any(words in lower for words in ("generic s3 error", "non-2xx status code", "http error")):
        said = masker.hide(" ".join(text.split()))
        if "expired" in lower:
            return f"its data refuse this key, which has expired: get a new one and set AWS_SESSION_TOKEN too ({said})"
        if re.search(r"\b40[13]\b|forbidden|accessdenied|invalidaccesskeyid|signature", lower):
            return (
                f"its data refuse this key: correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or its rights ({said})"
            )
        if "error sending request" in lower:
            return f"its data can't be reached: start the server, or correct AWS_ENDPOINT_URL_S3 ({said})"
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
    return masker.hide(text.strip())
