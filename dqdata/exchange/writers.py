"""What the writers of formats share: what a format is, and forms of messages that several of them read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dqdata.chats import KEYS, Message, arguments_of
from dqdata.columns import Columns
from dqdata.errors import DataError
from dqdata.exchange.example import Example, Kind
from dqdata.thinking import wrap


@dataclass(frozen=True)
class Written:
    """A data set on disk. files: split to its file's name. rows: by split. kind: what its rows are for.
    tools: whether any chat has definitions of tools."""

    name: str
    kind: Kind
    files: Mapping[str, str]
    rows: Mapping[str, int]
    tools: bool


@dataclass(frozen=True)
class Format:
    """A format of another tool.

    kinds: what its rows can be for. row: an example as a row of its file; raises DataError for what the format cannot
    hold. suffix: of the file, jsonl or parquet. beside: files that the tool wants beside the data, by name. notes: what
    the tool must be set to, and what is converted, in sentences.
    """

    name: str
    tool: str
    kinds: tuple[Kind, ...]
    row: Callable[[Example], dict[str, Any]]
    suffix: str = "jsonl"
    beside: Callable[[Written], Mapping[str, str]] | None = None
    notes: Callable[[Written], Sequence[str]] | None = None
    schema: Callable[[Kind], Columns] | None = None
    typed_tools: bool = False
    """Whether the definitions of tools are values in Parquet, in a column that rows without any lack."""
    stems: Mapping[Kind, str] = field(default_factory=dict)
    """Name of the file where the tool wants one of its own, without its suffix."""


def file_of(form: Format, kind: Kind, split: str) -> str:
    """The name of a split's file."""
    safe = re.sub(r"[^\w.-]+", "_", split).strip(".") or "train"
    stem = form.stems.get(kind)
    name = safe if stem is None else stem if split == "train" else f"{stem}-{safe}"
    return f"{name}.{form.suffix}"


def whole_turns_only(example: Example, tool: str) -> None:
    """Raises DataError where a turn isn't to be learnt, for a tool whose loss covers every turn of the assistant."""
    for turn, message in enumerate(example.messages):
        if message["role"] == "assistant" and message.get("train") is False:
            raise DataError(
                f"{example.name}: turn {turn} has train = false, and {tool} trains on every turn of the assistant: "
                "leave such rows out, or export to ms-swift or axolotl, which have a loss for each turn"
            )


def inline(message: Message) -> str:
    """The content of a turn with its thinking between tags before it."""
    content = str(message.get("content") or "")
    thought = str(message.get("reasoning_content") or "").strip()
    return wrap(thought, content) if thought else content


def called(message: Message) -> list[dict[str, Any]]:
    """The calls of a turn as {name, arguments}, the arguments as values."""
    return [
        {"name": call["function"]["name"], "arguments": arguments_of(call)} for call in message.get("tool_calls") or ()
    ]


def json_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def plain(messages: Sequence[Message], *, values: bool = False) -> list[Message]:
    """Messages as OpenAI has them, with `reasoning_content`. values: arguments of calls as values, not as text."""
    made = []
    for message in messages:
        one = {name: message[name] for name in KEYS if name in message and name != "train"}
        one = {"role": one.pop("role"), "content": one.pop("content", None) or "", **one}
        if values and one.get("tool_calls"):
            one["tool_calls"] = [
                {**call, "function": {**call["function"], "arguments": arguments_of(call)}}
                for call in one["tool_calls"]
            ]
        made.append(one)
    return made
