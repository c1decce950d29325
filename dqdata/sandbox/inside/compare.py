"""Whether an answer is the expected one, with the tolerance that JSON cases need.

>>> same((1, 2.0000000001), [1, 2], tolerance=1e-6)
True
"""

from __future__ import annotations

import math
from typing import Any


def same(found: Any, expected: Any, tolerance: float) -> bool:
    """Tuples and lists are alike, as JSON knows no tuples; numbers are compared relatively and absolutely.

    `True` isn't 1 here, and text isn't a number. A dict's keys may be text in `expected` where JSON made them so.
    """
    if isinstance(expected, bool) or isinstance(found, bool):
        return isinstance(found, bool) and found is expected
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return _close(found, expected, tolerance)
    if isinstance(expected, list | tuple) and isinstance(found, list | tuple):
        return len(found) == len(expected) and all(
            same(one, other, tolerance) for one, other in zip(found, expected, strict=True)
        )
    if isinstance(expected, dict) and isinstance(found, dict):
        if found.keys() != expected.keys():
            found = {str(key): value for key, value in found.items()}
        return found.keys() == expected.keys() and all(same(found[key], expected[key], tolerance) for key in expected)
    return type(found) is type(expected) and bool(found == expected)


def equal(tolerance: float, found: Any, expected: Any) -> Any:
    """`found == expected`, or values of the same types and lengths in which decimals differ by `tolerance`, relatively;
    from zero, absolutely."""
    verdict = found == expected
    return verdict if verdict is not False else _nearly(found, expected, tolerance)


def _nearly(found: Any, expected: Any, tolerance: float) -> bool:
    kind = type(found)
    if kind is not type(expected):
        return False
    if kind is float:
        return math.isclose(found, expected, rel_tol=tolerance, abs_tol=0.0 if found and expected else tolerance)
    if kind in (list, tuple):
        return len(found) == len(expected) and all(
            _nearly(one, other, tolerance) for one, other in zip(found, expected, strict=True)
        )
    if kind is dict:
        return found.keys() == expected.keys() and all(
            _nearly(found[key], expected[key], tolerance) for key in expected
        )
    return kind in (int, str, bool, bytes, type(None), set, frozenset, complex) and bool(found == expected)


def _close(found: float, expected: float, tolerance: float) -> bool:
    if isinstance(found, int) and isinstance(expected, int):
        return found == expected
    try:
        return math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance) or found == expected
    except OverflowError:
        return False
