"""LLaMA-Factory: `dataset_info.json` and rows in its ShareGPT form.

Its OpenAI form drops the thinking of a turn that calls a tool and adds a sentence to the system message, so it isn't
used. Thinking is between tags in the text; a call is a turn of `function_call`, the calls as JSON after the thinking.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dqdata.chats import Message
from dqdata.errors import DataError
from dqdata.exchange.example import Example
from dqdata.exchange.writers import Format, Written, called, inline, json_line, whole_turns_only

TAGS = {
    "role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt",
    "observation_tag": "observation", "function_tag": "function_call", "system_tag": "system",
}  # fmt: skip
_MARKS = ("<tool_call>", "</tool_call>")
BETWEEN_RESULTS = "\n</tool_response>\n<tool_response>\n"
"""Puts several results of tools into the one turn that the form has for them."""


def row(example: Example) -> dict[str, Any]:
    whole_turns_only(example, "LLaMA-Factory")
    made: dict[str, Any] = {"system": "", "tools": _tools(example)}
    messages = list(example.messages)
    if messages and messages[0]["role"] == "system":
        made["system"] = str(messages.pop(0)["content"] or "")
    if example.kind == "preference":
        made["conversations"] = _turns(messages, example.name)
        for name, turns in (("chosen", example.chosen), ("rejected", example.rejected)):
            if len(turns) != 1:
                raise DataError(f"{example.name}: LLaMA-Factory compares single turns; `{name}` has {len(turns)}")
            made[name] = _turn(turns[0])
        return made
    made["conversations"] = _turns(messages, example.name)
    if len(made["conversations"]) % 2:
        raise DataError(f"{example.name}: LLaMA-Factory's chats end with the assistant")
    if example.kind == "unpaired":
        made["label"] = example.label
    return made


def _tools(example: Example) -> str:
    return json_line([tool["function"] for tool in example.tools]) if example.tools else ""


def _turns(messages: Sequence[Message], name: str) -> list[dict[str, str]]:
    turns: list[dict[str, str]] = []
    for message in messages:
        try:
            one = _turn(message)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        if turns and one["from"] == turns[-1]["from"] == "observation":
            turns[-1]["value"] += BETWEEN_RESULTS + one["value"]
            continue
        expected = ("human", "observation") if len(turns) % 2 == 0 else ("gpt", "function_call")
        if one["from"] not in expected:
            raise DataError(
                f"{name}: LLaMA-Factory's chats take turns between user or tool and assistant; turn {len(turns)} is of "
                f"the {message['role']}"
            )
        turns.append(one)
    return turns


def _turn(message: Message) -> dict[str, str]:
    if message["role"] == "user":
        return {"from": "human", "value": str(message["content"] or "")}
    if message["role"] == "tool":
        return {"from": "observation", "value": str(message["content"] or "")}
    if message["role"] != "assistant":
        return {"from": "system", "value": str(message["content"] or "")}
    calls = called(message)
    if not calls:
        return {"from": "gpt", "value": inline(message)}
    said, text = str(message.get("content") or "").strip(), json_line(calls)
    for mark in _MARKS:
        if mark in said + str(message.get("reasoning_content") or "") or (said and mark in text):
            raise DataError(
                f"LLaMA-Factory would take the {mark!r} in the text of a turn that calls a tool for the call"
            )
    before = inline({**message, "content": f"{said}\n" if said else ""})
    return {"from": "function_call", "value": before + (f"<tool_call>{text}</tool_call>" if said else text)}


def beside(written: Written) -> Mapping[str, str]:
    """`dataset_info.json`: a set per split."""
    columns = {"messages": "conversations", "system": "system", "tools": "tools"}
    if written.kind == "preference":
        columns |= {"chosen": "chosen", "rejected": "rejected"}
    if written.kind == "unpaired":
        columns["kto_tag"] = "label"
    info: dict[str, dict[str, Any]] = {}
    for split, file in written.files.items():
        name = written.name if split == "train" else f"{written.name}_{split}"
        info[name] = {"file_name": file, "formatting": "sharegpt", "columns": columns, "tags": TAGS}
        if written.kind == "preference":
            info[name]["ranking"] = True
    return {"dataset_info.json": json.dumps(info, indent=2, ensure_ascii=False) + "\n"}


def notes(written: Written) -> Sequence[str]:
    return ("Thinking is between <think> tags; leave `mask_history` off, or only the last turn is learnt.",)


FORMAT = Format(
    "llama-factory", "LLaMA-Factory", ("sft", "preference", "unpaired"), row, beside=beside, notes=notes
)  # fmt: skip
