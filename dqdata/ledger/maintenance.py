"""Maintenance of a ledger: size, integrity, removal, export and import of answers.

size(path).bytes
merge(path, Path("colleague/ledger.sqlite"))      # their answers, paid once
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.database import lock, open_database
from dqdata.errors import DataError, StoreError
from dqdata.ledger import stored_request
from dqdata.ledger.tables import broken, connect, readable_file, write_lock
from dqdata.sql import literal

if TYPE_CHECKING:
    import pyarrow as pa

_CALL_COLUMNS = (
    "ledger_key, request_id, draw, sample, provider, model, revision, response, reasoning, finish_reason, "
    "input_tokens, output_tokens, cached_tokens, usage_estimated, cost_usd, seconds, answered_by, logprobs, run_id, "
    "pipeline, step, teacher, created_at, tool_calls"
)
_FAILURE_COLUMNS = (
    "ledger_key, request_id, draw, sample, provider, model, revision, kind, reason, status, message, attempt, tokens, "
    "cost_usd, run_id, pipeline, step, teacher, created_at"
)


def extract(path: Path, target: Path, keys: Collection[str]) -> int:
    """Copies the calls of these keys, with what was asked, into a new ledger file. Returns how many there were."""
    con = connect(target, read_only=False)
    try:
        con.execute("attach ? as given", (str(path),))
        con.execute("create temp table wanted (ledger_key text primary key)")
        con.executemany("insert into wanted values (?)", [(key,) for key in sorted(keys)])
        con.execute("begin")
        con.execute(
            "insert into requests select * from given.requests where request_id in "
            "(select request_id from given.calls join wanted using (ledger_key))"
        )
        con.execute(
            f"insert into calls ({_CALL_COLUMNS}) select {_CALL_COLUMNS} from given.calls "
            "where ledger_key in (select ledger_key from wanted)"
        )
        con.execute("commit")
        copied = int(con.execute("select count(*) from calls").fetchone()[0])
        con.execute("detach given")
        con.execute("pragma journal_mode = delete")
        return copied
    except sqlite3.Error as error:
        raise broken(path, error) from error
    finally:
        con.close()


@dataclass(frozen=True)
class Size:
    """What is in a ledger. `models`: (provider, model, revision, calls, input tokens, output tokens, USD)."""

    bytes: int
    requests: int
    calls: int
    failures: int
    models: list[tuple[str, str, str, int, int, int, float]]


@dataclass(frozen=True)
class Pruned:
    calls: int
    failures: int
    requests: int
    freed_bytes: int


@dataclass(frozen=True)
class Merged:
    """`differing`: calls that both ledgers hold with different answers; the ones here stay."""

    calls: int
    failures: int
    known: int
    differing: int


def size(path: Path) -> Size:
    with _reading(path) as con:
        requests, calls, failures = (con.execute(f"select count(*) from {name}").fetchone()[0] for name in _TABLES)
        models = con.execute(
            "select provider, model, revision, count(*), sum(input_tokens), sum(output_tokens), sum(cost_usd) "
            "from calls group by 1, 2, 3 order by 4 desc"
        ).fetchall()
    return Size(_bytes(path), requests, calls, failures, models)


_TABLES = ("requests", "calls", "failures")


def verify(path: Path) -> Iterator[str]:
    """What is wrong with it, one line each: pages, rows without their request, rows whose key isn't theirs."""
    with _reading(path) as con:
        for (said,) in con.execute("pragma integrity_check(20)"):
            if said != "ok":
                yield f"file: {said}"
        rows = con.execute(
            "select ledger_key, provider, model, revision, messages, sampling, answer_schema, draw, sample, tools "
            "from calls left join requests using (request_id)"
        )
        for key, provider, model, revision, messages, *rest in rows:
            if messages is None:
                yield f"call {key}: its request is missing"
                continue
            try:
                found = stored_request(messages, *rest).key(provider, model, revision)
            except (ValueError, KeyError, TypeError) as error:
                yield f"call {key}: its request can't be read ({error})"
                continue
            if found != key:
                yield f"call {key}: the request stored with it has the key {found}"


