"""The ledger: every teacher call, content-addressed and durable. Nobody pays twice for one answer.

    with Ledger(Path("catalogs/ledger.sqlite")) as ledger:
        if (answer := ledger.get(teacher.key(request))) is None:
            answer = await ledger.put(key, request, await teacher.complete(request), ...)

An answer is on disk before `put` returns. Failed calls are recorded and never reused. Several processes may share a
ledger, in a file of SQLite or, from many machines, in a schema of Postgres. SQL reads it as `ledger.calls`,
`ledger.failures` and `ledger.requests`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from dqdata.errors import StoreError, TeacherError
from dqdata.ledger.answers import ANSWER, SIZES, padded
from dqdata.ledger.choice import database_of
from dqdata.ledger.database import KEYS, Row
from dqdata.ledger.lookups import Lookups
from dqdata.ledger.rows import CallContext, answer_of, completion_of, failure_of, stored_request
from dqdata.ledger.writer import Write, Writer
from dqdata.place import LedgerPlace
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
    """One ledger. `put`, `find` and `claim` wait without blocking the loop; the other look-ups block, for microseconds
    where it is a file."""

    def __init__(self, place: LedgerPlace, *, read_only: bool = False) -> None:
        self.place = place
        database = database_of(place)
        self._writer = None if read_only else Writer(database)
        self._session = database.open(read_only=read_only)
        self._claims = database.claims(read_only=read_only)
        self._lookups = Lookups(self._answers)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._claims is not None:
            self._claims.close()
        self._session.close()

    def get(self, key: str) -> Completion | None:
        """The answer stored under this key; None where the call was never answered."""
        row = self.answer_row(key)
        return completion_of(key, row) if row is not None else None

    def get_many(self, keys: Iterable[str]) -> dict[str, Completion]:
        """The answers there are, by key."""
        sql = f"select ledger_key, {ANSWER} from calls where ledger_key in {KEYS}"
        found: dict[str, Completion] = {}
        for chunk in _chunks(keys):
            found |= {row[0]: completion_of(row[0], row[1:]) for row in self.rows(sql, (json.dumps(chunk),))}
        return found

    def count_present(self, keys: Iterable[str]) -> int:
        """How many of these different keys are answered."""
        sql = f"select count(*) from calls where ledger_key in {KEYS}"
        return sum(self.rows(sql, (json.dumps(chunk),))[0][0] for chunk in _chunks(dict.fromkeys(keys)))

    def spent(self, pipeline: str | None = None, run_id: str | None = None) -> Spent:
        """What was paid, over all runs or for one pipeline or run."""
        where = "where coalesce(pipeline = ?1, true) and coalesce(run_id = ?2, true)"
        sums = ", ".join(f"cast(coalesce(sum({name}), 0) as bigint)" for name in Spent._fields[1:4])
        sums = f"count(*), {sums}, coalesce(sum(cost_usd), 0.0)"
        calls = self.rows(f"select {sums} from calls {where}", (pipeline, run_id))[0]
        lost = f"select cast(coalesce(sum(tokens), 0) as bigint), coalesce(sum(cost_usd), 0.0) from failures {where}"
        return Spent(*calls, *self.rows(lost, (pipeline, run_id))[0])

    def answer_row(self, key: str) -> Row | None:
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

    async def find(self, key: str) -> Row | None:
        """`answer_row`; look-ups of about the same time share one. Of one event loop at a time."""
        return await (self._lookups.row(key) if self._claims is None else self._claims.find(key))

    def _answers(self, keys: Sequence[str]) -> dict[str, Row]:
        found: dict[str, Row] = {}
        for start in range(0, len(keys), SIZES[0]):
            asked = padded(keys[start : start + SIZES[0]])
            sql = f"select ledger_key, {ANSWER} from calls where ledger_key in ({', '.join('?' * len(asked))})"
            found |= {row[0]: row[1:] for row in self.rows(sql, tuple(asked))}
        return found

    async def claim(self, key: str) -> bool:
        """Whether this process is to ask for the answer: waits as long as another machine asks. False where it is there
        now. Of a file that one machine has, each process may ask."""
        return self._claims is None or await self._claims.claim(key)

    def hold(self, key: str) -> None:
        """The call is in flight already: its claim is this process's."""
        if self._claims is not None:
            self._claims.hold(key)

    def release(self, key: str) -> None:
        """The claim ends: the answer is stored, or nobody waits for it."""
        if self._claims is not None:
            self._claims.release(key)

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
        await self.write(failure_of(key, request, error, who, (attempt, tokens, cost_usd), context))

    async def write(self, write: Write) -> Any:
        """Stores an answer or a failed attempt, or runs a function on the writing connection: on disk on return. An
        answer's result is the row of an earlier one, which stays. What is handed in twice is stored once."""
        if self._writer is None:
            raise StoreError(f"ledger {self.place}: opened read-only, so no call can be recorded")
        return await self._writer.write(write)

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Row]:
        """Of a query in the words that `dqdata.ledger.database` allows. Raises StoreError."""
        return self._session.rows(sql, values)


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for key in keys:
        chunk.append(key)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
