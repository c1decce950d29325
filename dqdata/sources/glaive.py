"""Chats of tools in one text, as Glaive writes them: SYSTEM, USER, ASSISTANT and FUNCTION RESPONSE before each turn.

    >>> chat_of_text("USER: 2+2?\\n\\nASSISTANT: 4 <|endoftext|>")[0].messages
    [{'role': 'user', 'content': '2+2?'}, {'role': 'assistant', 'content': '4'}]

A call is `<functioncall> {"name": "f", "arguments": '{"a": 1}'}`; the definitions of the tools are JSON in the system
turn. They go into `tools`, and the words that lead to them go, for a template has words of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dqdata.chats import Chat, Message
from dqdata.json_text import json_text

TEXTS = ("system", "sample", "chat")
"""Columns of such texts, in the order in which they follow each other."""
_TURN = re.compile(r"(?:\A|\n)[ \t]*(SYSTEM|USER|ASSISTANT|FUNCTION RESPONSE):[ \t]*")
_ROLES = {"SYSTEM": "system", "USER": "user", "ASSISTANT": "assistant", "FUNCTION RESPONSE": "tool"}
_CALL = "<functioncall>"
_QUOTED = re.compile(r"""\{\s*"name":\s*"([^"]+)",\s*"arguments":\s*'(.*)'\s*\}""", re.DOTALL)


def is_glaive(columns: Collection[str], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the first texts begin with a turn, and one of a user and one of the assistant are in them."""
    for name in ("chat", "sample"):
        text = next((text for row in rows if isinstance(text := row.get(name), str)), "").lstrip()
        if _TURN.match(text) and {"USER", "ASSISTANT"} <= set(_TURN.findall(text)):
            return True
    return False


def chat_of_text(text: str) -> tuple[Chat, list[Any]]:
    """(chat, definitions of tools). A call that can't be read stays in the text, and is named as not understood."""
    found = list(_TURN.finditer(text))
    messages: list[Message] = []
    tools: list[Any] = []
    unknown: dict[str, None] = {}
    if found and (before := text[: found[0].start()].strip()):
        unknown[f"text before the first turn: {before[:40]!r}"] = None
    for place, turn in enumerate(found):
        end = found[place + 1].start() if place + 1 < len(found) else len(text)
        said = text[turn.end() : end].replace("<|endoftext|>", "").strip()
        role = _ROLES[turn.group(1)]
        if role == "system":
            said, definitions = _definitions(said)
            tools += definitions
            if not said:
                continue
        if role == "assistant" and _CALL in said:
            messages.append(_called(said, unknown))
        elif role == "tool":
            name = _last_name(messages)
            messages.append({"role": role, "content": said, **({"name": name} if name else {})})
        else:
            messages.append({"role": role, "content": said})
    return Chat(messages, tuple(unknown)), tools


def _last_name(messages: Sequence[Message]) -> str | None:
    calls = messages[-1].get("tool_calls") if messages else None
    return str(calls[0]["function"]["name"]) if calls and len(calls) == 1 else None


def _definitions(said: str) -> tuple[str, list[Any]]:
    """(text, definitions) of a system turn: objects of JSON with a name, one after the other to its end."""
    start, decoder = said.find("{"), json.JSONDecoder()
    tools, place = [], start
    while 0 <= place < len(said):
        try:
            one, place = decoder.raw_decode(said, place)
        except ValueError:
            return said, []
        if not isinstance(one, Mapping) or not one.get("name"):
            return said, []
        tools.append(one)
        place += len(said[place:]) - len(said[place:].lstrip(" \t\r\n,"))
    if not tools:
        return said, []
    before = said[:start].strip()
    return ("" if before.endswith(("-", ":")) else before), tools


def _called(said: str, unknown: dict[str, None]) -> Message:
    before, *blocks = said.split(_CALL)
    calls = [_call(block.strip()) for block in blocks]
    if any(one is None for one in calls):
        unknown["a <functioncall> that can't be read, left in the text"] = None
        return {"role": "assistant", "content": said}
    return {"role": "assistant", "content": before.strip() or None, "tool_calls": calls}


def _call(text: str) -> dict[str, Any] | None:
    """A call whose arguments are an object, or the text of one, in single quotes where it isn't JSON."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        quoted = _QUOTED.fullmatch(text)
        given = {"name": quoted.group(1), "arguments": quoted.group(2).replace("\\'", "'")} if quoted else None
    if not isinstance(given, Mapping) or not given.get("name"):
        return None
    said = given.get("arguments") or {}
    try:
        said = json.loads(said) if isinstance(said, str) else said
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, Mapping):
        return None
    return {"id": None, "type": "function", "function": {"name": str(given["name"]), "arguments": json_text(said)}}