def prune(path: Path, *, before: datetime | None = None, run_id: str | None = None, dry: bool = False) -> Pruned:
    """Forgets calls and failures older than a moment, or of one run, or both. What is forgotten is paid for again
    when it is asked again. dry: only counts."""
    if before is None and run_id is None:
        raise DataError("prune what? name an age or a run")
    where = "(?1 is null or created_at < ?1) and (?2 is null or run_id = ?2)"
    values = (None if before is None else before.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"), run_id)
    size_before = _bytes(path)
    with _writing(path) as con:
        counts = f"select (select count(*) from calls where {where}), (select count(*) from failures where {where})"
        calls, failures = con.execute(counts, values).fetchone()
        if dry:
            return Pruned(calls, failures, 0, 0)
        con.execute("begin immediate")
        for name in ("calls", "failures"):
            con.execute(f"delete from {name} where {where}", values)
        orphans = con.execute(
            "delete from requests where request_id not in (select request_id from calls) "
            "and request_id not in (select request_id from failures)"
        ).rowcount
        con.execute("commit")
        con.execute("vacuum")
        con.execute("pragma wal_checkpoint(truncate)")
    return Pruned(calls, failures, orphans, max(0, size_before - _bytes(path)))


def merge(path: Path, other: Path) -> Merged:
    """Takes over what another ledger holds and this one doesn't, which is made if need be. The other isn't changed."""
    if other.exists() and path.exists() and other.samefile(path):
        raise DataError(f"{other} is this ledger itself")
    with readable_file(other) as readable, _writing(path, make=True) as con:
        con.execute("attach ? as other", (f"file:{readable.resolve()}?mode=ro",))
        known, differing = con.execute(
            "select count(*), "
            "coalesce(sum((mine.response, mine.reasoning) is not (theirs.response, theirs.reasoning)), 0) "
            "from other.calls theirs join main.calls mine using (ledger_key)"
        ).fetchone()
        con.execute("begin immediate")
        con.execute("insert into main.requests select * from other.requests where true on conflict do nothing")
        calls = con.execute(
            f"insert into main.calls ({_CALL_COLUMNS}) select {_CALL_COLUMNS} from other.calls where true "
            "on conflict do nothing"
        ).rowcount
        failures = con.execute(
            f"insert into main.failures ({_FAILURE_COLUMNS}) select {_FAILURE_COLUMNS} from other.failures theirs "
            "where not exists (select 1 from main.failures mine where mine.request_id = theirs.request_id "
            "and mine.ledger_key = theirs.ledger_key and mine.created_at = theirs.created_at)"
        ).rowcount
        con.execute("commit")
        con.execute("detach other")
    return Merged(calls, failures, known, differing)


@contextmanager
def exported(path: Path, *, failures: bool = False) -> Iterator[pa.RecordBatchReader]:
    """Every call (or failed attempt) with what was asked, as Arrow batches."""
    with readable_file(path) as file, open_database(["sqlite_scanner"], spill=None) as con:
        con.execute(f"attach {literal(file)} as ledger (type sqlite, read_only)")
        lock(con)
        table = "failures" if failures else "calls"
        yield con.sql(
            f"select * exclude (request_id), request_id from ledger.{table} join ledger.requests using (request_id) "
            "order by created_at, ledger_key"
        ).to_arrow_reader(10_000)


def moment(text: str) -> datetime:
    """A date (`2026-01-31`) or an age (`12h`, `30d`, `6w`) as a moment. Raises DataError."""
    match = re.fullmatch(r"(\d+)\s*([hdw])", text.strip())
    if match:
        hours = int(match[1]) * {"h": 1, "d": 24, "w": 168}[match[2]]
        return datetime.now(UTC) - timedelta(hours=hours)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(f"{text!r} is neither an age (12h, 30d, 6w) nor a date (2026-01-31)") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(path, read_only=True)) as con:
        try:
            yield con
        except sqlite3.Error as error:
            raise broken(path, error) from error


@contextmanager
def _writing(path: Path, *, make: bool = False) -> Iterator[sqlite3.Connection]:
    """Under the lock that writers take: a run that goes on beside waits. make: also where there is no ledger yet."""
    if not make and not path.exists():
        raise StoreError(f"ledger {path}: there is none yet; a run with a teacher makes it")
    with closing(connect(path)) as con, write_lock(path):
        try:
            yield con
        except sqlite3.Error as error:
            if con.in_transaction:
                con.execute("rollback")
            raise broken(path, error) from error


def _bytes(path: Path) -> int:
    files: Any = (path, path.with_name(path.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
