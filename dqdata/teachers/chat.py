"""The chat-completions format that most endpoints and engines share: request bodies and responses.

body = chat.body(request, params)                # {"model": ..., "messages": [...], "temperature": 0.6}
answer = chat.completion(json.loads(text), request, params)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from dqdata.chats import read_chat
from dqdata.errors import DataError, TeacherError
from dqdata.finish_reasons import meaning
from dqdata.ids import canonical, digest, json_string
from dqdata.params import Params
from dqdata.teacher import Completion, Message, Request
from dqdata.teachers import schema
from dqdata.teachers.usage import usage_of
from dqdata.thinking import TAGS, merge

SCHEMA_VIOLATION = "schema_violation"
"""finish_reason of an answer that ended by itself but doesn't satisfy the schema it was asked for."""
_BODY = json.JSONEncoder(ensure_ascii=False)
MOST_CHARS = 5_000_000
"""Characters of one answer, thinking and response together: some million tokens, more than any model writes. Whatever
reads answers takes time that grows with their length, so this bounds how long one holds the event loop."""


Tag = Annotated[str, Field(min_length=1)]


class ReadingParams(Params):
    """How an answer is read, and what bounds it."""

    reasoning_tags: tuple[Tag, Tag] | None = TAGS
    """Tags around thinking in the text of an answer, where the endpoint doesn't tell it apart itself."""
    reasoning_prefilled: bool = False
    """The chat template always opens the tag: an answer without any tag is thinking that was cut short."""
    finished: tuple[str, ...] = ()
    """Values of `finish_reason` that mean a whole answer at this endpoint, beside "stop" and its like. Answers that
    were rejected for such a value are read from the ledger again; no new call is made."""
    context_tokens: int | None = Field(None, ge=1)
    """The model's context window. Bounds an answer without `max_tokens`, which a budget needs to know."""

    @property
    def reading(self) -> list[str]:
        """How answers are read, where that isn't the usual way: the same answers give other rows then."""
        said = self.model_dump(include={"reasoning_tags", "reasoning_prefilled", "finished"}, exclude_defaults=True)
        return [canonical(said)] if said else []


class ChatParams(ReadingParams):
    """What every teacher in this format may say."""

    model: str = Field(min_length=1)
    """As the endpoint calls it."""
    revision: str = ""
    """Distinguishes two models of one name: a release date, a commit. Part of the ledger key."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Goes into every request as it is, such as `{ chat_template_kwargs = { enable_thinking = true } }`."""
    structured: Literal["auto", "json_schema", "instruction"] = "auto"
    """How an answer is made to fit a schema: by the endpoint, by an instruction in the prompt, or by the endpoint until
    it refuses. Checked in every case."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """OpenAI's own reasoning models want `max_completion_tokens`."""

    @property
    def full_revision(self) -> str:
        """The revision, and a hash of `extra_body`, which changes answers as well."""
        extra = digest("extra_body", canonical(self.extra_body))[:12] if self.extra_body else ""
        return "+".join(part for part in (self.revision, extra) if part)


class Reads(Protocol):
    @property
    def reasoning_tags(self) -> tuple[str, str] | None: ...
    @property
    def reasoning_prefilled(self) -> bool: ...
    @property
    def finished(self) -> tuple[str, ...]: ...


def body(request: Request, params: ChatParams, *, instruct: bool = False) -> dict[str, Any]:
    """Body of the request. instruct: ask for the schema in the prompt, not by `response_format`."""
    messages = [{"role": message.role, "content": message.content, **message.more} for message in request.messages]
    if request.schema is not None and instruct:
        messages.append({"role": "system", "content": instruction(request.schema)})
    return {"messages": messages, **_settings(request, params, instruct)}


def encoded(request: Request, params: ChatParams, *, instruct: bool = False) -> bytes:
    """`body` as JSON in UTF-8; halves of surrogate pairs, which it can't hold, become question marks."""
    said = [
        f'{{"role": {json_string(message.role)}, "content": {text}{_more(message)}}}'
        for message, text in zip(request.messages, request.json_contents, strict=True)
    ]
    if request.schema is not None and instruct:
        said.append(f'{{"role": "system", "content": {json_string(instruction(request.schema))}}}')
    settings = _BODY.encode(_settings(request, params, instruct))
    return f'{{"messages": [{", ".join(said)}], {settings[1:]}'.encode("utf-8", "replace")


