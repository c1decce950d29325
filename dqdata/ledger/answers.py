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
        sql = f"select ledger_key from calls where ledger_key in ({', '.join('?' * len(keys))})"
        taken = {key for (key,) in con.execute(sql, keys)}
        _insert(con, INSERT_REQUEST, [answer.request for answer in chunk])
        _insert(con, INSERT_CALL, [answer.call for answer in chunk])
        for key, answer in zip(keys, chunk, strict=True):
            stood.append(_too_late(con, answer.call) if key in taken else None)
            taken.add(key)
    return stood


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
