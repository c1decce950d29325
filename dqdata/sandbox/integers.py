"""Integers with thousands of digits in programs and tests."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

MOST_DIGITS = 100_000


@contextlib.contextmanager
def long_integers() -> Iterator[None]:
    """Within it, integers of up to MOST_DIGITS digits are read and written. Python's own limit, 4,300, bounds the time
    that a long text costs, and is restored afterwards."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(MOST_DIGITS)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)
