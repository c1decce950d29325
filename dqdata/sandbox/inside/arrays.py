"""Answers that are numpy arrays: an empty one agrees with nothing.

In numpy an array without items is equal and close to any number, and to any row of numbers, since there is nothing to
compare. A candidate that answers so has not computed what the test asks for: comparing raises ValueError here. Two
empty arrays are compared as usual.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable
from typing import Any

COMPARES = frozenset("equal not_equal less less_equal greater greater_equal subtract".split())
NOTHING = "the candidate's array is empty: there is nothing to compare"


def decoded(dtype: str, shape: list[int], raw: str) -> Any:
    """The array of these bytes. Raises ValueError and its like."""
    import numpy

    array = numpy.frombuffer(bytes.fromhex(raw), numpy.dtype(dtype)).reshape(shape).copy()
    if array.dtype.kind == "b":  # a byte that is neither 0 nor 1 would be true and false at once
        array = array.view(numpy.uint8) != 0
    return array if array.size else array.view(_empty())


@functools.cache
def _empty() -> Any:
    import numpy

    class EmptyArray(numpy.ndarray):
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
            least = 0 if ufunc.__name__ in COMPARES else 1  # what only computes may do so with a number
            if any(numpy.ndim(value) >= least and numpy.size(value) for value in inputs):
                raise ValueError(NOTHING)
            plain = [value.view(numpy.ndarray) if isinstance(value, EmptyArray) else value for value in inputs]
            made = getattr(ufunc, method)(*plain, **options)
            return made.view(EmptyArray) if isinstance(made, numpy.ndarray) and not made.size else made

        @property
        def flat(self) -> Any:
            raise ValueError(NOTHING)

    return EmptyArray


def _marking(make: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes arrays: its empty ones agree with nothing."""

    @functools.wraps(make)
    def made(*arguments: Any, **names: Any) -> Any:
        array = make(*arguments, **names)
        return array if array.size else array.view(_empty())

    return made


def guard() -> None:
    """Makes arrays without items that tests make of answers agree with nothing, and numpy's `isclose` and what is built
    on it refuse an empty side beside one that isn't."""
    with contextlib.suppress(ImportError):
        numpy = importlib.import_module("numpy")
        usual = numpy.isclose

        def isclose(a: Any, b: Any, *arguments: Any, **names: Any) -> Any:
            if bool(numpy.size(a)) != bool(numpy.size(b)):
                raise ValueError(NOTHING)
            return usual(a, b, *arguments, **names)

        for name in ("array", "asarray", "asanyarray"):
            setattr(numpy, name, _marking(getattr(numpy, name)))
        for name in ("numpy", "numpy._core.numeric", "numpy.core.numeric"):
            with contextlib.suppress(ImportError, AttributeError):
                setattr(importlib.import_module(name), "isclose", isclose)  # noqa: B010