def _more(message: Message) -> str:
    """The other keys of a message, as they follow its content in JSON."""
    return f", {_BODY.encode(message.more)[1:-1]}" if message.more else ""


def _settings(request: Request, params: ChatParams, instruct: bool) -> dict[str, Any]:
    """Everything of a body but the messages."""
    said: dict[str, Any] = {"model": params.model}
    sampling = request.sampling
    optional = {
        params.max_tokens_field: sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": seed(request),
        "stop": list(sampling.stop) or None,
        "top_logprobs": sampling.top_logprobs,
    }
    said |= {name: value for name, value in optional.items() if value is not None}
    if sampling.top_logprobs is not None:
        said["logprobs"] = True
    if request.tools:
        said["tools"] = json.loads(request.tools)
    if request.schema is not None and not instruct:
        said["response_format"] = response_format(request.schema)
    return {**said, **params.extra_body, **sampling.extra}


def seed(request: Request) -> int | None:
    """The seed of this sample. Samples of one request must differ, or several would be paid for and one be had."""
    given = request.sampling.seed
    if given is None or (request.sample == 0 and not request.draw):
        return given
    return int(digest("seed", str(given), request.draw, str(request.sample))[:8], 16) & 0x7FFFFFFF


def instruction(wanted: Mapping[str, Any]) -> str:
    return (
        "Answer with one JSON value and nothing else: no explanation, no code fence. "
        f"It must satisfy this JSON schema:\n{json.dumps(dict(wanted), ensure_ascii=False)}"
    )


def response_format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Strict where the schema allows it: endpoints refuse `strict` for schemas with optional or unknown properties."""
    closed = wanted.get("additionalProperties") is False
    strict = closed and set(wanted.get("required", ())) == set(wanted.get("properties", {}))
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(wanted), "strict": strict}}


def completion(data: Any, request: Request, params: Reads, seconds: float = 0.0) -> Completion:
    """An endpoint's answer. Raises TeacherError (retryable) where it isn't one, or was interrupted at the endpoint.

    seconds: what it took."""
    try:
        choice = data["choices"][0]
        message = choice["message"]
        content, thinking = _texts(message)
        finish = str(choice.get("finish_reason") or "unknown")
        calls = _calls(message.get("tool_calls"))
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise malformed(f"no choices[0].message in it ({type(error).__name__})") from None
    said = sum(len(call["function"]["arguments"]) for call in calls)
    if len(content) + len(thinking or "") + said > MOST_CHARS:
        raise too_long("the endpoint", f"{MOST_CHARS:,} characters")
    if meaning(finish, params.finished) == "interrupted":
        raise interrupted(finish, content)
    refusal = message.get("refusal")
    if refusal and not content:
        content, finish = str(refusal), "refusal"
    thinking, content = merge(thinking, content, params.reasoning_tags, prefilled=params.reasoning_prefilled)
    if request.schema is not None:
        content, fits = structured(content, request.schema)
        finish = finish if fits or finish not in ("stop", "unknown") else SCHEMA_VIOLATION
    return Completion(
        response=content,
        reasoning=thinking,
        finish_reason=finish,
        usage=usage_of(data.get("usage") or choice.get("usage"), request, (thinking or "") + content),
        model=str(data.get("model") or ""),
        seconds=seconds,
        logprobs=_logprobs(choice.get("logprobs")),
        tool_calls=calls,
    )


def present(stored: Completion, params: Reads) -> Completion:
    """A stored answer as today's table reads it: thinking separated by its tags, `finished` applied."""
    admitted = bool(params.finished) and meaning(stored.finish_reason, params.finished) == "finished"
    thinking, response = merge(
        stored.reasoning, stored.response, params.reasoning_tags, prefilled=params.reasoning_prefilled
    )
    if (thinking, response, admitted) == (stored.reasoning, stored.response, stored.admitted):
        return stored
    return replace(stored, reasoning=thinking, response=response, admitted=admitted)


