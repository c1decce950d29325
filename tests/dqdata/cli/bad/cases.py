"""What a case of bad input is: files, a command, and what the message must name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

PROJECT = """
[teachers.t]
provider = "openai"
base_url = "http://127.0.0.1:9/v1"
model = "m"
max_attempts = 1
patience = 0.1

[pipelines.p]
from = "rows.jsonl"
steps = [ ]
"""
ROWS = '{"question": "What is 1 + 1?", "answer": "2"}\n{"question": "What is 2 + 2?", "answer": "4"}\n'
GOOD = {"pipelines.toml": PROJECT, "rows.jsonl": ROWS}


class Call(NamedTuple):
    """A command, and what must be in its message."""

    arguments: Sequence[str]
    says: Sequence[str]
    code: int = 2


@dataclass(frozen=True)
class Case:
    id: str
    call: Call
    files: Mapping[str, str | bytes] = field(default_factory=lambda: GOOD)
    before: Sequence[Sequence[str]] = ()
    """Commands that must succeed first."""
    environment: Mapping[str, str] = field(default_factory=dict)


def bad(
    id: str,
    arguments: str | Sequence[str],
    *says: str,
    code: int | None = None,
    files: Mapping[str, str | bytes] | None = None,
    toml: str | bytes | None = None,
    rows: str | bytes | None = None,
    before: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Case:
    """files: beside the good project's; toml and rows: instead of its pipelines.toml and rows.jsonl.
    code: by default 2, of `check`, which finds what is wrong, 1."""
    everything = {**GOOD, **(files or {})}
    if toml is not None:
        everything["pipelines.toml"] = toml
    if rows is not None:
        everything["rows.jsonl"] = rows
    words = arguments.split() if isinstance(arguments, str) else arguments
    usual = 1 if words[:1] == ["check"] else 2
    call = Call(words, says, usual if code is None else code)
    return Case(id, call, everything, [line.split() for line in before], environment or {})
