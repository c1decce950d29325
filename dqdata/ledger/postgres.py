"""A ledger in Postgres, which many machines share: the tables of the SQLite file in the schema `dqdata_ledger`.

Each process has one writer, whose transactions are durable (`synchronous_commit = on`) before a row moves on, and one
thread for look-ups and claims (`claims`). A server that goes away is waited for. Passwords come from libpq's
PGPASSWORD or ~/.pgpass. Postgres can't store the character NUL: it is written as U+FFFF 0, and U+FFFF as U+FFFF 1.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from dqdata import __version__, sqlite
from dqdata.errors import StoreError
from dqdata.ledger import migrations
from dqdata.ledger.database import KEYS, Connection, Cursor, Database, Row, Session
from dqdata.ledger.tables import CREATE
from dqdata.masking import masker
from dqdata.place import LEDGER_SCHEMA, PostgresPlace
from dqdata.refusals import refusal
from dqdata.sql import literal

if TYPE_CHECKING:
    import duckdb
    import psycopg

    from dqdata.ledger.claims import Claims

log = logging.getLogger("dqdata.ledger")
T = TypeVar("T")

PATIENCE = 300.0
"""Seconds to wait for a server that was there before."""
NOTED_EVERY = 15.0
"""Seconds between two lines about waiting."""
_PAUSES = (0.1, 0.3, 1.0, 2.0)
_LOCK = int.from_bytes(hashlib.blake2b(LEDGER_SCHEMA.encode(), digest_size=8).digest(), signed=True)
_CLAIMS = """
create table about (version integer not null);
create unlogged table claims (
  ledger_key text primary key,            -- of a call that a process is making
  holder text not null,
  until timestamptz not null              -- the claim of a process that is gone ends then
)
"""


class PostgresSession(Session):
    """durable: whether a transaction is on disk when it ends."""

    def __init__(self, place: PostgresPlace, *, read_only: bool, durable: bool = True) -> None:
        self._place, self._read_only, self._durable = place, read_only, durable
        self._lock, self._closed = threading.Lock(), threading.Event()
        try:
            self._con = self._connected()
        except StoreError:
            raise
        except Exception as error:
            raise _refused(place, error) from None

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self.transact(lambda con: con.execute(sql, values).fetchall())

    def transact(self, work: Callable[[Connection], T]) -> T:
        import psycopg

        began = time.monotonic()
        noted, tries = began, 0
        with self._lock:
            while True:
                try:
                    if self._con.closed:
                        self._con = self._connected()
                    with self._con.transaction():
                        return work(_Translated(self._con))
                except psycopg.Error as error:
                    if not self._worth_another(error) or time.monotonic() - began > PATIENCE:
                        raise _refused(self._place, error) from None
                    if self._con.closed and time.monotonic() - noted >= (NOTED_EVERY if tries else 0.0):
                        noted = time.monotonic()
                        seconds = noted - began
                        log.warning(
                            "the ledger %s can't be reached: waiting for it, %.0f s so far",
                            *(self._place, seconds),
                            extra={"code": "ledger-waits"},
                        )
                self._closed.wait(_PAUSES[min(tries, len(_PAUSES) - 1)])
                tries += 1

    def stop_waiting(self) -> None:
        """From now on a server that is away is an error at once."""
        self._closed.set()

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._con.close()

    def _worth_another(self, error: psycopg.Error) -> bool:
        """Whether the connection was lost or could not be made again, or two processes waited for one another."""
        from psycopg import errors

        if isinstance(error, errors.DeadlockDetected | errors.SerializationFailure):
            return True
        return self._con.closed and _passing(error) and not self._closed.is_set()

    def _connected(self) -> psycopg.Connection[Row]:
        con = connect(self._place)
        try:
            con.execute(f"set search_path = {LEDGER_SCHEMA}")
            con.execute("set synchronous_commit = " + ("on" if self._durable else "off"))
            version = _version(con, self._place)
            if version == 0:
                if self._read_only:
                    raise StoreError(f"ledger {self._place}: there is none yet; a run with a teacher makes it")
                _create(con)
            elif version < sqlite.newest(migrations.STEPS):
                _migrate(con, version, self._place)
            if self._read_only:
                con.execute("set default_transaction_read_only = on")
        except BaseException:
            con.close()
            raise
        return con


class PostgresLedger(Database):
    extension = "postgres_scanner"

    def __init__(self, place: PostgresPlace) -> None:
        self._place = place

    def exists(self) -> bool:
        try:
            with connect(self._place) as con:
                return _version(con, self._place) > 0
        except StoreError:
            raise
        except Exception as error:
            raise _refused(self._place, error) from None

    def open(self, *, read_only: bool) -> PostgresSession:
        return PostgresSession(self._place, read_only=read_only)

    def size(self) -> int:
        with closing(self.open(read_only=True)) as session:
            names = "select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c"
            of = "where c.relkind = 'r' and c.relnamespace = ?::regnamespace"
            return int(session.rows(f"{names} {of}", [LEDGER_SCHEMA])[0][0])

    def damage(self, session: Session) -> list[str]:
        """What the server says while it reads every value of every row: by default its pages have checksums."""
        found = []
        for table in ("requests", "calls", "failures"):
            try:
                session.rows(f"select sum(octet_length(whole::text)) from {table} as whole")
            except StoreError as error:
                found.append(f"table {table}: {error}")
        return found

    def compact(self) -> None:
        """Nothing: a server does so by itself."""

    @contextmanager
    def attached(self, con: duckdb.DuckDBPyConnection) -> Iterator[None]:
        if not self.exists():
            raise StoreError(f"ledger {self._place}: there is none yet; a run with a teacher makes it")
        address = literal(self._place.connection)
        con.execute(
            f"attach if not exists {address} as ledger (type postgres, read_only, schema {literal(LEDGER_SCHEMA)})"
        )
        yield

    def claims(self, *, read_only: bool) -> Claims:
        from dqdata.ledger.claims import Claims

        return Claims(PostgresSession(self._place, read_only=read_only, durable=False))


class _Translated:
    """A connection that takes the ledger's SQL."""

    def __init__(self, con: psycopg.Connection[Row]) -> None:
        self._con = con

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Cursor:
        return self._con.execute(_translated(sql), values)


