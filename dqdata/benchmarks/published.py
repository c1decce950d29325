"""Scores of models on benchmarks as others published them, with their sources.

>>> published("aime24")[0]
Published(model='DistilQwen-ThoughtX-7B', score=56.7, source='EasyDistill 1.0, ...', note='')
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Published:
    """score: in percent. source: with the edition of the benchmark where it has several. note: what else the source
    says of it, empty where nothing."""

    model: str
    score: float
    source: str
    note: str


def published(benchmark: str) -> list[Published]:
    """In the order of the file; a model may occur twice where its sources disagree."""
    edition = _file()["measured_on"].get(benchmark)
    return [
        Published(
            one["model"],
            float(one[benchmark]),
            f"{one['source']}; {edition}" if edition else one["source"],
            one.get("note", ""),
        )
        for one in _file()["scores"]
        if benchmark in one
    ]


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads((files("dqdata.benchmarks") / "published.toml").read_text(encoding="utf-8"))
