"""Metadata of a store in a Postgres database, in a schema of its own: `dqdata`, or `dqdata_NAME` for a profile.

The commit lock is an advisory lock of a transaction that is open as long as the lock is held, so it goes with the
process or its connection. The server gives it to processes in the order in which they asked. Password and the like come
from libpq's variables (PGPASSWORD) or ~/.pgpass.
"""

from __future__ import annotations

import contextlib
import hashlib
import select
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dqdata.catalog.backend import Lock, Metadata
from dqdata.database import open_database
from dqdata.errors import StoreError
from dqdata.place import PostgresPlace
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb
    import psycopg

CANCEL_SECONDS = 5.0
"""How long the server may take to hear that nobody waits any more."""
SETTINGS = {
    "statement_timeout": 0,
    "lock_timeout": 0,
    "idle_in_transaction_session_timeout": 0,
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
}
"""Of the transaction that waits for the lock and holds it: it may take long (0: no limit), and a machine that is gone
loses it after a minute (keepalives in seconds)."""


class PostgresMetadata(Metadata):
    extension = "postgres_scanner"

    def __init__(self, url: str, profile: str = "") -> None:
        self._place = PostgresPlace(url, "metadata")
        self._connection = self._place.connection
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
        digest = hashlib.blake2b(self.schema.encode(), digest_size=8).digest()
        return _AdvisoryLock(self._place, int.from_bytes(digest, signed=True))

    def _connected(self) -> duckdb.DuckDBPyConnection:
        con = open_database([self.extension], spill=None, threads=1)
        try:
            con.execute(f"attach {literal(self._connection)} as pg (type postgres)")
        except BaseException:
            con.close()
            raise
        return con


class _AdvisoryLock:
    """A request for the lock stays in the server's queue while `acquire` is called again, so psycopg's connection is
    used without waiting for it: DuckDB's can't be left, not even with Ctrl-C, until the server has answered."""

    def __init__(self, place: PostgresPlace, number: int) -> None:
        self._place, self._number = place, number
        self._con: psycopg.Connection | None = None

    def acquire(self, timeout: float) -> bool:
        """Whether the lock was acquired within so many seconds; if not, a second call goes on waiting in the same
        place of the queue, and `release` leaves it. A timeout of 0 only tries. Raises ConnectionError."""
        with self._errors():
            if self._con is None:
                self._con = self._begun()
                if timeout <= 0:
                    [(got,)] = self._con.execute(f"select pg_try_advisory_xact_lock({self._number})").fetchall()
                    if not got:
                        self._close()
                    return bool(got)
                self._con.pgconn.send_query(f"select pg_advisory_xact_lock({self._number})".encode())
            return _answered(self._con, timeout)

    def release(self) -> None:
        """Ends the transaction with its connection."""
        if self._con is None:
            return
        if self._con.pgconn.is_busy():  # else the server would hold the place of a connection that is closed
            with contextlib.suppress(OSError), self._errors():
                self._con.cancel_safe(timeout=CANCEL_SECONDS)
        self._close()

    def _begun(self) -> psycopg.Connection:
        try:
            import psycopg
        except ImportError:
            raise StoreError(
                f"the metadata {self._place} need psycopg: pip install 'dqdata[cloud]'", code="missing-extra"
            ) from None
        con = psycopg.connect(self._place.connection, autocommit=True)
        con.execute("; ".join(["begin", *(f"set local {name} = {value}" for name, value in SETTINGS.items())]))
        return con

    def _close(self) -> None:
        if self._con is not None:
            self._con.close()
            self._con = None

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """What psycopg raises, in the words that DuckDB has for it. The connection is given up whatever is raised, and
        by Ctrl-C the place in the queue."""
        try:
            yield
        except BaseException as error:
            if not (isinstance(error, Exception) and type(error).__module__.startswith("psycopg")):
                self.release()
                raise
            self._close()
            raise ConnectionError(f"Unable to connect to Postgres: {error}") from error


def _answered(con: psycopg.Connection, timeout: float) -> bool:
    """Whether the statement that was sent has come to its end within so many seconds. Raises psycopg.Error where it
    failed."""
    from psycopg import errors, pq

    until = time.monotonic() + timeout
    readable = select.poll()
    readable.register(con.pgconn.socket, select.POLLIN)
    while con.pgconn.is_busy():
        if not readable.poll(max(0.0, until - time.monotonic()) * 1000):
            return False
        con.pgconn.consume_input()
    while (result := con.pgconn.get_result()) is not None:
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise errors.error_from_result(result)
    return True
