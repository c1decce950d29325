"""OpenRLHF: JSONL whose columns its `--data.*_key` options name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dqdata.chats import Message
from dqdata.exchange.example import Example
from dqdata.exchange.writers import Format, Written, json_line, plain, whole_turns_only


def row(example: Example) -> dict[str, Any]:
    whole_turns_only(example, "OpenRLHF")
    messages = _with_tools(plain(example.messages), example)
    if example.kind == "sft":
        return {"messages": messages}
    if example.kind == "preference":
        return {
            "prompt": messages,
            "chosen": [*messages, *plain(example.chosen)],
            "rejected": [*messages, *plain(example.rejected)],
        }
    if example.kind == "unpaired":
        return {"input": messages[: example.turn + len(messages) - len(example.messages)], "output": messages[-1:],
                "label": example.label}  # fmt: skip
    return {"input": messages, "label": example.answer}


def _with_tools(messages: list[Message], example: Example) -> list[Message]:
    """The chat with the definitions of tools in its system message: OpenRLHF hands none to the template."""
    if not example.tools:
        return messages
    lines = "\n".join(json_line(tool) for tool in example.tools)
    text = f"# Tools\n\nYou may call these functions:\n<tools>\n{lines}\n</tools>"
    if messages and messages[0]["role"] == "system":
        return [{**messages[0], "content": f"{messages[0]['content']}\n\n{text}"}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


_OPTIONS: Mapping[str, str] = {
    "sft": "--data.input_key messages --data.multiturn --data.apply_chat_template",
    "preference": "--data.chosen_key chosen --data.rejected_key rejected --data.apply_chat_template",
    "unpaired": "--data.input_key input --data.output_key output --data.label_key label --data.apply_chat_template",
    "prompt": "--data.input_key input --data.label_key label --data.apply_chat_template",
}


def notes(written: Written) -> Sequence[str]:
    said = [f"Options: {_OPTIONS[written.kind]}"]
    if written.tools:
        said.append("The definitions of tools are in the system message: OpenRLHF hands none to the chat template.")
    return said


FORMAT = Format("openrlhf", "OpenRLHF", ("sft", "preference", "unpaired", "prompt"), row, notes=notes)
