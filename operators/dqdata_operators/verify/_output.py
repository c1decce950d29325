r"""Whether a program wrote what it should, give or take white space and the last digits of decimals.

>>> same_output("1 2\n3.0000001\n", "1 2 \n3.0", tolerance=1e-6)
True
"""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?")


def same_output(found: str, expected: str, tolerance: float) -> bool:
    """Lines are compared without blanks at their ends and without empty lines around them; then, where that fails,
    word by word, a decimal number matching another within `tolerance`, relative or absolute."""
    if _lines(found) == _lines(expected):
        return True
    words, wanted = found.split(), expected.split()
    return len(words) == len(wanted) and all(
        word == other or _close(word, other, tolerance) for word, other in zip(words, wanted, strict=True)
    )


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def _close(found: str, expected: str, tolerance: float) -> bool:
    """Whole numbers are compared digit by digit, above: only where one has a point may they differ."""
    if not (_NUMBER.fullmatch(found) and _NUMBER.fullmatch(expected)):
        return False
    if not re.search(r"[.eE]", found + expected):
        return False
    return math.isclose(float(found), float(expected), rel_tol=tolerance, abs_tol=tolerance)
