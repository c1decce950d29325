r"""Whether a program wrote what it should, give or take blanks between words and the last digits of decimals.

>>> same_output("1 2\n3.0000001\n", "1 2 \n3.0", tolerance=1e-6)
True
>>> same_output("*\n***\n", " *\n***\n", tolerance=1e-6)
False
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_INDENTED = re.compile(r"^[ \t]+(?=\S)", re.MULTILINE)


def same_output(found: str, expected: str, tolerance: float) -> bool:
    """The same words in the same order, a decimal number matching another within `tolerance`, relative or absolute.

    Blanks at the ends of lines and empty lines around the text don't count. Blanks at the beginning of a line do: where
    either text has such, both must have the same lines, each with the same beginning.
    """
    lines, wanted = _lines(found), _lines(expected)
    if lines == wanted:
        return True
    if _INDENTED.search(found) or _INDENTED.search(expected):
        return len(lines) == len(wanted) and all(
            _indent(line) == _indent(other) and _same_words(line.split(), other.split(), tolerance)
            for line, other in zip(lines, wanted, strict=True)
        )
    return _same_words(found.split(), expected.split(), tolerance)


def _lines(text: str) -> list[str]:
    """The lines without blanks at their ends, and without empty ones before and after them."""
    lines = [line.rstrip() for line in text.splitlines()]
    begin = next((at for at, line in enumerate(lines) if line), len(lines))
    end = next((at for at in range(len(lines), begin, -1) if lines[at - 1]), begin)
    return lines[begin:end]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _same_words(words: list[str], wanted: list[str], tolerance: float) -> bool:
    return len(words) == len(wanted) and all(
        word == other or _close(word, other, tolerance) for word, other in zip(words, wanted, strict=True)
    )


def _close(found: str, expected: str, tolerance: float) -> bool:
    """Whole numbers are compared digit by digit, above: only where one has a point may they differ."""
    if not (_NUMBER.fullmatch(found) and _NUMBER.fullmatch(expected)):
        return False
    if not re.search(r"[.eE]", found + expected):
        return False
    one, other = float(found), float(expected)
    if math.isinf(one) or math.isinf(other):  # more digits than a float holds
        return Decimal(found) == Decimal(expected)
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
