"""axolotl: JSONL and the `datasets` part of its configuration, type chat_template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dqdata.exchange.example import Example
from dqdata.exchange.writers import Format, Written, json_line, plain


def row(example: Example) -> dict[str, Any]:
    tools = {"tools": json_line(example.tools)} if example.tools else {}
    if example.kind == "preference":
        return {
            "messages": plain(example.messages), "chosen": plain(example.chosen)[-1],
            "rejected": plain(example.rejected)[-1], **tools,
        }  # fmt: skip
    messages = plain(example.messages)
    for made, message in zip(messages, example.messages, strict=True):
        if message["role"] == "assistant":
            made["train"] = message.get("train") is not False
    return {"messages": messages, **tools}


def beside(written: Written) -> Mapping[str, str]:
    """axolotl.yaml: the sets with their mapping."""
    lines = ["datasets:" if written.kind == "sft" else "rl: dpo\ndatasets:"]
    for split, file in written.files.items():
        lines += [
            f"  - path: {file}",
            "    ds_type: json",
            f"    split: {split if len(written.files) > 1 else 'train'}",
        ]
        lines += ["    type: chat_template" if written.kind == "sft" else "    type: chat_template.default"]
        lines += ["    field_messages: messages", "    message_property_mappings:", "      role: role"]
        lines += ["      content: content"]
        if written.tools:
            lines += ["    field_tools: tools"]
        if written.kind == "sft":
            lines += ["    roles_to_train: [assistant]", "    message_field_training: train", "    train_on_eos: turn"]
        else:
            lines += ["    field_chosen: chosen", "    field_rejected: rejected"]
    return {"axolotl.yaml": "\n".join(lines) + "\n"}


FORMAT = Format("axolotl", "axolotl", ("sft", "preference"), row, beside=beside)
