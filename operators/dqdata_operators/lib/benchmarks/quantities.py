"""The numbers in a text, in any notation.

    >>> sorted(numbers("Three quarters of the 1,200 tickets, two dozen of them at $2.50, were sold for 75%."))
    [0.75, 2.5, 24.0, 1200.0]

Numerals, English number words, fractions, percentages (75% is 0.75), dozens and multiples (twice is 2). One is left
out: as a word it is mostly an article. Written for comparing problems: which numbers, not how often.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np
import polars as pl

from dqdata_operators.lib.texts.number_words import SCALES, SMALL

_UNITS = {word: float(value) for word, value in SMALL.items()}
_SCALES = {word: float(scale) for word, scale in SCALES.items()} | {"dozen": 12.0, "dozens": 12.0}
_PARTS = {
    "half": 2,
    "halves": 2,
    "third": 3,
    "thirds": 3,
    "quarter": 4,
    "quarters": 4,
    "fourth": 4,
    "fourths": 4,
    "fifth": 5,
    "fifths": 5,
    "sixth": 6,
    "sixths": 6,
    "eighth": 8,
    "eighths": 8,
    "tenth": 10,
    "tenths": 10,
}
_MULTIPLES = {
    "twice": 2.0,
    "double": 2.0,
    "doubled": 2.0,
    "doubles": 2.0,
    "thrice": 3.0,
    "triple": 3.0,
    "tripled": 3.0,
    "triples": 3.0,
    "quadruple": 4.0,
}
_COMMA = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_POINT = re.compile(r"(?<![\d.])(\d{1,3})\.000(?!\d)")
"""Thousands as German and Spanish write them."""
_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}")
PIECE = r"\d+\s*/\s*\d+|\d*\.\d+|\d+|%|\\%|[a-z]+"
_PIECE = re.compile(PIECE)
_SPEAKING = [*_UNITS, *_SCALES, *_PARTS, *_MULTIPLES, "percent", "and"]
"""Words that mean something here; of others it only matters that they stand between."""


def numbers(text: str) -> frozenset[float]:
    """Distinct values, rounded to six significant digits."""
    plain = _plain(text.lower())
    return _distinct(_values(_PIECE.findall(plain)))


def numbers_of(texts: pl.Series) -> list[frozenset[float]]:
    """`numbers` of each text; words that can't be part of a number are passed over without Python."""
    plain = texts.cast(pl.String).fill_null("").str.to_lowercase()
    special = plain.str.contains(r"\d,\d{3}|frac|\d\.000").arg_true()
    if len(special):
        fixed = [_plain(text) for text in plain.gather(special)]
        plain = plain.scatter(special, fixed)
    pieces = pl.DataFrame({"row": pl.arange(len(plain), eager=True), "piece": plain.str.extract_all(PIECE)})
    speaks = pl.col("piece").is_in(_SPEAKING) | ~pl.col("piece").str.contains("^[a-z]")
    kept = pieces.explode("piece", empty_as_null=False).with_columns(speaks=speaks)
    kept = kept.filter(pl.col("speaks") | pl.col("speaks").shift(1, fill_value=False))
    words, ends = kept["piece"].to_list(), np.searchsorted(kept["row"].to_numpy(), np.arange(len(plain) + 1)).tolist()
    found = (_values(words[start:end]) for start, end in itertools.pairwise(ends))
    return [_distinct(values) for values in found]


def _plain(text: str) -> str:
    return _FRACTION.sub(r" \1/\2 ", _POINT.sub(r"\g<1>000", _COMMA.sub("", text)))


def _distinct(values: Iterator[float]) -> frozenset[float]:
    return frozenset(float(f"{value:.6g}") for value in values) - {1.0}


def _values(pieces: list[str]) -> Iterator[float]:
    at = 0
    while at < len(pieces):
        piece, after = pieces[at], pieces[at + 1] if at + 1 < len(pieces) else ""
        at += 1
        if piece in _MULTIPLES:
            yield _MULTIPLES[piece]
        elif (
            piece in _PARTS and _PARTS[piece] <= 4 and piece not in ("third", "fourth", "quarter", "quarters")
        ) or piece in ("third", "fourth", "quarter", "quarters"):
            yield 1 / _PARTS[piece]
        elif piece[0].isdigit() or piece[0] == ".":
            value = _numeral(piece)
            if after in ("%", "\\%", "percent"):
                value, at = value / 100, at + 1
            elif after in _SCALES:
                value, at = value * _SCALES[after], at + 1
            elif after in _PARTS and value != 1 and piece.isdigit():
                value, at = value / _PARTS[after], at + 1
            yield value
        elif piece in _UNITS or piece in _SCALES:
            value, at = _spelled(pieces, at - 1)
            after = pieces[at] if at < len(pieces) else ""
            if after in _PARTS:
                yield value / _PARTS[after]
                at += 1
            elif after == "percent":
                yield value / 100
                at += 1
            else:
                yield value


def _numeral(piece: str) -> float:
    if "/" not in piece:
        return float(piece)
    over, under = (float(part) for part in piece.split("/"))
    return over / under if under else over


def _spelled(pieces: list[str], at: int) -> tuple[float, int]:
    """(value of the number words from here, where they end): "two hundred and five", "thirty five", "a dozen"."""
    total = part = 0.0
    start = at
    while at < len(pieces):
        piece = pieces[at]
        if piece in _UNITS and not (
            at > start and pieces[at - 1] in _UNITS and not (part % 10 == 0 and 0 < part < 100)
        ):
            part += _UNITS[piece]
        elif piece in _SCALES:
            part = (part or 1.0) * _SCALES[piece]
            if _SCALES[piece] >= 1000:
                total, part = total + part, 0.0
        elif not (
            piece == "and"
            and pieces[at - 1] in ("hundred", "thousand")
            and at + 1 < len(pieces)
            and pieces[at + 1] in _UNITS
        ):
            break
        at += 1
    return total + part, at
