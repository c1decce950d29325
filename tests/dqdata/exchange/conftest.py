"""A catalog of chats as they come in 2026, and the tokens that a student would learn from them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))

TOOL = {
    "type": "function",
    "function": {
        "name": "python",
        "description": "Runs code.",
        "parameters": {"type": "object", "properties": {"code": {"type": "string"}}},
    },
}
SEARCH = {"type": "function", "function": {"name": "search", "description": "", "parameters": {"type": "object"}}}


def call(number: int, name: str = "python", **arguments: Any) -> dict[str, Any]:
    return {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def chats() -> list[dict[str, Any]]:
    """Rows whose chats are each of another kind."""
    user = {"role": "user", "content": "What is 6 × 7?"}
    final = {"role": "assistant", "content": "It is **42**.", "reasoning_content": "The tool says 42.\nDone."}
    code = 'def f(x):\n    return "<b>" + x  # "quoted" \\ é 数\nprint(f("a"))'
    result = {"role": "tool", "content": "42\n", "tool_call_id": "c1", "name": "python"}
    ran = {"role": "assistant", "content": None, "reasoning_content": "I run it.", "tool_calls": [call(1, code=code)]}
    both = {**ran, "tool_calls": [call(1, code="1"), call(2, "search", query="six", top=3, deep={"a": [1, 2.5, None]})]}
    second = {"role": "tool", "content": "found", "tool_call_id": "c2", "name": "search"}
    system = {"role": "system", "content": "You are exact."}
    again = {"role": "user", "content": "And 7 × 8?"}
    other = {"role": "assistant", "content": "56", "reasoning_content": "Seven eights."}
    spoken = {**ran, "content": "Let me compute that."}
    found = [
        ("plain", [user, {"role": "assistant", "content": "42"}], None),
        ("thinking", [system, user, final], None),
        ("tool", [user, ran, result, final], [TOOL]),
        ("parallel", [system, user, both, result, second, final], [TOOL, SEARCH]),
        ("two steps", [user, ran, result, {**ran, "tool_calls": [call(3, code="x")]}, result, final], [TOOL]),
        ("turns", [user, final, again, other], None),
        ("spoken", [user, spoken, result, final], [TOOL]),
    ]
    return [
        {"trace_id": name, "answer": "42", "messages": messages, **({"tools": json.dumps(tools)} if tools else {})}
        for name, messages, tools in found
    ]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose catalog `chats` has these rows."""
    from dqdata.cli import main

    folder = tmp_path_factory.mktemp("chats")
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in chats())
    (folder / "chats.jsonl").write_text(lines, encoding="utf-8")
    options = ["--layout", "openai", "--store", str(folder / "cat"), "-q", "--json"]
    assert main(["import", str(folder / "chats.jsonl"), "--into", "chats", *options]) == 0
    return folder / "cat"


def trained(messages: Any, tools: Any, name: str = "qwen3") -> list[tuple[int, ...]]:
    """The tokens under the loss of each training row of a chat."""
    from templates import tokenizer_with

    from dqdata.models import IGNORED, tokenize_turns

    rows = tokenize_turns(tokenizer_with(name), messages, None, tools)
    return [tuple(label for label in row.labels if label != IGNORED) for row in rows]
