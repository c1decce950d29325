"""Rows of chats in the columns of the vocabulary: what the readers of all layouts have in common."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from dqdata.chats import Chat, Message, bare, calls_apart, read_chat, read_tools, separated, whole
from dqdata.json_text import json_text

Row: TypeAlias = dict[str, Any]

_THOUGHT = re.compile(r"<\|begin_of_thought\|>(.*?)(?:<\|end_of_thought\|>|$)", re.DOTALL)
_SOLUTION = re.compile(r"<\|begin_of_solution\|>(.*?)(?:<\|end_of_solution\|>|$)", re.DOTALL)


def value_of(row: Row, *names: str) -> Any:
    """The first of these columns that isn't null, JSON text as the value."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value[:1] in "[{":
            try:
                return json.loads(value)
            except (ValueError, RecursionError):
                return value
        if value is not None:
            return value
    return None


def text_of(row: Row, *names: str) -> str | None:
    value = next((row[name] for name in names if row.get(name) is not None), None)
    return None if value is None else value if isinstance(value, str) else json_text(value)


def chat_row(chat: Chat, tools: Any, unknown: dict[str, None]) -> Row:
    """The columns that a chat gives: its first question, and thinking and text of its last answer. All are null of a
    row without a chat."""
    unknown.update(dict.fromkeys(chat.unknown))
    messages = [part for message in chat.messages for part in calls_apart(separated(_unmarked(message)))]
    asked = next((one["content"] for one in messages if one["role"] == "user"), None)
    last = messages[-1] if messages and messages[-1]["role"] == "assistant" else {}
    definitions = read_tools(tools)
    return {
        "question": asked,
        "reasoning": last.get("reasoning_content"),
        "response": last.get("content"),
        "messages": [whole(bare(message)) for message in messages] or None,
        "tools": json.dumps(definitions, ensure_ascii=False) if definitions else None,
    }


def _unmarked(message: Message) -> Message:
    """The message with thinking between OpenThoughts' marks in its own key."""
    content = message.get("content")
    if not isinstance(content, str) or "<|begin_of_thought|>" not in content:
        return message
    thought, said = _THOUGHT.search(content), _SOLUTION.search(content)
    rest = said.group(1) if said else _THOUGHT.sub("", content)
    return {**message, "content": rest.strip(), "reasoning_content": thought.group(1).strip() if thought else None}


def chat_in(messages: Any, system: Any) -> Chat:
    """The chat of these messages, after a system message that is beside them, in text or parts. It is empty where the
    row has none."""
    chat = Chat([]) if messages is None else read_chat(messages)
    if not chat.messages or not system or chat.messages[0]["role"] == "system":
        return chat
    parts = isinstance(system, Mapping) and system.get("parts")
    before = read_chat([{"role": "system", "parts": parts} if parts else {"role": "system", "content": system}])
    if not str(before.messages[0]["content"] or "").strip():
        return chat
    return Chat([*before.messages, *chat.messages], (*before.unknown, *chat.unknown))
