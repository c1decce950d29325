"""Maintenance of a ledger: size, integrity, removal, export and import of answers.

size(place).bytes
merge(place, Path("colleague/ledger.sqlite"))      # their answers, paid once
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dqdata.database import lock, open_database
from dqdata.errors import DataError, StoreError
from dqdata.ledger.answers import ANSWER
from dqdata.ledger.choice import database_of
from dqdata.ledger.database import Connection, Row, Session
from dqdata.ledger.rows import completion_of, stored_request
from dqdata.place import LedgerPlace, PostgresPlace

if TYPE_CHECKING:
    import pyarrow as pa

PAGE = 1_000
"""Rows that are read at once."""


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


def size(place: LedgerPlace) -> Size:
    with _reading(place) as session:
        requests, calls, failures = (session.rows(f"select count(*) from {name}")[0][0] for name in _TABLES)
        sums = ", ".join(f"cast(sum({name}) as bigint)" for name in ("input_tokens", "output_tokens"))
        models = session.rows(
            f"select provider, model, revision, count(*), {sums}, sum(cost_usd) from calls group by 1, 2, 3 "
            "order by 4 desc"
        )
    return Size(database_of(place).size(), requests, calls, failures, [(*row,) for row in models])


_TABLES = ("requests", "calls", "failures")


def verify(place: LedgerPlace) -> Iterator[str]:
    """What is wrong with it, one line each: pages, rows without their request, keys that aren't their rows' own,
    answers that can't be read. What follows damage is read as far as the database gives it. Raises StoreError where
    there is no ledger, or none that can be opened."""
    with _reading(place) as session:
        damaged = False
        for problem in database_of(place).damage(session):
            damaged = True
            yield problem
        if damaged and isinstance(place, PostgresPlace):
            return  # a server refuses to read on
        for number, key in _rows(session, "failures", _FAILURES, "failure_id"):
            if isinstance(key, StoreError):
                yield _unread("failures", number, key)
            else:
                yield f"failed attempt {number} of call {key}: its request is missing"
        for key, *row in _rows(session, "calls", _CALLS, "ledger_key"):
            if isinstance(row[0], StoreError):
                yield _unread("calls", key, row[0])
            else:
                yield from _wrong(key, *row)


_FAILURES = (
    "select failure_id, ledger_key from failures where not exists "
    "(select 1 from requests where requests.request_id = failures.request_id)"
)
_ASKED = "provider, model, revision, messages, sampling, answer_schema, draw, sample, tools"
_CALLS = f"select ledger_key, {_ASKED}, {ANSWER} from calls left join requests using (request_id)"


def _rows(session: Session, table: str, select: str, key: str) -> Iterator[Row]:
    """The rows of a query in the order of their keys; in place of a row that can't be read its key and the StoreError.
    Where keys can't be read on either, the last row is None and the StoreError."""
    last: Any = None
    while True:
        after = f" where {key} > ?" if last is not None else ""
        try:
            keys = [
                found
                for (found,) in session.rows(
                    f"select {key} from {table}{after} order by {key} limit {PAGE}", [] if last is None else [last]
                )
            ]
        except StoreError as error:
            yield (None, error)
            return
        if not keys:
            return
        yield from _between(session, select, key, keys)
        last = keys[-1]


def _between(session: Session, select: str, key: str, keys: list[Any]) -> Iterator[Row]:
    """Rows from the first to the last of these keys: where not all can be read, by halves."""
    clause = "and" if " where " in select else "where"
    try:
        found = session.rows(f"{select} {clause} {key} between ? and ? order by {key}", [keys[0], keys[-1]])
    except StoreError as error:
        if len(keys) == 1:
            yield (keys[0], error)
            return
        middle = len(keys) // 2
        yield from _between(session, select, key, keys[:middle])
        yield from _between(session, select, key, keys[middle:])
    else:
        yield from found


def _unread(table: str, key: object, error: StoreError) -> str:
    if key is None:
        return f"table {table}: not all of its rows can be found ({error})"
    row = f"failed attempt {key}" if table == "failures" else f"call {key}"
    return f"{row}: it can't be read, or its request can't ({error})"


def _wrong(
    key: str,
    provider: str,
    model: str,
    revision: str,
    messages: str | None,
    sampling: str,
    schema: str | None,
    draw: str,
    sample: int,
    tools: str | None,
    *answer: Any,
) -> Iterator[str]:
    """What is wrong with one call."""
    if messages is None:
        yield f"call {key}: its request is missing"
    else:
        try:
            found = stored_request(messages, sampling, schema, draw, sample, tools).key(provider, model, revision)
        except ValueError as error:
            yield f"call {key}: its request can't be read ({error})"
        else:
            if found != key:
                yield f"call {key}: the request stored with it has the key {found}"
    try:
        usage = completion_of(key, answer).usage
    except ValueError as error:
        yield f"call {key}: {error}"
    else:
        if min(usage.input, usage.output, usage.cached) < 0:
            yield f"call {key}: fewer than no tokens ({usage.input} in, {usage.output} out, {usage.cached} cached)"


def pages(session: Session, select: str, key: str) -> Iterator[list[Row]]:
    """The rows of a query in the order of a key, which is its first column."""
    clause = "and" if " where " in select else "where"
    rows = session.rows(f"{select} order by {key} limit {PAGE}")
    while rows:
        yield rows
        rows = session.rows(f"{select} {clause} {key} > ? order by {key} limit {PAGE}", [rows[-1][0]])


def prune(
    place: LedgerPlace, *, before: datetime | None = None, run_id: str | None = None, dry: bool = False
) -> Pruned:
    """Forgets calls and failures older than a moment, or of one run, or both. What is forgotten is paid for again
    when it is asked again. dry: only counts."""
    if before is None and run_id is None:
        raise DataError("prune what? name an age or a run")
    database = database_of(place)
    if not database.exists():
        raise StoreError(f"ledger {place}: there is none yet; a run with a teacher makes it")
    where = "coalesce(created_at < ?1, true) and coalesce(run_id = ?2, true)"
    values = (None if before is None else before.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"), run_id)

    def work(con: Connection) -> int:
        for name in ("calls", "failures"):
            con.execute(f"delete from {name} where {where}", values)
        return con.execute(
            "delete from requests where request_id not in (select request_id from calls) "
            "and request_id not in (select request_id from failures)"
        ).rowcount

    size_before = database.size()
    with closing(database.open(read_only=False)) as session:
        calls, failures = (
            session.rows(f"select count(*) from {name} where {where}", values)[0][0] for name in ("calls", "failures")
        )
        if dry:
            return Pruned(calls, failures, 0, 0)
        orphans = session.transact(work)
    database.compact()
    return Pruned(calls, failures, orphans, max(0, size_before - database.size()))


@contextmanager
def exported(place: LedgerPlace, *, failures: bool = False) -> Iterator[pa.RecordBatchReader]:
    """Every call (or failed attempt) with what was asked, as Arrow batches."""
    database = database_of(place)
    with open_database([database.extension], spill=None) as con, database.attached(con):
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
def _reading(place: LedgerPlace) -> Iterator[Session]:
    with closing(database_of(place).open(read_only=True)) as session:
        yield session
