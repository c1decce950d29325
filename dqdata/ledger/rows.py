"""Rows of the ledger's tables from requests, answers and failures, and back: plain values that any process may send."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dqdata.errors import TeacherError
from dqdata.ids import digest, json_string
from dqdata.ledger.answers import Answer, Failure
from dqdata.masking import masker
from dqdata.teacher import Completion, Message, Request, Sampling, ToolMessage, Usage

_STORED = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=dict)

_USUAL = tuple((name, getattr(Sampling(), name)) for name in Sampling.__slots__)


@dataclass(frozen=True, slots=True)
class CallContext:
    """Who asks; stored with each call, no part of its key."""

    run_id: str
    pipeline: str
    step: str
    teacher: str


def answer_of(
    key: str,
    request: Request,
    completion: Completion,
    who: tuple[str, str, str],
    cost_usd: float,
    context: CallContext,
) -> Answer:
    """The rows of an answered call. who: provider, model, revision."""
    asked = _request_row(request)
    usage = completion.usage
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
    asker = (context.run_id, context.pipeline, context.step, context.teacher, _now())
    calls = _json([dict(call) for call in completion.tool_calls]) if completion.tool_calls else None
    return Answer(asked, (key, asked[0], request.draw, request.sample, *who, *answer, *asker, calls))


def failure_of(
    key: str,
    request: Request,
    error: TeacherError,
    who: tuple[str, str, str],
    charged: tuple[int, int, float],
    context: CallContext,
) -> Failure:
    """The rows of a failed attempt. charged: its number, and tokens and USD at worst."""
    asked = _request_row(request)
    row = (
        *(key, asked[0], request.draw, request.sample, *who),
        *(error.kind, error.reason, error.status, _storable(masker.hide(str(error))), *charged),
        *(context.run_id, context.pipeline, context.step, context.teacher, _now()),
    )
    return Failure(asked, row)


def stored_request(
    messages: str, sampling: str, schema: str | None, draw: str, sample: int, tools: str | None = None
) -> Request:
    """The request that a row of `requests` and one of `calls` represent: `Request.key` of it is the ledger key. Raises
    ValueError for texts that no request was stored as."""
    try:
        said = json.loads(sampling)
        said["stop"] = tuple(said.get("stop", ()))
        chat = tuple(map(_message, json.loads(messages)))
        wanted = None if schema is None else json.loads(schema)
        return Request(chat, Sampling(**said), draw, sample, wanted, tools=tools or "")
    except _NOT_STORED_SO as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


_NOT_STORED_SO = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What a damaged text raises where it is read as JSON of another shape."""


def _message(stored: dict[str, Any]) -> Message:
    role, content = stored.pop("role"), stored.pop("content")
    return ToolMessage(role, content, stored) if stored else Message(role, content)


def _request_row(request: Request) -> tuple[str, str, str, str | None, str | None]:
    sampling = request.sampling
    said = {name: value for name, usual in _USUAL if (value := getattr(sampling, name)) != usual}
    chat = [
        f'{{"content": {text}, "role": {json_string(message.role)}{_more(message)}}}'
        for message, text in zip(request.messages, request.json_contents, strict=True)
    ]
    texts = (
        _encodable(f"[{', '.join(chat)}]"),
        _json(said),
        None if request.schema is None else _json(request.schema),
    )
    tools = (request.tools,) if request.tools else ()
    return (digest("request", texts[0], texts[1], texts[2] or "", *tools), *texts, request.tools or None)


def _more(message: Message) -> str:
    return f", {_json(message.more)[1:-1]}" if message.more else ""


def completion_of(key: str, row: tuple[Any, ...]) -> Completion:
    """The answer that the columns `ANSWER` hold. Raises ValueError for columns that no answer was stored as."""
    response, reasoning, finish, used, made, cached, estimated, model, seconds, logprobs, calls = row
    try:
        tokens = None if logprobs is None else tuple(json.loads(logprobs))
        tool_calls = () if calls is None else tuple(json.loads(calls))
    except _NOT_STORED_SO as error:
        raise ValueError(f"its answer in the ledger can't be read ({type(error).__name__}: {error})") from error
    return Completion(
        response=response,
        finish_reason=finish,
        usage=Usage(used, made, cached, bool(estimated)),
        reasoning=reasoning,
        model=model,
        seconds=seconds,
        logprobs=tokens,
        tool_calls=tool_calls,
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
    return datetime.now(UTC).isoformat(" ", "microseconds")[:26]  # without the zone, which is always UTC
