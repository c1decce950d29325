"""The ledger's tables, and how its file is opened: SQLite, WAL, STRICT tables.

    select teacher, count(*) as calls, sum(cost_usd) as cost_usd from ledger.calls group by teacher

What is asked is stored once in `requests`; each sample of it is a row of `calls`, with its cost and who asked first.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from dqdata import sqlite
from dqdata.errors import StoreError
from dqdata.files import lock, make_file, make_folder
from dqdata.ledger import locking, migrations

log = logging.getLogger("dqdata.ledger")
T = TypeVar("T")

PATIENCE = 60.0
"""Seconds to wait for another program that writes to the ledger without dqdata's own lock."""
NOTED_EVERY = 15.0
"""Seconds between two lines about waiting."""
POLL = 0.002
"""Seconds between two tries to take the lock of the writers."""

APPLICATION_ID = 0x6471_6C65
"""`dqle`: tells a ledger from any other SQLite file."""

CREATE = """
create table requests (
  request_id text primary key,            -- hash of the columns below
  messages text not null,                 -- JSON: [{"role": ..., "content": ...}, ...]
  sampling text not null,                 -- JSON: what was said about temperature, max_tokens, ...
  answer_schema text,                     -- JSON schema that the answer must satisfy, where one was asked for
  tools text                              -- JSON: definitions of the tools that the answer may call
) strict;

create table calls (
  ledger_key text primary key,            -- hash of provider, model, revision, request, draw and sample
  request_id text not null references requests,
  draw text not null,                     -- series of fresh samples; empty for the first
  sample integer not null,                -- index among the n of one request
  provider text not null,
  model text not null,
  revision text not null,
  response text not null,
  reasoning text,
  finish_reason text not null,
  input_tokens integer not null,
  output_tokens integer not null,         -- reasoning and response
  cached_tokens integer not null,         -- part of input_tokens, read from the endpoint's prefix cache
  usage_estimated integer not null,       -- 1: the endpoint gave no usage, tokens are a guess from the length
  cost_usd real not null,
  seconds real not null,
  answered_by text not null,              -- model as the endpoint called itself
  logprobs text,                          -- JSON
  run_id text not null,                   -- run, pipeline, step and teacher that asked first, and so paid
  pipeline text not null,
  step text not null,
  teacher text not null,
  created_at text not null,               -- UTC
  tool_calls text                         -- JSON: calls of tools that the answer makes
) strict;
create index calls_by_request on calls (request_id);
create index calls_by_pipeline on calls (pipeline, run_id);

create table failures (
  failure_id integer primary key,
  ledger_key text not null,
  request_id text not null references requests,
  draw text not null,
  sample integer not null,
  provider text not null,
  model text not null,
  revision text not null,
  kind text not null,                     -- retryable, row, fatal; duplicate: another process was answered first
  reason text not null,
  status integer,                         -- HTTP
  message text not null,
  attempt integer not null,               -- which try of this request in its run, from 1
  tokens integer not null,                -- at worst, where the endpoint may have counted an answer that never came
  cost_usd real not null,                 -- the same
  run_id text not null,
  pipeline text not null,
  step text not null,
  teacher text not null,
  created_at text not null
) strict;
create index failures_by_pipeline on failures (pipeline, run_id);
create index failures_by_request on failures (request_id);

create table batches (
  plan_id text primary key,               -- written into the batch's metadata: finds it again after a crash
  batch_id text,                          -- the endpoint's own id, once it was submitted
  provider text not null,
  endpoint text not null,                 -- base URL without credentials
  model text not null,
  ledger_keys text not null,              -- JSON: the calls it holds
  status text not null,                   -- planned, submitted, collected, failed
  created_at text not null
) strict;
"""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """An open ledger, made where there is none. Raises StoreError: no ledger, newer, damaged, or not writable."""
    try:
        return _connect_read_only(path) if read_only else _connect(path)
    except (sqlite3.Error, OSError) as error:
        raise broken(path, error) from error


@contextlib.contextmanager
def readable_file(path: Path) -> Iterator[Path]:
    """For what opens the file by itself: the ledger, or a copy of an older one in the present version. Raises
    StoreError as `connect` does."""
    with (
        tempfile.TemporaryDirectory(prefix="dqdata-") as folder,
        contextlib.closing(connect(path, read_only=True)) as con,
    ):
        _, _, file = con.execute("pragma database_list").fetchone()
        copy = Path(folder) / path.name
        if not file:
            with contextlib.closing(sqlite3.connect(copy)) as to:
                con.backup(to)
        con.close()
        yield path if file else copy


@contextlib.contextmanager
def write_lock(path: Path) -> Iterator[None]:
    """Writers of several processes queue here, not in SQLite's busy handler, which can starve one or not be asked."""
    file = path.with_name(f"{path.name}.lock")
    began = noted = time.monotonic()
    try:
        while (held := locking.acquire(file)) is None:
            time.sleep(POLL)
            if time.monotonic() - noted >= NOTED_EVERY:
                noted = time.monotonic()
                _note(path, began)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOTSUP):
            raise
        with lock(path, poll=POLL):  # a file system without locks
            yield
        return
    try:
        yield
    finally:
        locking.release(held)


