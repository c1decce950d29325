"""Builds groups from pairs of similar rows.

    >>> components(5, np.array([0, 3]), np.array([1, 1])).tolist()
    [0, 0, 2, 0, 4]

Labels are the smallest member of each group, so neither the order of the pairs nor of the rows in them matters.
Arrays with an entry a row may lie on disk (`on_disk`): what is held in memory is a part of them at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dqdata_operators.lib.texts.shingles import mixed

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

CROWD = 256
"""A bucket with more rows is not compared pair by pair: each row meets the first and its next `NEIGHBOURS`."""
NEIGHBOURS = 32
ROWS = 1 << 18
"""Rows of an array on disk that are looked at at a time."""
SORTING = 128
"""Bytes a row that sorting keys and finding their buckets takes at most."""
PAIRS = 1 << 20
"""Pairs that are gathered before groups are joined."""


def on_disk(folder: Path, name: str, kind: npt.DTypeLike, rows: int) -> npt.NDArray[Any]:
    """An array of zeros in a file of its own: its pages can leave memory at any time."""
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=kind, shape=(max(rows, 1),))[:rows]


def slices(rows: int) -> Iterator[slice]:
    for start in range(0, rows, ROWS):
        yield slice(start, min(start + ROWS, rows))


def parts_for(rows: int, memory: int) -> int:
    """Into how many parts rows are divided, so that each can be sorted within half of `memory`: a power of 2."""
    parts = 1
    while parts < 1 << 16 and rows * SORTING > parts * memory // 2:
        parts *= 2
    return parts


def part_of(keys: U64, parts: int) -> U64:
    """By the highest bits."""
    return keys >> np.uint64(65 - parts.bit_length()) if parts > 1 else np.zeros(len(keys), np.uint64)


def apart(labels: I64) -> None:
    """Each row in a group of its own."""
    for part in slices(len(labels)):
        labels[part] = np.arange(part.start, part.stop)


def join(labels: I64, left: I64, right: I64) -> None:
    """Puts these pairs into one group each, in place. Every label is the smallest member, before and after.

    The smaller label is hooked on to both ends, then paths are halved, until nothing changes: O(log size) rounds.
    """
    while True:
        a, b = labels[left], labels[right]
        open_ = a != b
        if not open_.any():
            return
        left, right, a, b = left[open_], right[open_], a[open_], b[open_]
        np.minimum.at(labels, np.maximum(a, b), np.minimum(a, b))
        while sum(_halved(labels, part) for part in slices(len(labels))):
            pass


def _halved(labels: I64, part: slice) -> bool:
    """Whether a path had to be shortened."""
    mine = labels[part]
    shorter = labels[mine]
    if np.array_equal(shorter, mine):
        return False
    labels[part] = shorter
    return True


def in_rank_order(ranks: U64, wanted: Callable[[slice], Bools], folder: Path, memory: int) -> I64:
    """The rows that are wanted, by rank and then by place; on disk."""
    made = on_disk(folder, "by-rank", np.int64, len(ranks))
    done, parts = 0, parts_for(len(ranks), memory)
    for number in range(parts):
        found = [
            np.flatnonzero((part_of(ranks[part], parts) == number) & wanted(part)) + part.start
            for part in slices(len(ranks))
        ]
        rows = np.concatenate([np.empty(0, np.int64), *found])
        made[done : done + len(rows)] = rows[np.argsort(ranks[rows], kind="stable")]
        done += len(rows)
    return made[:done]


def components(size: int, left: I64, right: I64, labels: I64 | None = None) -> I64:
    """Label of each of `size` items under these pairs and, if given, earlier labels."""
    made: I64 = np.arange(size, dtype=np.int64) if labels is None else np.array(labels)
    join(made, left, right)
    return made


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


def bucket_pairs(keys: U64, rows: I64, memory: int = 1 << 30) -> Iterator[tuple[I64, I64]]:
    """Pairs of rows that have the same key. `rows` come by rank: which pairs of a crowd are made depends on ranks.

    Both may lie on disk. Of many rows the keys are divided by their hash, and each part is sorted alone.
    """
    parts = parts_for(len(keys), memory)
    if parts == 1:
        yield from _pairs(keys, rows)
        return
    for number in range(parts):
        found = [np.flatnonzero(part_of(mixed(keys[part]), parts) == number) + part.start for part in slices(len(keys))]
        mine = np.concatenate(found)
        if len(mine):
            yield from _pairs(keys[mine], rows[mine])


def _pairs(keys: U64, rows: I64) -> Iterator[tuple[I64, I64]]:
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
