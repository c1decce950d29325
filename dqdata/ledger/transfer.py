"""Takes rows of one ledger over into another, wherever each of them is.

    merge(place, Path("colleague/ledger.sqlite"))          # Merged(calls=120, failures=3, known=17, differing=0)

Rows are added and none is changed, so a transfer that was killed is begun again and adds what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from dqdata.errors import DataError
from dqdata.ledger import answers
from dqdata.ledger.answers import CALL_COLUMNS, FAILURE_COLUMNS, INSERT_CALLS, INSERT_FAILURES, INSERT_REQUESTS
from dqdata.ledger.choice import database_of
from dqdata.ledger.database import KEYS, Connection, Row
from dqdata.ledger.file import FileLedger
from dqdata.ledger.maintenance import PAGE, pages
from dqdata.place import LedgerPlace

_REQUEST_COLUMNS = "request_id, messages, sampling, answer_schema, tools"
_BATCH_COLUMNS = "plan_id, batch_id, provider, endpoint, model, ledger_keys, status, created_at"
_INSERT_BATCHES = f"insert into batches ({_BATCH_COLUMNS}) values {{}} on conflict do nothing"


@dataclass(frozen=True)
class Merged:
    """`differing`: calls that both ledgers hold with different answers; the ones here stay."""

    calls: int
    failures: int
    known: int
    differing: int


def merge(place: LedgerPlace, other: LedgerPlace, *, batches: bool = False) -> Merged:
    """Takes over what another ledger holds and this one doesn't, which is made if need be. The other isn't changed.
    batches: also which batches are under way. Raises DataError where both are one, and StoreError."""
    same = isinstance(place, Path) and isinstance(other, Path) and other.exists() and place.exists()
    if place == other or (same and Path(str(other)).samefile(str(place))):
        raise DataError(f"{other} is this ledger itself")
    calls = failures = known = differing = 0
    with ExitStack() as stack:
        theirs = stack.enter_context(closing(database_of(other).open(read_only=True)))
        mine = stack.enter_context(closing(database_of(place).open(read_only=False)))
        for page in pages(theirs, f"select {_REQUEST_COLUMNS} from requests", "request_id"):
            mine.transact(lambda con, page=page: _insert(con, INSERT_REQUESTS, page))  # type: ignore[misc]
        for page in pages(theirs, f"select {CALL_COLUMNS} from calls", "ledger_key"):
            there, other_answers, new = mine.transact(lambda con, page=page: _add_calls(con, page))  # type: ignore[misc]
            calls, known, differing = calls + new, known + there, differing + other_answers
        for page in pages(theirs, f"select failure_id, {FAILURE_COLUMNS} from failures", "failure_id"):
            failures += mine.transact(lambda con, page=page: _add_failures(con, page))  # type: ignore[misc]
        if batches:
            for page in pages(theirs, f"select {_BATCH_COLUMNS} from batches", "plan_id"):
                mine.transact(lambda con, page=page: _insert(con, _INSERT_BATCHES, page))  # type: ignore[misc]
    return Merged(calls, failures, known, differing)


def extract(place: LedgerPlace, target: Path, keys: Collection[str]) -> int:
    """Copies the calls of these keys, with what was asked, into a new ledger file. Returns how many there were."""
    copied = 0
    with ExitStack() as stack:
        theirs = stack.enter_context(closing(database_of(place).open(read_only=True)))
        mine = stack.enter_context(closing(FileLedger(target).open(read_only=False)))
        wanted = sorted(keys)
        for start in range(0, len(wanted), PAGE):
            chunk = wanted[start : start + PAGE]
            calls = theirs.rows(f"select {CALL_COLUMNS} from calls where ledger_key in {KEYS}", [json.dumps(chunk)])
            asked = json.dumps(sorted({row[1] for row in calls}))
            requests = theirs.rows(f"select {_REQUEST_COLUMNS} from requests where request_id in {KEYS}", [asked])
            mine.transact(lambda con, rows=requests: _insert(con, INSERT_REQUESTS, rows))  # type: ignore[misc]
            mine.transact(lambda con, rows=calls: _insert(con, INSERT_CALLS, rows))  # type: ignore[misc]
            copied += len(calls)
        mine.tidy(0, last=True)
        mine.rows("pragma journal_mode = delete")
    return copied


def _add_calls(con: Connection, page: Sequence[Row]) -> tuple[int, int, int]:
    """How many of these answers were there, how many of those differ, how many are new."""
    sql = f"select ledger_key, response, reasoning from calls where ledger_key in {KEYS}"
    there = {key: rest for key, *rest in con.execute(sql, [json.dumps([row[0] for row in page])]).fetchall()}
    differing = sum(there[row[0]] != [row[7], row[8]] for row in page if row[0] in there)
    new = [row for row in page if row[0] not in there]
    return len(there), differing, _insert(con, INSERT_CALLS, new)


def _add_failures(con: Connection, page: Sequence[Row]) -> int:
    sql = f"select request_id, ledger_key, created_at from failures where request_id in {KEYS}"
    there = {tuple(row) for row in con.execute(sql, [json.dumps([row[2] for row in page])]).fetchall()}
    new = [row[1:] for row in page if (row[2], row[1], row[-1]) not in there]
    _insert(con, INSERT_FAILURES, new)
    return len(new)


def _insert(con: Connection, sql: str, rows: Sequence[Row]) -> int:
    """How many rows are new."""
    return sum(answers.insert(con, sql, chunk).rowcount for chunk in answers.chunks(rows))
