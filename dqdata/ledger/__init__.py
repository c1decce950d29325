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
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from dqdata.errors import StoreError, TeacherError
from dqdata.ids import digest, json_string
from dqdata.ledger.answers import ANSWER, INSERT_FAILURE, INSERT_REQUEST, Answer
from dqdata.ledger.tables import broken, connect
from dqdata.ledger.writer import Write, Writer
from dqdata.masking import masker
from dqdata.teacher import Completion, Message, Request, Sampling, ToolMessage, Usage

__all__ = ["CallContext", "Ledger", "Spent"]

_CHUNK = 5_000
_STORED = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=dict)


@dataclass(frozen=True, slots=True)
class CallContext:
    """Who asks; stored with each call, no part of its key."""

    run_id: str
    pipeline: str
    step: str
    teacher: str


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
        rows = self.rows(f"select {ANSWER} from calls where ledger_key = ?", (key,))
        return _completion(key, rows[0]) if rows else None

    def get_many(self, keys: Iterable[str]) -> dict[str, Completion]:
        """The answers there are, by key."""
        sql = f"select ledger_key, {ANSWER} from calls where ledger_key in (select value from json_each(?))"
        found: dict[str, Completion] = {}
        for chunk in _chunks(keys):
            found |= {row[0]: _completion(row[0], row[1:]) for row in self.rows(sql, (json.dumps(chunk),))}
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
        asked = _request_row(request)
        who = (asked[0], request.draw, request.sample, provider, model, revision)
        usage, at = completion.usage, _now()
        answer = (
            _storable(completion.response),
            None if completion.reasoning is None else _storable(completion.reasoning),
            completion.finish_reason,
            usage.input,
            usage.output,
            usage.cached,
            int(usage.estimated),
            cost_usd,
            completion.seconds,
            completion.model,
            None if completion.logprobs is None else json.dumps(completion.logprobs),
        )
        asker = (context.run_id, context.pipeline, context.step, context.teacher, at)
        calls = _json([dict(call) for call in completion.tool_calls]) if completion.tool_calls else None
        before = await self.write(Answer(asked, (key, *who, *answer, *asker, calls)))
        return _completion(key, before) if before is not None else replace(completion, ledger_key=key)

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
        asked = _request_row(request)
        row = (
            *(key, asked[0], request.draw, request.sample, provider, model, revision),
            *(error.kind, error.reason, error.status, _storable(masker.hide(str(error))), attempt, tokens, cost_usd),
            *(context.run_id, context.pipeline, context.step, context.teacher, _now()),
        )

        def write(con: sqlite3.Connection) -> None:
            con.execute(INSERT_REQUEST.format(f"({', '.join('?' * len(asked))})"), asked)
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


def stored_request(
    messages: str, sampling: str, schema: str | None, draw: str, sample: int, tools: str | None = None
) -> Request:
    """The request that a row of `requests` and one of `calls` stand for: `Request.key` of it is the ledger key."""
    said = json.loads(sampling)
    said["stop"] = tuple(said.get("stop", ()))
    chat = tuple(map(_message, json.loads(messages)))
    wanted = None if schema is None else json.loads(schema)
    return Request(chat, Sampling(**said), draw, sample, wanted, tools=tools or "")


def _message(stored: dict[str, Any]) -> Message:
    role, content = stored.pop("role"), stored.pop("content")
    return ToolMessage(role, content, stored) if stored else Message(role, content)


def _request_row(request: Request) -> tuple[str, str, str, str | None, str | None]:
    sampling, default = request.sampling, Sampling()
    said = {name: getattr(sampling, name) for name in Sampling.__slots__}
    said = {name: value for name, value in said.items() if value != getattr(default, name)}
    chat = (
        f'{{"content": {text}, "role": {json_string(message.role)}{_more(message)}}}'
        for message, text in zip(request.messages, request.json_contents, strict=True)
    )
    texts = (
        _encodable(f"[{', '.join(chat)}]"),
        _json(said),
        None if request.schema is None else _json(request.schema),
    )
    tools = (request.tools,) if request.tools else ()
    return (digest("request", texts[0], texts[1], texts[2] or "", *tools), *texts, request.tools or None)


def _more(message: Message) -> str:
    return f", {_json(message.more)[1:-1]}" if message.more else ""


def _completion(key: str, row: tuple[Any, ...]) -> Completion:
    response, reasoning, finish, used, made, cached, estimated, model, seconds, logprobs, calls = row
    return Completion(
        response=response,
        finish_reason=finish,
        usage=Usage(used, made, cached, bool(estimated)),
        reasoning=reasoning,
        model=model,
        seconds=seconds,
        logprobs=None if logprobs is None else tuple(json.loads(logprobs)),
        tool_calls=() if calls is None else tuple(json.loads(calls)),
        ledger_key=key,
        cached=True,
    )


def _json(value: Any) -> str:
    return _encodable(_STORED.encode(value))


def _encodable(text: str) -> str:
    """The JSON text, written in ASCII where it holds half a surrogate pair, which only an escape can hold."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return json.dumps(json.loads(text), sort_keys=True)
    return text


def _storable(text: str) -> str:
    """The text, with halves of surrogate pairs, which no UTF-8 file can hold, replaced."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for key in keys:
        chunk.append(key)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
