"""The forms in which a chat template may expect a message, and what of a turn its rendering lost.

Templates look for thinking in `reasoning_content`, in `thinking`, or between tags in the content; for the arguments of
a call as values or as text; and for the content of a turn that only calls as "" or as none.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from dqdata.chats import arguments_of, bare, separated
from dqdata.thinking import ANY_TAG, TAGS, pieces, wrap


class Shape(NamedTuple):
    """thinking: the key of the thinking, or "tags" in the content. text: arguments as JSON text. none: no content as
    null, not ""."""

    thinking: Literal["reasoning_content", "thinking", "tags"] = "tags"
    text: bool = False
    none: bool = False


class Located(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def spans(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def turns(self) -> tuple[int, ...]: ...


_KEY_OF_THINKING = re.compile(r"""\.thinking\b|['"]thinking['"]""")


def shapes(tokenizer: Any, messages: Sequence[Mapping[str, Any]]) -> Iterator[Shape]:
    """The forms to try, in order: keys that the template names before tags in the content."""
    template = str(tokenizer.chat_template)
    thinks = [message for message in messages if message.get("role") == "assistant"]
    calls = any(message.get("tool_calls") for message in messages)
    some = any(message.get("reasoning_content") or pieces(str(message.get("content") or ""))[1:] for message in thinks)
    keys: list[Literal["reasoning_content", "thinking", "tags"]] = ["tags"]
    if some and _KEY_OF_THINKING.search(template):
        keys.insert(0, "thinking")
    if some and "reasoning_content" in template:
        keys.insert(0, "reasoning_content")
    for key in keys:
        yield Shape(key)
    if calls:
        for key in keys:
            yield from (Shape(key, text=True), Shape(key, none=True), Shape(key, text=True, none=True))


def shaped(messages: Sequence[Mapping[str, Any]], shape: Shape) -> list[dict[str, Any]]:
    """The messages in this form, without keys that say nothing."""
    return [_shaped(message, shape) for message in messages]


def _shaped(message: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    made = bare(message)
    made.pop("train", None)
    if made["role"] == "assistant":
        if shape.thinking == "tags":
            thought = made.pop("reasoning_content", None)
            if thought:
                made["content"] = wrap(str(thought).strip(), str(made.get("content") or ""))
        else:
            made = separated(made)
            thought = made.pop("reasoning_content", None)
            if thought is not None and (thought or shape.thinking == "reasoning_content"):
                made[shape.thinking] = thought
    if calls := made.get("tool_calls"):
        made["tool_calls"] = [_call(call, text=shape.text) for call in calls]
        if shape.none and not made.get("content"):
            made["content"] = None
    made.setdefault("content", "")
    return made


def _call(call: Mapping[str, Any], *, text: bool) -> dict[str, Any]:
    function = call.get("function") or call
    values: Any = arguments_of(call)
    said = function.get("arguments")
    if text:
        values = said if isinstance(said, str) else json.dumps(values, ensure_ascii=False)
    named = {"id": call["id"]} if call.get("id") else {}
    return {**named, "type": "function", "function": {"name": function["name"], "arguments": values}}


def lost(messages: Sequence[Mapping[str, Any]], rendered: Located, shape: Shape) -> list[str]:
    """What of the turns in `spans` their text doesn't hold, in words; and thinking that is tagged twice."""
    problems = []
    for turn, (start, end) in zip(rendered.turns, rendered.spans, strict=True):
        turn_text = rendered.text[start:end]
        where = "" if turn == len(messages) - 1 else f"turn {turn}: "
        problems += [where + problem for problem in _lost(messages[turn], turn_text, rendered.text[:start], shape)]
    return problems


def _lost(message: Mapping[str, Any], turn_text: str, before: str, shape: Shape) -> Iterator[str]:
    text, at = _squeezed(turn_text), 0
    thought = begin = None
    for thinking, said in _parts(message):
        found = text.find(said, at)
        if found >= 0:
            begin = found if begin is None and not thinking else begin
            at = found + len(said)
            thought = at if thinking else thought
        elif thinking:
            yield (
                "the chat template loses the reasoning (reasoning_content, or the text between <think> and </think>): "
                "the student would never learn to think. Set `chat_template` to a Jinja file that writes it"
            )
        else:
            yield (
                "the assistant's response isn't among the tokens that are trained on: the chat template changes it. "
                "Set `chat_template` to a Jinja file that writes the assistant's content whole"
            )
    if shape.thinking == "tags" and _doubled(message, turn_text, before):
        yield (
            "the chat template writes think tags of its own beside those in the content: the student would learn to "
            "think twice. Set `chat_template` to a Jinja file that writes the assistant's content as it is"
        )
    calls = message.get("tool_calls") or ()
    missing = _lost_call(calls, text[at:])
    if missing and begin is not None and not _lost_call(calls, text[thought or 0 : begin]):
        missing = None  # calls stand before the content, as Gemma writes them
    if missing:
        yield (
            f"the chat template loses the tool call {missing!r} or its arguments: the student would never learn to "
            "call it. Set `chat_template` to a Jinja file that writes `tool_calls`"
        )


def _lost_call(calls: Sequence[Mapping[str, Any]], text: str) -> str | None:
    """The name of the first call that a text without spaces does not hold, in this order."""
    at = 0
    for call in calls:
        name = str((call.get("function") or call)["name"])
        found = text.find(_squeezed(name), at)
        rest = text[found:]
        if found < 0 or not all(any(form in rest for form in forms) for forms in _leaves(arguments_of(call))):
            return name
        at = found + 1
    return None


def _parts(message: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    """(whether it is thinking, its text without spaces) of the parts of a turn, in order."""
    if thought := message.get("reasoning_content"):
        yield True, _squeezed(str(thought))
    for piece in pieces(str(message.get("content") or "")):
        if said := _squeezed(piece.text):
            yield piece.thinking, said


def _doubled(message: Mapping[str, Any], turn_text: str, before: str) -> bool:
    """Whether the turn's text closes more thinking than the message has."""
    own = str(message.get("content") or "") + str(message.get("reasoning_content") or "")
    opening, closing = TAGS
    allowed = own.count(closing) + bool(message.get("reasoning_content"))
    if not allowed:
        return False  # empty tags that a template puts before every answer
    opened = before.rstrip().endswith(opening)
    return turn_text.count(closing) > allowed or (opened and turn_text.lstrip().startswith(opening))


def _leaves(value: Any) -> Iterator[tuple[str, ...]]:
    """For each value in the arguments the texts that a template may write for it, without spaces."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str):
        forms = (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
        twice = json.dumps(forms[2], ensure_ascii=False)[1:-1]
        html = forms[1].replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("'", "\\u0027")
        yield tuple(_squeezed(form) for form in (*forms, twice, html))
    elif value is not None and not isinstance(value, bool):
        yield (_squeezed(json.dumps(value)), _squeezed(str(value)))


def _squeezed(text: str) -> str:
    """The text without spaces and think tags, whose places a template may change."""
    return "".join(unicodedata.normalize("NFKC", re.sub(ANY_TAG, "", text)).split())
