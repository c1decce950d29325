"""verl: Parquet. SFT rows are `messages`, `tools`, `enable_thinking`; rows for RL are `data_source`, `prompt`,
`ability`, `reward_model`, `extra_info`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dqdata.chats import whole
from dqdata.columns import MESSAGES, Columns
from dqdata.errors import DataError
from dqdata.exchange.example import Example, Kind
from dqdata.exchange.writers import Format, Written, plain, whole_turns_only

_MATHS = "math_dapo"
"""The source whose built-in reward compares the final answer of any mathematical problem."""


def row(example: Example) -> dict[str, Any]:
    if example.kind == "prompt":
        return _problem(example)
    whole_turns_only(example, "verl")
    messages = [{k: v for k, v in whole(message).items() if k != "train"} for message in plain(example.messages)]
    thinks = any(message.get("reasoning_content") for message in example.messages)
    return {"messages": messages, "tools": example.tools, "enable_thinking": thinks}


def _problem(example: Example) -> dict[str, Any]:
    if example.answer is None:
        raise DataError(f"{example.name}: verl's rewards compare with a reference, and `answer` is null")
    extra = example.extra
    kind = str(extra.get("answer_type") or extra.get("domain") or "math")
    return {
        "data_source": _MATHS if kind == "math" else str(extra.get("source") or kind),
        "prompt": [{"role": message["role"], "content": str(message["content"] or "")} for message in example.messages],
        "ability": str(extra.get("domain") or kind),
        "reward_model": {"style": "rule", "ground_truth": example.answer},
        "extra_info": {"split": example.split, "index": example.name, "source": str(extra.get("source") or "")},
    }


def notes(written: Written) -> Sequence[str]:
    if written.kind == "prompt":
        return (
            "`data_source` chooses verl's built-in reward: math_dapo for mathematical answers; another needs "
            "`custom_reward_function`.",
        )
    said = [
        "Set `data.ignore_input_ids_mismatch=True`, and a template that keeps thinking, such as the training templates "
        "of TRL: verl renders each turn alone, and the templates of Qwen3 and others drop the thinking of a turn that "
        "has no question before it."
    ]
    if written.tools:
        said.append("Arguments of calls are JSON text: Parquet has one type for all rows.")
    return said


_CHAT = MESSAGES.replace(", train BOOLEAN", "")
_SFT = Columns({"messages": _CHAT, "enable_thinking": "BOOLEAN"})
_PROBLEMS = Columns(
    {
        "data_source": "VARCHAR",
        "prompt": "STRUCT(role VARCHAR, content VARCHAR)[]",
        "ability": "VARCHAR",
        "reward_model": "STRUCT(style VARCHAR, ground_truth VARCHAR)",
        "extra_info": 'STRUCT(split VARCHAR, "index" VARCHAR, source VARCHAR)',
    }
)


def schema(kind: Kind) -> Columns:
    return _PROBLEMS if kind == "prompt" else _SFT


FORMAT = Format("verl", "verl", ("sft", "prompt"), row, suffix="parquet", schema=schema, notes=notes, typed_tools=True)
