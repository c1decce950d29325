"""Stores the answers of many calls in a few statements.

    store(con, [Answer(request, call), ...])       # [None, None, ...]: all of them stand

SQLite's module gives up the interpreter's lock at each statement, and a thread gets it back from a busy event loop only
after milliseconds. A statement for each row would let a thousand answers wait for seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from dqdata.finish_reasons import meaning

Row = tuple[Any, ...]

SIZES = (256, 32, 4, 1)
"""Rows of one statement: few different ones, so that each is compiled once. SQLite takes 32,766 values in one."""
ANSWER = (
    "response, reasoning, finish_reason, input_tokens, output_tokens, cached_tokens, usage_estimated, answered_by, "
    "seconds, logprobs, tool_calls"
)
INSERT_REQUEST = "insert into requests values {} on conflict do nothing"
INSERT_CALL = "insert into calls values {} on conflict do nothing"
INSERT_FAILURE = f"insert into failures values (null, {', '.join('?' * 19)})"

INTERRUPTED = """
insert into failures
select null, ledger_key, request_id, draw, sample, provider, model, revision, 'retryable', 'interrupted', null,
  'the endpoint broke the answer off: finish_reason ' || finish_reason || ', after: ' || response, 1,
  input_tokens + output_tokens, cost_usd, run_id, pipeline, step, teacher, created_at
from calls where ledger_key = ?
"""

CREATED_AT = 22
"""Place of the moment in a row of `calls`."""


class Answer(NamedTuple):
    """request: a row of `requests`. call: a row of `calls`, whose key comes first."""

    request: Row
    call: Row


def store(con: sqlite3.Connection, answers: Sequence[Answer]) -> list[Row | None]:
    """For each answer None where it is valid from now on, else the answer that was stored before it."""
    stood: list[Row | None] = []
    for chunk in _chunks(answers):
        keys = [answer.call[0] for answer in chunk]
        sql = f"select ledger_key, finish_reason from calls where ledger_key in ({', '.join('?' * len(keys))})"
        taken = {key for key, finish_reason in con.execute(sql, keys) if not _gives_way(con, key, finish_reason)}
        _insert(con, INSERT_REQUEST, [answer.request for answer in chunk])
        _insert(con, INSERT_CALL, [answer.call for answer in chunk])
        for key, answer in zip(keys, chunk, strict=True):
            stood.append(_too_late(con, answer.call) if key in taken else None)
            taken.add(key)
    return stood


def _gives_way(con: sqlite3.Connection, key: str, finish_reason: str) -> bool:
    """Whether the answer under this key was interrupted: version 0.1 stored those. It becomes a failed attempt, with
    its tokens and cost, and the new answer takes its place."""
    if meaning(finish_reason) != "interrupted":
        return False
    con.execute(INTERRUPTED, (key,))
    con.execute("delete from calls where ledger_key = ?", (key,))
    return True


def _too_late(con: sqlite3.Connection, call: Row) -> Row:
    """Books the cost of an answer that another process was given first. Returns that one."""
    tokens, cost = call[10] + call[11], call[14]
    lost = ("duplicate", "answered_twice", None, "another process was answered first", 1)
    con.execute(INSERT_FAILURE, (*call[:7], *lost, tokens, cost, *call[18:23]))
    row: Row = con.execute(f"select {ANSWER} from calls where ledger_key = ?", call[:1]).fetchone()
    return row


def _insert(con: sqlite3.Connection, sql: str, rows: Sequence[Row]) -> None:
    places = f"({', '.join('?' * len(rows[0]))})"
    con.execute(sql.format(", ".join([places] * len(rows))), tuple(chain.from_iterable(rows)))


def _chunks(answers: Sequence[Answer]) -> Iterator[Sequence[Answer]]:
    start = 0
    while start < len(answers):
        size = next(size for size in SIZES if size <= len(answers) - start)
        yield answers[start : start + size]
        start += size
