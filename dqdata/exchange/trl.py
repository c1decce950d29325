"""TRL: conversational rows of each of its types, with `tools`. Messages keep `reasoning_content` and `tool_calls`; the
student's chat template renders them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dqdata.exchange.example import Example
from dqdata.exchange.writers import Format, Written, json_line, plain, whole_turns_only


def row(example: Example) -> dict[str, Any]:
    whole_turns_only(example, "TRL")
    tools = {"tools": json_line(example.tools)} if example.tools else {}
    if example.kind == "sft":
        return {"messages": plain(example.messages, values=True), **tools}
    if example.kind == "preference":
        return {
            "prompt": plain(example.messages, values=True),
            "chosen": plain(example.chosen, values=True),
            "rejected": plain(example.rejected, values=True),
            **tools,
        }
    if example.kind == "unpaired":
        turn = example.turn
        return {
            "prompt": plain(example.messages[:turn], values=True),
            "completion": plain(example.messages[turn:], values=True),
            "label": example.label,
            **tools,
        }
    answer = {"answer": example.answer} if example.answer is not None else {}
    return {"prompt": plain(example.messages, values=True), **answer, **tools}


def notes(written: Written) -> Sequence[str]:
    said = []
    if written.kind == "sft":
        said.append(
            "Set assistant_only_loss = True with a template that has generation markers (trl.chat_template_utils."
            "get_training_chat_template gives them), or the loss covers the user's turns too."
        )
    if written.tools:
        said.append("Arguments of calls are objects of any shape, `tools` is JSON text: load the file as JSON.")
    return said


FORMAT = Format("trl", "TRL", ("sft", "preference", "prompt", "unpaired"), row, notes=notes)
