"""Samples the first rows of a source for the length of its texts, for estimates.

>>> Lengths.of(source)
Lengths(mean={'question': 46.2, 'answer': 1.3}, longest={'question': 212.0, 'answer': 4.0})
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from dqdata.errors import DqdataError, boundary
from dqdata.source import Source

ROWS = 200
"""Rows of the source that are looked at."""
CHARACTERS = 4
"""Of a token in English prose, on average."""
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Signs of Chinese, Japanese and Korean: about a token each."""


class Lengths(NamedTuple):
    """Tokens of the texts of each column over the first rows: their mean and the longest. Empty where no row can be
    read yet."""

    mean: Mapping[str, float] = {}
    longest: Mapping[str, float] = {}

    @classmethod
    def of(cls, source: Source[Any]) -> Lengths:
        try:
            with boundary("source", source.kind):
                rows = source.sample(ROWS)
        except DqdataError:
            return cls()  # a catalog that is still to be made, or a fault that the run will report with its row
        totals: dict[str, float] = {}
        longest: dict[str, float] = {}
        for row in rows:
            for name, value in row.items():
                if isinstance(value, str):
                    tokens = tokens_in(value)
                    totals[name] = totals.get(name, 0) + tokens
                    longest[name] = max(longest.get(name, 0.0), tokens)
        return cls({name: total / len(rows) for name, total in totals.items()}, longest)


def tokens_in(text: str) -> float:
    """Tokens of a text, estimated from its characters."""
    wide = len(_WIDE.findall(text))
    return wide + (len(text) - wide) / CHARACTERS
