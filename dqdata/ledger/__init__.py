"""The ledger: every teacher call, content-addressed and durable. Nobody pays twice for one answer.

    with Ledger(Path("catalogs/ledger.sqlite")) as ledger:
        if (answer := ledger.get(teacher.key(request))) is None:
            answer = await ledger.put(key, request, await teacher.complete(request), ...)

An answer is on disk before `put` returns. Failed calls are recorded and never reused. Several processes may share the
file; SQL reads it as `ledger.calls`, `ledger.failures` and `ledger.requests`.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from dqdata.errors import StoreError, TeacherError
from dqdata.ledger.answers import ANSWER, CREATED_AT, INSERT_FAILURE, INSERT_REQUEST, Answer, store
from dqdata.ledger.rows import CallContext, Failure, answer_of, completion_of, failure_of, stored_request
from dqdata.ledger.tables import broken, connect
from dqdata.ledger.writer import Write, Writer
from dqdata.teacher import Completion, Request

__all__ = ["CallContext", "Ledger", "Spent", "stored_request"]

_CHUNK = 5_000


class Spent(NamedTuple):
    """Sums over calls. `unsure_*`: at worst, for attempts whose answer never came but may have been charged."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    unsure_tokens: int = 0
    unsure_usd: float = 0.0


class Ledger:
    """One SQLite file. Reading blocks for microseconds; `put` waits for the disk without blocking the loop."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._writer = None if read_only else Writer(path)
        self._con = connect(path, read_only=read_only)
        self._lock = threading.Lock()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._con.close()
        if self._writer is not None:
            self._writer.close()

    def get(self, key: str) -> Completion | None:
        """The answer stored under this key; None where the call was never answered."""
        row = self.answer_row(key)
        return completion_of(key, row) if row is not None else None

    def get_many(self, keys: Iterable[str]) -> dict[str, Completion]:
        """The answers there are, by key."""
        sql = f"select ledger_key, {ANSWER} from calls where ledger_key in (select value from json_each(?))"
        found: dict[str, Completion] = {}
        for chunk in _chunks(keys):
            found |= {row[0]: completion_of(row[0], row[1:]) for row in self.rows(sql, (json.dumps(chunk),))}
        return found

    def count_present(self, keys: Iterable[str]) -> int:
        """How many of these different keys are answered."""
        sql = "select count(*) from calls where ledger_key in (select value from json_each(?))"
        return sum(self.rows(sql, (json.dumps(chunk),))[0][0] for chunk in _chunks(dict.fromkeys(keys)))

    def spent(self, pipeline: str | None = None, run_id: str | None = None) -> Spent:
        """What was paid, over all runs or for one pipeline or run."""
        where = "where (?1 is null or pipeline = ?1) and (?2 is null or run_id = ?2)"
        sums = "count(*), " + ", ".join(f"coalesce(sum({name}), 0)" for name in Spent._fields[1:5])
        calls = self.rows(f"select {sums} from calls {where}", (pipeline, run_id))[0]
        lost = f"select coalesce(sum(tokens), 0), coalesce(sum(cost_usd), 0.0) from failures {where}"
        return Spent(*calls, *self.rows(lost, (pipeline, run_id))[0])

    def answer_row(self, key: str) -> tuple[Any, ...] | None:
        """The columns `ANSWER` of the answer under this key; None where the call was never answered."""
        rows = self.rows(f"select {ANSWER} from calls where ledger_key = ?", (key,))
        return rows[0] if rows else None

    async def put(
        self,
        key: str,
        request: Request,
        completion: Completion,
        *,
        provider: str,
        model: str,
        revision: str,
        cost_usd: float,
        context: CallContext,
    ) -> Completion:
        """Stores an answer; it is on disk on return. Raises StoreError.

        Returns the answer that is valid: another process may have stored one for this key in the meantime. Then the
        first stays, so that a key means one answer for ever, and the cost of the second is booked among the failures.
        """
        who = (provider, model, revision)
        before = await self.write(answer_of(key, request, completion, who, cost_usd, context))
        return completion_of(key, before) if before is not None else completion.stored_as(key)

    async def put_again(self, answer: Answer) -> tuple[Any, ...] | None:
        """Stores an answer whose first write may have reached the disk without a reply: the same answer of the same
        moment is not counted twice. Returns the row of an earlier answer, as `write` does."""

        def write(con: sqlite3.Connection) -> tuple[Any, ...] | None:
            key, at = answer.call[0], answer.call[CREATED_AT]
            if con.execute("select 1 from calls where ledger_key = ? and created_at = ?", (key, at)).fetchone():
                return None
            return store(con, [answer])[0]

        made: tuple[Any, ...] | None = await self.write(write)
        return made

    async def put_failure(
        self,
        key: str,
        request: Request,
        error: TeacherError,
        *,
        provider: str,
        model: str,
        revision: str,
        context: CallContext,
        attempt: int = 1,
        tokens: int = 0,
        cost_usd: float = 0.0,
    ) -> None:
        """Records one failed attempt. tokens, cost_usd: the worst case where the endpoint may have charged for it."""
        who = (provider, model, revision)
        await self.put_failed(failure_of(key, request, error, who, (attempt, tokens, cost_usd), context))

    async def put_failed(self, failure: Failure, *, again: bool = False) -> None:
        """Records a failed attempt. again: its first write may have reached the disk; then nothing is added."""

        def write(con: sqlite3.Connection) -> None:
            row = failure.row
            same = "select 1 from failures where request_id = ? and ledger_key = ? and created_at = ?"
            if again and con.execute(same, (row[1], row[0], row[-1])).fetchone():
                return
            con.execute(INSERT_REQUEST.format(f"({', '.join('?' * len(failure.request))})"), failure.request)
            con.execute(INSERT_FAILURE, row)

        await self.write(write)

    async def write(self, write: Write) -> Any:
        """Stores an answer, or runs a function on the writing connection: on disk on return."""
        if self._writer is None:
            raise StoreError(f"ledger {self.path}: opened read-only, so no call can be recorded")
        return await self._writer.write(write)

    def rows(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._con.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise broken(self.path, error) from error


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for key in keys:
        chunk.append(key)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
