"""Sets of words and of numbers of many texts, compared pair by pair without a Python loop over their members.

    >>> left, right = Sets.of([0, 0, 1], [7, 9, 7], 2), Sets.of([0, 0], [9, 8], 1)
    >>> shared(left, np.array([0, 1]), right, np.array([0, 0])).tolist()
    [1.0, 0.0]

A member is a number below 2^40: a hash cut short (two of a million words collide with a probability of one half), or
a place in a list.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dqdata_operators.lib.texts.shingles import I64, U64

F64 = npt.NDArray[np.float64]
BITS = np.uint64(40)
MEMBER = np.uint64((1 << 40) - 1)
"""Rows are at most 2^24: a piece of a table, or the problems of all benchmarks."""


@dataclass(frozen=True)
class Sets:
    """Set of row i: the low 40 bits of `keys[starts[i]:starts[i + 1]]`; the high bits are i, so keys are sorted."""

    keys: U64
    starts: I64

    @classmethod
    def of(cls, rows: npt.ArrayLike, members: npt.ArrayLike, count: int) -> Sets:
        """From (row, member) pairs in any order, each as often as it likes."""
        tagged = (np.asarray(rows, np.uint64) << BITS) | (np.asarray(members, np.uint64) & MEMBER)
        keys = np.unique(tagged)
        return cls(keys, np.searchsorted(keys, np.arange(count + 1, dtype=np.uint64) << BITS))

    @property
    def members(self) -> U64:
        return self.keys & MEMBER

    @property
    def sizes(self) -> I64:
        return np.diff(self.starts)

    def totals(self, weights: F64) -> F64:
        """Sum of the weights of each row's members; `weights` go with `keys`."""
        return _sums(weights, self.starts)


def shared(left: Sets, rows: I64, right: Sets, others: I64, weights: F64 | None = None) -> F64:
    """Of each pair, how many members both sets have, or the sum of their weights, which go with `right.keys`."""
    counts = right.sizes[others]
    ends = np.concatenate([[0], np.cumsum(counts)])
    places = np.arange(ends[-1]) + np.repeat(right.starts[others] - ends[:-1], counts)
    wanted = (np.repeat(rows.astype(np.uint64), counts) << BITS) | (right.keys[places] & MEMBER)
    at = np.searchsorted(left.keys, wanted)
    held = at < len(left.keys)
    held[held] = left.keys[at[held]] == wanted[held]
    values = held.astype(np.float64) if weights is None else np.where(held, weights[places], 0.0)
    return _sums(values, ends)


def _sums(values: F64, starts: I64) -> F64:
    """Sum of each slice, in order: the same wherever it is."""
    owners = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    sums: F64 = np.bincount(owners, weights=values, minlength=len(starts) - 1).astype(np.float64)
    return sums
