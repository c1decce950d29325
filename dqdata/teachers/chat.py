"""The chat-completions format that most endpoints and engines share: a request's body, and what an answer means.

body = chat.body(request, params)                # {"model": ..., "messages": [...], "temperature": 0.6}
answer = chat.completion(json.loads(text), request, params)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, Protocol

from pydantic import Field

from dqdata.errors import TeacherError
from dqdata.ids import canonical, digest, json_string
from dqdata.params import Params
from dqdata.teacher import Completion, Request, Usage
from dqdata.teachers import reasoning, schema

SCHEMA_VIOLATION = "schema_violation"
"""finish_reason of an answer that ended by itself but doesn't satisfy the schema it was asked for."""


class ThinkingParams(Params):
    """How thinking is told from the answer, and what bounds both."""

    reasoning_tags: tuple[str, str] | None = ("<think>", "</think>")
    """Tags around thinking in the text of an answer, where the endpoint doesn't tell it apart itself."""
    reasoning_prefilled: bool = False
    """The chat template always opens the tag: an answer without any tag is thinking that was cut short."""
    context_tokens: int | None = Field(None, ge=1)
    """The model's context window. Bounds an answer without `max_tokens`, which a budget needs to know."""

    @property
    def reading(self) -> list[str]:
        """How answers are read, where that isn't the usual way: other tags give other rows from the same answers."""
        said = self.model_dump(include={"reasoning_tags", "reasoning_prefilled"}, exclude_defaults=True)
        return [canonical(said)] if said else []


class ChatParams(ThinkingParams):
    """What every teacher in this format may say."""

    model: str = Field(min_length=1)
    """As the endpoint calls it."""
    revision: str = ""
    """Tells two models of one name apart: a release date, a commit. Part of the ledger key."""
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


class Thinks(Protocol):
    @property
    def reasoning_tags(self) -> tuple[str, str] | None: ...
    @property
    def reasoning_prefilled(self) -> bool: ...


def body(request: Request, params: ChatParams, *, instruct: bool = False) -> dict[str, Any]:
    """Body of the request. instruct: ask for the schema in the prompt, not by `response_format`."""
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    if request.schema is not None and instruct:
        messages.append({"role": "system", "content": instruction(request.schema)})
    return {"messages": messages, **_settings(request, params, instruct)}


def encoded(request: Request, params: ChatParams, *, instruct: bool = False) -> bytes:
    """`body` as JSON in UTF-8; halves of surrogate pairs, which it can't hold, become question marks."""
    said = [
        f'{{"role": {json_string(message.role)}, "content": {text}}}'
        for message, text in zip(request.messages, request.json_contents, strict=True)
    ]
    if request.schema is not None and instruct:
        said.append(f'{{"role": "system", "content": {json_string(instruction(request.schema))}}}')
    settings = json.dumps(_settings(request, params, instruct), ensure_ascii=False)
    return f'{{"messages": [{", ".join(said)}], {settings[1:]}'.encode("utf-8", "replace")


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


def completion(data: Any, request: Request, params: Thinks) -> Completion:
    """An endpoint's answer. Raises TeacherError (retryable) where it isn't one."""
    try:
        choice = data["choices"][0]
        message = choice["message"]
        content, thinking = _texts(message)
        finish = str(choice.get("finish_reason") or "unknown")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise malformed(f"no choices[0].message in it ({type(error).__name__})") from None
    refusal = message.get("refusal")
    if refusal and not content:
        content, finish = str(refusal), "refusal"
    if thinking is None:
        thinking, content = reasoning.split(content, params.reasoning_tags, prefilled=params.reasoning_prefilled)
    if request.schema is not None:
        content, fits = structured(content, request.schema)
        finish = finish if fits or finish not in ("stop", "unknown") else SCHEMA_VIOLATION
    return Completion(
        response=content,
        reasoning=thinking,
        finish_reason=finish,
        usage=_usage(data.get("usage"), request, (thinking or "") + content),
        model=str(data.get("model") or ""),
        logprobs=_logprobs(choice.get("logprobs")),
    )


def present(stored: Completion, params: Thinks) -> Completion:
    """A stored answer with its thinking split off by today's tags, if it wasn't split when it was asked."""
    if stored.reasoning is not None:
        return stored
    thinking, response = reasoning.split(stored.response, params.reasoning_tags, prefilled=params.reasoning_prefilled)
    if thinking is None:
        return stored
    return replace(stored, reasoning=thinking, response=response)


def structured(text: str, wanted: Mapping[str, Any]) -> tuple[str, bool]:
    """The JSON of an answer, without a fence around it, and whether it satisfies the schema."""
    bare = text.strip()
    if bare.startswith("```"):
        bare = bare.removeprefix("```json").removeprefix("```").rpartition("```")[0].strip() or bare
    try:
        return bare, schema.problem(wanted, json.loads(bare)) is None
    except ValueError:
        return text, False


def malformed(problem: str) -> TeacherError:
    return TeacherError(
        f"the endpoint's answer can't be read: {problem}", kind="retryable", reason="malformed", usage_unknown=True
    )


def _texts(message: Any) -> tuple[str, str | None]:
    """(content, reasoning) of a message: DeepSeek and SGLang say reasoning_content, vLLM and OpenRouter reasoning;
    some send a list of parts."""
    thinking = message.get("reasoning_content") or message.get("reasoning")
    content = message.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        thought = "".join(_part(part.get("thinking")) for part in parts if part.get("type") == "thinking")
        thinking = thinking or thought or None
        content = "".join(str(part.get("text") or "") for part in parts if part.get("type") != "thinking")
    if content is not None and not isinstance(content, str):
        raise TypeError("content")
    return _whole(content or ""), _whole(thinking) if isinstance(thinking, str) and thinking else None


def _part(thinking: Any) -> str:
    if isinstance(thinking, list):
        return "".join(str(part.get("text") or "") for part in thinking if isinstance(part, dict))
    return str(thinking or "")


def _whole(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can carry and no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _usage(said: Any, request: Request, text: str) -> Usage:
    """Tokens as counted, or a guess of four characters each where nothing was said."""
    if isinstance(said, dict) and isinstance(said.get("prompt_tokens"), int):
        details = said.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else said.get("prompt_cache_hit_tokens")
        return Usage(said["prompt_tokens"], int(said.get("completion_tokens") or 0), int(cached or 0))
    asked = sum(len(message.content) // 4 + 4 for message in request.messages)
    return Usage(asked, max(1, len(text) // 4), 0, True)


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
