"""ms-swift: `messages` with thinking between tags, calls as turns of `tool_call`, results as turns of `tool_response`.

Its loader removes every other key of a message, `reasoning_content` among them. Turns have a `loss` of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dqdata.chats import Message
from dqdata.exchange.example import Example
from dqdata.exchange.writers import Format, Written, called, inline, json_line


def row(example: Example) -> dict[str, Any]:
    made: dict[str, Any] = {"messages": _turns(example.messages, learnt=example.kind != "prompt")}
    if example.tools:
        made["tools"] = json_line(example.tools)
    if example.kind == "preference":
        made["messages"] += _turns(example.chosen)
        made["rejected_messages"] = _turns(example.messages) + _turns(example.rejected)
    if example.kind == "unpaired":
        made["label"] = example.label
    if example.kind == "prompt" and example.answer is not None:
        made["solution"] = example.answer
    return made


def _turns(messages: Sequence[Message], *, learnt: bool = True) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    mixed = any(message.get("train") is False for message in messages)
    for message in messages:
        loss = {"loss": message.get("train") is not False} if mixed and message["role"] == "assistant" else {}
        if message["role"] == "tool":
            turns.append({"role": "tool_response", "content": str(message["content"] or "")})
            continue
        calls = called(message)
        if content := inline(message):
            turns.append({"role": message["role"], "content": content, **loss})
        turns += [{"role": "tool_call", "content": json_line(call), **loss} for call in calls]
    return turns


def notes(written: Written) -> Sequence[str]:
    said = ["Thinking is between <think> tags: keep `loss_scale` at its default, which trains on every turn."]
    if written.kind == "prompt":
        said.append("GRPO passes the column `solution` to the reward function.")
    return said


FORMAT = Format("ms-swift", "ms-swift", ("sft", "preference", "prompt", "unpaired"), row, notes=notes)
