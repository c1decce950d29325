"""Stores the answers of many calls in a few statements.

    store(con, [Answer(request, call), ...])       # [None, None, ...]: all of them stand

A key means one answer for ever: the first. An answer that is stored a second time (its first write may have reached
the disk without a reply) is known by its moment and run, and not counted twice.

SQLite's module gives up the interpreter's lock at each statement and at each row that one returns, and a thread gets it
back from a busy event loop only after milliseconds: statements are few, and return rows only where a key was there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

from dqdata.finish_reasons import meaning
from dqdata.ledger.database import Connection, Cursor, Row

T = TypeVar("T")

SIZES = (256, 32, 4, 1)
"""Rows of one statement: few different ones, so that each is compiled once. SQLite takes 32,766 values in one."""
ANSWER = (
    "response, reasoning, finish_reason, input_tokens, output_tokens, cached_tokens, usage_estimated, answered_by, "
    "seconds, logprobs, tool_calls"
)
CALL_COLUMNS = (
    "ledger_key, request_id, draw, sample, provider, model, revision, response, reasoning, finish_reason, "
    "input_tokens, output_tokens, cached_tokens, usage_estimated, cost_usd, seconds, answered_by, logprobs, run_id, "
    "pipeline, step, teacher, created_at, tool_calls"
)
FAILURE_COLUMNS = (
    "ledger_key, request_id, draw, sample, provider, model, revision, kind, reason, status, message, attempt, tokens, "
    "cost_usd, run_id, pipeline, step, teacher, created_at"
)
INSERT_REQUESTS = "insert into requests values {} on conflict do nothing"
INSERT_CALLS = f"insert into calls ({CALL_COLUMNS}) values {{}} on conflict do nothing"
INSERT_FAILURES = f"insert into failures ({FAILURE_COLUMNS}) values {{}}"

INTERRUPTED = f"""
insert into failures ({FAILURE_COLUMNS})
select ledger_key, request_id, draw, sample, provider, model, revision, 'retryable', 'interrupted', null,
  'the endpoint broke the answer off: finish_reason ' || finish_reason || ', after: ' || response, 1,
  input_tokens + output_tokens, cost_usd, run_id, pipeline, step, teacher, created_at
from calls where ledger_key = ?
"""

FINISH_REASON = 2
"""Place of the finish reason in `ANSWER`."""
RUN_ID = 18
CREATED_AT = 22
"""Place of the moment in a row of `calls`."""


class Answer(NamedTuple):
    """request: a row of `requests`. call: a row of `calls`, whose key comes first."""

    request: Row
    call: Row


class Failure(NamedTuple):
    """request: a row of `requests`. row: a row of `failures` without its number."""

    request: Row
    row: Row


def store(con: Connection, answers: Sequence[Answer]) -> list[Row | None]:
    """For each answer None where it is valid from now on, else the answer that was stored before it."""
    stood: list[Row | None] = []
    for start in range(0, len(answers), SIZES[0]):
        chunk = answers[start : start + SIZES[0]]
        insert(con, INSERT_REQUESTS, padded([answer.request for answer in chunk]))
        new = insert(con, INSERT_CALLS, padded([answer.call for answer in chunk])).rowcount
        stood += [None if new == len(chunk) else _beside(con, answer.call) for answer in chunk]
    return stood


def store_failure(con: Connection, failure: Failure) -> None:
    """Records a failed attempt; the same one of the same moment is there once."""
    row = failure.row
    same = "select 1 from failures where request_id = ? and ledger_key = ? and created_at = ?"
    if con.execute(same, (row[1], row[0], row[-1])).fetchone() is None:
        insert(con, INSERT_REQUESTS, [failure.request])
        insert(con, INSERT_FAILURES, [row])


def insert(con: Connection, sql: str, rows: Sequence[Row]) -> Cursor:
    """sql: with `{}` for the rows of values, of which there are as many as `chunks` makes."""
    places = f"({', '.join('?' * len(rows[0]))})"
    return con.execute(sql.format(", ".join([places] * len(rows))), tuple(chain.from_iterable(rows)))


def padded(items: Sequence[T]) -> Sequence[T]:
    """The items, the last of them repeated up to a power of two: one statement for any number of them, and few
    different ones. A row that is there twice is inserted once where conflicts do nothing."""
    return [*items, *[items[-1]] * ((1 << (len(items) - 1).bit_length()) - len(items))]


def chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    start = 0
    while start < len(rows):
        size = next(size for size in SIZES if size <= len(rows) - start)
        yield rows[start : start + size]
        start += size


def _beside(con: Connection, call: Row) -> Row | None:
    """What becomes of an answer whose key has one. None where it is this one, or this one is valid from now on.

    An answer that was interrupted, which version 0.1 stored, becomes a failed attempt, with its tokens and cost, and
    the new answer takes its place. After any other the new one came too late: its cost is booked, and the stored one
    returned."""
    [(*before, run_id, created_at)] = con.execute(
        f"select {ANSWER}, run_id, created_at from calls where ledger_key = ?", call[:1]
    ).fetchall()
    if (run_id, created_at) == (call[RUN_ID], call[CREATED_AT]):
        return None
    if meaning(before[FINISH_REASON]) == "interrupted":
        con.execute(INTERRUPTED, call[:1])
        con.execute("delete from calls where ledger_key = ?", call[:1])
        insert(con, INSERT_CALLS, [call])
        return None
    tokens, cost = call[10] + call[11], call[14]
    lost = ("duplicate", "answered_twice", None, "another process was answered first", 1)
    insert(con, INSERT_FAILURES, [(*call[:7], *lost, tokens, cost, *call[18:23])])
    return tuple(before)