@lru_cache(256)
def _translated(sql: str) -> bytes:
    """`?` becomes `$1`, `$2` and so on, `?2` becomes `$2`."""
    numbers = iter(range(1, 1 << 16))
    sql = sql.replace(KEYS, "(select json_array_elements_text(?::json))")
    return re.sub(r"\?(\d*)", lambda found: f"${found[1] or next(numbers)}", sql).encode()


def connect(place: PostgresPlace) -> psycopg.Connection[Row]:
    """In autocommit. Raises psycopg's errors, and StoreError without psycopg."""
    try:
        import psycopg
        from psycopg import conninfo
    except ImportError:
        raise StoreError(
            f"the ledger {place} needs psycopg: pip install 'dqdata[cloud]'", code="missing-extra"
        ) from None
    from psycopg.types.numeric import Int8Dumper
    from psycopg.types.string import StrDumperUnknown, TextLoader

    class Dumper(StrDumperUnknown):
        def dump(self, obj: str) -> Any:
            return super().dump(escaped(obj) if "\0" in obj or "\uffff" in obj else obj)

    class Loader(TextLoader):
        def load(self, data: Any) -> Any:
            text = super().load(data)
            return unescaped(text) if isinstance(text, str) and "\uffff" in text else text

    usual = {"keepalives_idle": 30, "tcp_user_timeout": 60_000, "application_name": "dqdata"}
    given = conninfo.conninfo_to_dict(place.connection)
    more: Any = {name: value for name, value in usual.items() if name not in given}
    con = psycopg.connect(
        place.connection, autocommit=True, cursor_factory=psycopg.RawCursor, client_encoding="utf8", **more
    )
    con.adapters.register_dumper(int, Int8Dumper)  # one type for all numbers, so that statements are prepared once
    con.adapters.register_dumper(str, Dumper)
    con.adapters.register_loader("text", Loader)
    return con


def escaped(text: str) -> str:
    return text.replace("\uffff", "\uffff1").replace("\0", "\uffff0")


def unescaped(text: str) -> str:
    return text.replace("\uffff0", "\0").replace("\uffff1", "\uffff")


def _version(con: psycopg.Connection[Row], place: PostgresPlace) -> int:
    """0 where no ledger is. Raises StoreError for a newer one."""
    if not _there(con):
        return 0
    [(version,)] = con.execute(f"select version from {LEDGER_SCHEMA}.about").fetchall()
    newest = sqlite.newest(migrations.STEPS)
    if version > newest:
        raise StoreError(
            f"ledger {place}: version {version}, made by a newer dqdata (this is dqdata {__version__}, which reads up "
            f"to {newest}): update dqdata"
        )
    return int(version)


def _there(con: psycopg.Connection[Row]) -> bool:
    """By a query: what a name refers to is remembered within a transaction."""
    sql = f"select 1 from pg_catalog.pg_tables where schemaname = '{LEDGER_SCHEMA}' and tablename = 'about'"
    return bool(con.execute(sql.encode()).fetchall())


def _create(con: psycopg.Connection[Row]) -> None:
    """As SQLite's tables, unless another process has made them meanwhile."""
    tables = CREATE.replace("integer primary key", "bigint generated by default as identity primary key")
    tables = re.sub(r"\binteger\b", "bigint", tables).replace(" real ", " double precision ")
    tables = tables.replace(" references requests", "").replace(") strict;", ");") + _CLAIMS
    with con.transaction():
        con.execute(f"select pg_advisory_xact_lock({_LOCK})")
        if _there(con):
            return
        con.execute(f"create schema if not exists {LEDGER_SCHEMA}")
        for statement in tables.split(";\n"):
            if statement.strip():
                con.execute(statement.encode())
        con.execute("insert into about values ($1)", [sqlite.newest(migrations.STEPS)])


def _migrate(con: psycopg.Connection[Row], version: int, place: PostgresPlace) -> None:
    with con.transaction():
        con.execute(f"select pg_advisory_xact_lock({_LOCK})")
        version = _version(con, place)  # another process may have done it while this one waited
        for step in migrations.STEPS:
            if step.to > version:
                step.change(_Translated(con))  # type: ignore[arg-type]
                con.execute("update about set version = $1", [step.to])


def _passing(error: Exception) -> bool:
    """Whether waiting may help: not against a password or a name that is wrong."""
    text = str(error).lower()
    return not any(words in text for words in ("authentication failed", "does not exist", "no password", "pg_hba"))


def _refused(place: PostgresPlace, error: Exception) -> StoreError:
    """What the server or the network said, with what to do."""
    text = str(error).strip()
    advice = refusal(text, "ledger", LEDGER_SCHEMA)
    if not advice and any(
        words in text.lower()
        for words in (
            "connection failed",
            "connection to server",
            "connection is bad",
            "could not",
            "refused",
            "timeout",
            "closed",
            "lost",
            "shut",
            "starting up",
        )
    ):
        advice = (
            "start the server, or correct [store] ledger; then start the same command again: nothing stored is lost"
        )
    advice = advice or "correct what it names, then start the same command again"
    return StoreError(f"ledger {place}: {masker.hide(' '.join(text.split()))}; {advice}")
