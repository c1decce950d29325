"""Chats written as items and channels, as messages: OpenAI's Responses, harmony (gpt-oss) and Gemini.

    >>> as_messages([{"type": "reasoning", "summary": [{"text": "easy"}]}, {"role": "assistant", "content": "4"}])
    [{'role': 'assistant', 'content': '4', 'reasoning_content': 'easy'}]

There, thinking, calls and text of one turn are items of their own, which are one message here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Given: TypeAlias = Mapping[str, Any]

_ITEMS = ("reasoning", "function_call", "custom_tool_call", "function_call_output", "custom_tool_call_output")
_CHANNELS = ("analysis", "commentary", "final")
_NAMESPACE = "functions."


def as_messages(given: Sequence[Any]) -> list[Any]:
    """The messages with these items in them; what is no item stays as it is."""
    made: list[Any] = []
    for one in given:
        if not isinstance(one, Mapping):
            made.append(one)
        elif one.get("parts") is not None and one.get("content") is None:
            made.append(_gemini(one))
        elif (item := _item(one)) is not None:
            _append(made, item)
        elif one.get("role") == "assistant" and (one.get("type") == "message" or (made and _is_open(made[-1]))):
            _append(made, _Open(one))
        else:
            made.append(one)
    return made


class _Open(dict[str, Any]):
    """A turn of the assistant made of items: the next one may belong to it."""


def _is_open(message: Any) -> bool:
    return isinstance(message, _Open) and message.get("content") is None and not message.get("tool_calls")


def _append(made: list[Any], item: Given) -> None:
    """Adds an item: to the last turn where that is the assistant's and this comes after what it holds. Thinking begins
    a turn unless there is nothing but thinking, text one unless there is no text and no call."""
    last = made[-1] if made else None
    thinking, calls = item.get("reasoning_content"), item.get("tool_calls") or ()
    begins = (thinking is not None or item.get("content") is not None) and not _is_open(last)
    if not isinstance(last, _Open) or item.get("role") != "assistant" or begins:
        made.append(item)
        return
    thought = [part for part in (last.get("reasoning_content"), thinking) if part]
    called = [*(last.get("tool_calls") or ()), *calls]
    last.update({name: value for name, value in item.items() if value is not None})
    last.update(
        ({"reasoning_content": "\n\n".join(thought)} if thought else {}) | ({"tool_calls": called} if called else {})
    )


def _item(given: Given) -> Given | None:
    """The message of an item of Responses, or of a message with a channel of harmony; None for any other."""
    if given.get("role") is None and given.get("type") in _ITEMS:
        return _response_item(given)
    if given.get("channel") in _CHANNELS and given.get("role") in ("assistant", "tool"):
        return _harmony(given)
    return None


def _response_item(given: Given) -> Given:
    kind = given["type"]
    if kind == "reasoning":
        # The thinking itself where there is any, else the summary of it.
        text, hidden = _texts(given.get("content") or given.get("summary")), given.get("encrypted_content")
        return _Open(role="assistant", **({"reasoning_content": text} if text else {"encrypted_content": hidden}))
    if kind.endswith("_output"):
        return {"role": "tool", "content": given.get("output"), "tool_call_id": given.get("call_id")}
    said = given.get("arguments") if kind == "function_call" else {"input": given.get("input")}
    call = {"id": given.get("call_id") or given.get("id"), "name": given.get("name"), "arguments": said}
    return _Open(role="assistant", tool_calls=[call])


def _harmony(given: Given) -> Given:
    rest = {name: value for name, value in given.items() if name not in ("channel", "recipient", "content_type")}
    if given["role"] == "tool":
        return {**rest, "name": str(given["name"]).removeprefix(_NAMESPACE)} if given.get("name") else rest
    if given.get("recipient"):
        name = str(given["recipient"]).removeprefix(_NAMESPACE)
        return _Open({**rest, "content": None, "tool_calls": [{"name": name, "arguments": given.get("content")}]})
    if given["channel"] == "analysis" and not given.get("tool_calls"):
        return _Open({**rest, "content": None, "reasoning_content": _texts(given.get("content"))})
    return _Open(rest)


def _texts(value: Any) -> str:
    """The text of a list of parts, each a paragraph."""
    if value is None or isinstance(value, str):
        return value or ""
    return "\n\n".join(str(one.get("text") or "") if isinstance(one, Mapping) else str(one) for one in value)


def _gemini(given: Given) -> Given:
    """The message with Gemini's parts as those of content."""
    parts: list[Any] = []
    for part in given["parts"]:
        part = part if isinstance(part, Mapping) else {"text": part}
        call = part.get("functionCall") or part.get("function_call")
        result = part.get("functionResponse") or part.get("function_response")
        if isinstance(call, Mapping):
            parts.append(
                {"type": "tool_use", "id": call.get("id"), "name": call.get("name"), "input": call.get("args")}
            )
        elif isinstance(result, Mapping):
            known = {"type": "tool_result", "tool_use_id": result.get("id"), "name": result.get("name")}
            parts.append({**known, "content": result.get("response")})
        elif part.get("text") is not None:
            kind = "thinking" if part.get("thought") else "text"
            parts.append({"type": kind, kind: part["text"]})
        else:
            parts.append({"type": next((name for name, value in part.items() if value is not None), "?")})
    return {**{name: value for name, value in given.items() if name != "parts"}, "content": parts}
