"""Groups out of pairs: which rows are worth comparing, and which hang together when pairs of them are alike.

    >>> components(5, np.array([0, 3]), np.array([1, 1])).tolist()
    [0, 0, 2, 0, 4]

Labels are the smallest member of each group, so neither the order of the pairs nor of the rows in them matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

CROWD = 256
"""A bucket with more rows is not compared pair by pair: each row meets the first and its next `NEIGHBOURS`."""
NEIGHBOURS = 32


def components(size: int, left: I64, right: I64, labels: I64 | None = None) -> I64:
    """Label of each of `size` items under these pairs and, if given, earlier labels.

    The smaller label is hooked on to both ends, then paths are halved, until nothing changes: O(log size) rounds.
    """
    parent: I64 = np.arange(size, dtype=np.int64) if labels is None else labels.copy()
    while True:
        a, b = parent[left], parent[right]
        open_ = a != b
        if not open_.any():
            return parent
        left, right, a, b = left[open_], right[open_], a[open_], b[open_]
        np.minimum.at(parent, np.maximum(a, b), np.minimum(a, b))
        while True:
            shorter = parent[parent]
            if np.array_equal(shorter, parent):
                break
            parent = shorter


def stars(rows: I64, groups: I64, alike: Callable[[I64, I64], npt.NDArray[np.bool_]]) -> I64:
    """Of each row the centre of its star: groups cut up so that each row is like its centre itself.

    `rows` come group after group, the best of each first; `groups` go with them. The first row of a group is a centre
    and takes the rows it is like; then the first of those that are left, until none is.
    """
    centres = rows.copy()
    open_ = np.arange(len(rows))
    while len(open_):
        group = groups[open_]
        firsts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
        best = np.repeat(open_[firsts], np.diff(np.append(firsts, len(open_))))
        taken = open_ == best
        others = np.flatnonzero(~taken)
        taken[others] = alike(rows[best[others]], rows[open_[others]])
        centres[open_[taken]] = rows[best[taken]]
        open_ = open_[~taken]
    return centres


def bucket_pairs(keys: U64, rows: I64) -> Iterator[tuple[I64, I64]]:
    """Pairs of rows that have the same key. `rows` come by rank: which pairs of a crowd are made depends on ranks."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    fresh = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    first = np.flatnonzero(fresh)
    sizes = np.diff(np.concatenate([first, [len(ordered)]]))
    start_of, size_of = np.repeat(first, sizes), np.repeat(sizes, sizes)
    at = np.arange(len(ordered))
    crowded = (size_of > CROWD) & (at > start_of)
    if crowded.any():
        yield rows[order[start_of[crowded]]], rows[order[at[crowded]]]
    step = 1
    live = np.flatnonzero(size_of > 1)
    while len(live):
        live = live[live + step < start_of[live] + size_of[live]]
        near = live if step <= NEIGHBOURS else live[size_of[live] <= CROWD]
        if len(near):
            yield rows[order[near]], rows[order[near + step]]
        live, step = near, step + 1
