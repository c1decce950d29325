"""Metadata of a store in a Postgres database, in a schema of its own: `dqdata`, or `dqdata_NAME` for a profile.

The commit lock is an advisory lock of a transaction that is open as long as the lock is held, so it goes with the
process or its connection. Password and the like come from libpq's variables (PGPASSWORD) or ~/.pgpass.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from dqdata.catalog.backend import Lock, Metadata
from dqdata.database import open_database
from dqdata.place import PostgresPlace
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

POLL = 0.1
"""Seconds between two tries to get the lock."""


class PostgresMetadata(Metadata):
    extension = "postgres_scanner"

    def __init__(self, url: str, profile: str = "") -> None:
        self._connection = PostgresPlace(url, "metadata").connection
        self.schema = f"dqdata_{profile}" if profile else "dqdata"

    def exists(self) -> bool:
        with self._connected() as con:
            found = f"select 1 from information_schema.tables where table_schema = {literal(self.schema)} limit 1"
            return bool(con.execute(f"from postgres_query('pg', {literal(found)})").fetchall())

    def create(self) -> None:
        with self._connected() as con:
            made = f"create schema if not exists {quoted(self.schema)}"
            con.execute(f"call postgres_execute('pg', {literal(made)})")

    def address(self) -> str:
        return f"ducklake:postgres:{self._connection}"

    def lock(self) -> Lock:
        return _AdvisoryLock(self)

    def _connected(self) -> duckdb.DuckDBPyConnection:
        con = open_database([self.extension], spill=None, threads=1)
        try:
            con.execute(f"attach {literal(self._connection)} as pg (type postgres)")
        except BaseException:
            con.close()
            raise
        return con


class _AdvisoryLock:
    def __init__(self, metadata: PostgresMetadata) -> None:
        self._metadata = metadata
        self._con: duckdb.DuckDBPyConnection | None = None
        digest = hashlib.blake2b(metadata.schema.encode(), digest_size=8).digest()
        self._number = int.from_bytes(digest, signed=True)

    def acquire(self, timeout: float) -> bool:
        con = self._metadata._connected()
        try:
            con.execute("begin")
            asked = literal(f"select pg_try_advisory_xact_lock({self._number})")
            until = time.monotonic() + timeout
            while con.execute(f"from postgres_query('pg', {asked})").fetchall() != [(True,)]:
                if time.monotonic() >= until:
                    con.close()
                    return False
                time.sleep(POLL)
        except BaseException:
            con.close()
            raise
        self._con = con
        return True

    def release(self) -> None:
        """Ends the transaction with its connection."""
        if self._con is not None:
            self._con.close()
            self._con = None
