"""Samples the first rows of a source for the length of its texts, for estimates.

>>> average_tokens(source)
{'question': 46.2, 'answer': 1.3}
"""

from __future__ import annotations

import re
from typing import Any

from dqdata.errors import DqdataError, boundary
from dqdata.source import Source

ROWS = 200
"""Rows of the source that are looked at."""
CHARACTERS = 4
"""Of a token in English prose, on average."""
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Signs of Chinese, Japanese and Korean: about a token each."""


def average_tokens(source: Source[Any]) -> dict[str, float]:
    """Average tokens of each text column over the first rows; empty where no row can be read yet."""
    try:
        with boundary("source", source.kind):
            rows = source.sample(ROWS)
    except DqdataError:
        return {}  # a catalog that is still to be made, or a fault that the run will report with its row
    totals: dict[str, float] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, str):
                totals[name] = totals.get(name, 0) + _tokens(value)
    return {name: total / len(rows) for name, total in totals.items()}


def _tokens(text: str) -> float:
    wide = len(_WIDE.findall(text))
    return wide + (len(text) - wide) / CHARACTERS
