"""verifiers: `traces.jsonl`, episodes with a graph of messages, as its eval writes and its replay reads; and
`tasks.jsonl`, one `TaskData` a line with the reference answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dqdata.chats import Message
from dqdata.exchange.example import Example
from dqdata.exchange.writers import Format, Written
from dqdata.ids import canonical, digest

TRACE_VERSION = 1


def row(example: Example) -> dict[str, Any]:
    return _task(example, example.messages) if example.kind == "prompt" else _episode(example)


def _task(example: Example, prompt: Sequence[Message]) -> dict[str, Any]:
    data: dict[str, Any] = {"name": example.name, "prompt": _messages(prompt)}
    if example.answer is not None:
        data["answer"] = example.answer
    return data


def _episode(example: Example) -> dict[str, Any]:
    first = next(place for place, message in enumerate(example.messages) if message["role"] == "assistant")
    data = _task(example, example.messages[:first])
    key = digest("task", canonical(data))[:32]
    task = {"type": "Task", "data": data, "key": key, "hash": key}
    tools = [tool["function"] for tool in example.tools]
    nodes = [
        {
            "parent": None if place == 0 else place - 1,
            "message": message,
            "sampled": given["role"] == "assistant" and given.get("train") is not False,
            **({"tools": tools} if place == 0 and tools else {}),
        }
        for place, (message, given) in enumerate(zip(_messages(example.messages), example.messages, strict=True))
    ]
    correct = example.extra.get("correct")
    rewards = {} if correct is None else {"correct": {"score": float(bool(correct)), "weight": 1.0}}
    model = str(example.extra.get("teacher") or "")
    trace = {
        "version": TRACE_VERSION,
        "id": digest("trace", example.name)[:32],
        "verifiers": {"version": "0.4.0"},
        "task": task,
        "agent": {"name": "agent", "config": {"model": model} if model else {}},
        "tools": tools,
        "nodes": nodes,
        "rewards": rewards,
        "is_completed": True,
        "ok": True,
    }
    return {"env": {"id": "dqdata"}, "task": task, "traces": [trace], "ok": True}


def _messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for place, message in enumerate(messages):
        one: dict[str, Any] = {"role": message["role"], "content": message.get("content")}
        if message["role"] != "assistant":
            one["content"] = str(one["content"] or "")
        if message.get("reasoning_content"):
            one["reasoning_content"] = message["reasoning_content"]
        if calls := message.get("tool_calls"):
            one["tool_calls"] = [
                {"id": call.get("id") or f"call_{place}_{number}", "type": "function", **call["function"]}
                for number, call in enumerate(calls)
            ]
        if message["role"] == "tool":
            one["tool_call_id"] = message.get("tool_call_id") or _last_call(made)
            if message.get("name"):
                one["name"] = message["name"]
        made.append(one)
    return made


def _last_call(made: Sequence[dict[str, Any]]) -> str:
    """The id of the call that a result without one answers: the first of the last turn's that has no answer yet."""
    taken = {message.get("tool_call_id") for message in made}
    for message in reversed(made):
        for call in message.get("tool_calls") or ():
            if call["id"] not in taken:
                return str(call["id"])
    return "call"


def notes(written: Written) -> Sequence[str]:
    if written.kind == "prompt":
        return ("A taskset's load() yields these lines as its TaskData; `answer` is a field of your own subclass.",)
    return ("Turns with train = false are nodes with sampled = false, which verifiers doesn't train on.",)


FORMAT = Format("verifiers", "verifiers", ("sft", "prompt"), row, notes=notes,
                stems={"sft": "traces", "prompt": "tasks"})  # fmt: skip
