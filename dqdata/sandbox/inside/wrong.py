"""Wrong values for a control run: of the same type as the right one, and never equal to it.

>>> another([1, 2]) != [1, 2]
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def another(value: Any) -> Any:
    """A value of the same type and shape that differs in every part: an object that equals everything equals it too."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float | complex):
        return value * 3 + _noise() if value == value else float(_noise())
    if isinstance(value, str):
        return f"{value}{_noise()}"
    if isinstance(value, bytes):
        return value + str(_noise()).encode()
    if isinstance(value, list):
        return [another(item) for item in value] or [_noise()]
    if isinstance(value, tuple):
        return tuple(another(item) for item in value) or (_noise(),)
    if isinstance(value, set | frozenset):
        return type(value)(another(item) for item in value) or {_noise()}
    if isinstance(value, dict):
        return {key: another(item) for key, item in value.items()} or {_noise(): _noise()}
    return _noise()


def above(value: Any) -> Any:
    """A number that is larger than any result: a bound that `found > bound` fails."""
    return float("inf") if isinstance(value, int | float) else another(value)


def below(value: Any) -> Any:
    """A number that is smaller than any result."""
    return float("-inf") if isinstance(value, int | float) else another(value)


def _noise() -> int:
    import random

    return random.randrange(1 << 40, 1 << 50)


WRONG: dict[str, Callable[[Any], Any]] = {"__another__": another, "__above__": above, "__below__": below}