def patiently(path: Path, act: Callable[[], T]) -> T:
    """What `act` returns once SQLite has the ledger for it. Raises sqlite3.OperationalError after PATIENCE seconds in
    which another program held it."""
    began = time.monotonic()
    while True:
        try:
            return act()
        except sqlite3.OperationalError as error:
            held = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not held or time.monotonic() - began >= PATIENCE:
                raise
            _note(path, began)


def _note(path: Path, began: float) -> None:
    log.warning(
        "another program writes to the ledger %s: waiting for it, %.0f s so far",
        *(path, time.monotonic() - began),
        extra={"code": "ledger-waits"},
    )


def broken(path: Path, error: Exception) -> StoreError:
    """What SQLite or the disk said, with the file and what to do."""
    text = str(error).lower()
    if "full" in text or "no space" in text:
        advice = "the disk is full: free some space, then start the same command again; nothing answered is lost"
    elif "readonly" in text or "read-only" in text or "permission" in text or "unable to open" in text:
        advice = "it can't be written here: check the rights of the file and of its folder"
    elif any(said in text for said in ("malformed", "not a database", "no such table", "no such column")):
        advice = (
            "the file is damaged: restore a copy, or save what can be read of it "
            f"(sqlite3 {path.name} .recover | sqlite3 NEW) and put NEW in its place; where it is moved away, the next "
            "run begins a new one and pays again"
        )
    elif "locked" in text:
        advice = f"another program wrote to it for {PATIENCE:.0f} s: wait for that program, or end it, and run again"
    else:
        advice = "check the file and its disk"
    return StoreError(f"ledger {path}: {error}; {advice}")


def _connect(path: Path) -> sqlite3.Connection:
    make_folder(path.parent)
    where = f"file:{quote(str(path.resolve()))}"
    # SQLite's busy handler isn't asked where two processes turn one file to WAL: the second would fail at once.
    with write_lock(path):
        make_file(path)
        con = sqlite3.connect(where, uri=True, timeout=NOTED_EVERY, isolation_level=None, check_same_thread=False)
        try:
            patiently(path, lambda: con.execute("pragma journal_mode = wal"))
            con.execute("pragma synchronous = full")  # a paid answer survives a power cut, not only a crash
            con.execute("pragma wal_autocheckpoint = 0")  # the writer does it, between commits that someone waits for
            if (version := patiently(path, lambda: _version(con, path))) == 0:
                patiently(path, lambda: _create(con))
            else:
                sqlite.migrate(con, path, version, migrations.STEPS)
        except BaseException:
            con.close()
            raise
    return con


def _create(con: sqlite3.Connection) -> None:
    con.execute("begin immediate")
    for statement in CREATE.split(";\n"):
        con.execute(statement)
    con.execute(f"pragma application_id = {APPLICATION_ID}")
    con.execute(f"pragma user_version = {sqlite.newest(migrations.STEPS)}")
    con.execute("commit")


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """Of an older ledger a private copy in the present version: reading never changes a ledger."""
    if not path.exists():
        raise StoreError(f"ledger {path}: there is none yet; a run with a teacher makes it")
    where = f"file:{quote(str(path.resolve()))}?mode=ro"
    con = sqlite3.connect(where, uri=True, timeout=NOTED_EVERY, isolation_level=None, check_same_thread=False)
    try:
        version = patiently(path, lambda: _version(con, path))
    except sqlite3.OperationalError:
        con.close()
        if path.with_name(path.name + "-wal").exists():
            raise
        # A WAL database on a read-only disk opens only when SQLite is promised that nobody writes.
        con = sqlite3.connect(where + "&immutable=1", uri=True, isolation_level=None, check_same_thread=False)
        version = _version(con, path)
    except BaseException:
        con.close()
        raise
    if version == 0:
        con.close()
        raise StoreError(f"ledger {path}: it is empty; a run with a teacher fills it")
    return con if version == sqlite.newest(migrations.STEPS) else _in_present_version(con, version)


def _in_present_version(con: sqlite3.Connection, version: int) -> sqlite3.Connection:
    """A temporary database of SQLite's own, gone when it is closed, instead of the connection, which is closed."""
    with contextlib.closing(con):
        copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        con.backup(copy)
    sqlite.run_steps(copy, version, migrations.STEPS)
    return copy


def _version(con: sqlite3.Connection, path: Path) -> int:
    """0 for an empty file, which is to become a ledger. Raises StoreError for no ledger, and for a newer one."""
    application = int(con.execute("pragma application_id").fetchone()[0])
    if application != APPLICATION_ID and con.execute("select count(*) from sqlite_master").fetchone()[0]:
        raise StoreError(f"ledger {path}: this SQLite file is no ledger; name another file or move it away")
    try:
        return sqlite.version(con, migrations.STEPS)
    except StoreError as error:
        raise StoreError(f"ledger {path}: {error}") from None
