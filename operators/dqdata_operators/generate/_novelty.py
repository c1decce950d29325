"""Near-duplicates of a text among others, by shared runs of words; digits don't count.

    >>> known = Known(["Tom has 3 apples and buys 4 more. How many has he?"])
    >>> known.nearest("Tom has 5 apples and buys 9 more. How many has he?")[0]
    1.0

Similarity is the Jaccard index of three-word runs, case and punctuation aside. An index from run to texts makes one
look-up cost what the text is long, not what is known.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from dqdata.errors import DataError, nearest

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[\u3400-\u9fff\u3040-\u30ff\uac00-\ud7af]|[^\W\d_]+")
RUN = 3


def runs(text: str) -> frozenset[tuple[str, ...]]:
    """Three-word runs of a text, numbers as one word "0"; the whole text where it is shorter."""
    words = ["0" if word[0].isdigit() else word for word in _WORD.findall(text.casefold())]
    if len(words) < RUN:
        return frozenset([tuple(words)]) if words else frozenset()
    return frozenset(zip(*(words[start:] for start in range(RUN)), strict=False))


def similarity(left: str, right: str) -> float:
    """Jaccard index of their runs, 0 to 1."""
    a, b = runs(left), runs(right)
    return len(a & b) / len(a | b) if a or b else 1.0


class Known:
    """Texts to be near to."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts: list[str] = []
        self._sizes: list[int] = []
        self._holding: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for text in texts:
            found = runs(text)
            for run in found:
                self._holding[run].append(len(self._texts))
            self._texts.append(text)
            self._sizes.append(len(found))

    def nearest(self, text: str) -> tuple[float, str]:
        """The greatest similarity, and the text that has it; (0, "") where none shares a run."""
        own = runs(text)
        shared = Counter(number for run in own for number in self._holding.get(run, ()))
        best, which = 0.0, ""
        for number, count in shared.items():
            score = count / (len(own) + self._sizes[number] - count)
            if score > best or (score == best and self._texts[number] < which):
                best, which = score, self._texts[number]
        return best, which


def read_texts(path: Path, column: str) -> list[str]:
    """One column of a Parquet or JSONL file. Raises DataError."""
    import polars as pl

    try:
        frame = pl.scan_parquet(path) if path.suffix == ".parquet" else pl.scan_ndjson(path)
        names = frame.collect_schema().names()
        if column not in names:
            raise DataError(f"{path} has no column {column!r}{nearest(column, names)} (have: {', '.join(names)})")
        return frame.select(column).drop_nulls().collect()[column].cast(pl.String).to_list()
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} can't be read as Parquet or JSONL: {error}") from error