def interrupted(finish: str, text: str) -> TeacherError:
    """The error of an answer that the endpoint ended because something failed there."""
    shown = f" after {' '.join(text.split())[:200]!r}" if text.strip() else ""
    return TeacherError(
        f"the endpoint broke the answer off: finish_reason {finish!r}{shown}",
        kind="retryable",
        reason="interrupted",
        usage_unknown=True,
    )


def structured(text: str, wanted: Mapping[str, Any]) -> tuple[str, bool]:
    """The JSON of an answer, without a fence around it, and whether it satisfies the schema."""
    bare = text.strip()
    if bare.startswith("```"):
        bare = bare.removeprefix("```json").removeprefix("```").rpartition("```")[0].strip() or bare
    try:
        return bare, schema.problem(wanted, json.loads(bare)) is None
    except (ValueError, RecursionError):
        return text, False


def too_long(where: str, limit: str) -> TeacherError:
    """The error of an answer over a limit: another attempt would give no other, so it fails its row."""
    return TeacherError(
        f"{where} sent an answer of more than {limit}, which is not read: set max_tokens",
        kind="row",
        reason="answer_too_long",
        usage_unknown=True,
    )


def malformed(problem: str) -> TeacherError:
    return TeacherError(
        f"the endpoint's answer can't be read: {problem}", kind="retryable", reason="malformed", usage_unknown=True
    )


def _calls(given: Any) -> tuple[Mapping[str, Any], ...]:
    """The calls of an answer. Raises TeacherError where one can't be read."""
    if not given:
        return ()
    try:
        [message] = read_chat([{"role": "assistant", "content": None, "tool_calls": given}]).messages
    except DataError as error:
        raise malformed(str(error)) from None
    return tuple(message.get("tool_calls", ()))


def _texts(message: Any) -> tuple[str, str | None]:
    """(content, reasoning) of a message: DeepSeek and SGLang name it reasoning_content, vLLM and OpenRouter reasoning,
    Ollama thinking; some send lists of parts."""
    parts = message.get("content")
    content, thought = _from_parts(parts) if isinstance(parts, list) else (parts, "")
    if content is not None and not isinstance(content, str):
        raise TypeError("content")
    thinking: Any = None
    for name in ("reasoning_content", "reasoning", "thinking"):
        thinking = thinking or message.get(name)
    if not thinking and isinstance(message.get("reasoning_details"), list):
        thinking = "".join(_part(part, "text") or _part(part, "summary") for part in message["reasoning_details"])
    thinking = _from_parts(thinking)[0] if isinstance(thinking, list) else thinking
    thinking = thinking or thought
    return _whole(content or ""), _whole(thinking) if isinstance(thinking, str) and thinking else None


def _from_parts(parts: list[Any]) -> tuple[str, str]:
    """(text, thinking) of a list of parts, such as `[{"type": "thinking", "thinking": ...}, {"type": "text", ...}]`."""
    text, thinking = [], []
    for part in parts:
        if isinstance(part, dict) and part.get("type") in ("thinking", "reasoning"):
            thinking.append(_part(part, "thinking") or _part(part, "text"))
        else:
            text.append(_part(part, "text"))
    return "".join(text), "".join(thinking)


def _part(part: Any, name: str) -> str:
    if isinstance(part, str):
        return part
    value = part.get(name) if isinstance(part, dict) else None
    return "".join(_part(one, "text") for one in value) if isinstance(value, list) else str(value or "")


def _whole(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can have and no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _logprobs(said: Any) -> tuple[Any, ...] | None:
    if not isinstance(said, dict) or not isinstance(said.get("content"), list):
        return None
    return tuple(
        {
            "token": one.get("token"),
            "logprob": one.get("logprob"),
            "top": [[other.get("token"), other.get("logprob")] for other in one.get("top_logprobs") or ()],
        }
        for one in said["content"]
    )
