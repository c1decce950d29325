"""Near duplicates by meaning: rows whose embeddings have a cosine similarity of at least the threshold.

    "How far is it from A to B?" and "What's the distance between A and B?"

Vectors, and all else that grows with the rows, lie on disk. Up to `EXACT_ROWS` rows every pair is compared. Above,
candidates come from random hyperplanes (Charikar 2002): the sides on which a vector lies are cut into bands, and rows
that agree on a whole band are compared, by their true similarity. Bands are chosen so that a pair just at the threshold
is found with a probability of at least `RECALL`. Whether it is found follows from its two vectors alone; in an HNSW
graph it would follow from the order in which all rows were put in. Where hashing costs more than comparing all pairs,
all are compared: that is so for low thresholds, and for embeddings in which all texts are alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dqdata_operators.lib.near.clusters import (
    I64,
    Bools,
    apart,
    bucket_pairs,
    in_rank_order,
    join,
    on_disk,
    part_of,
    parts_for,
    slices,
)
from dqdata_operators.lib.texts.shingles import U64, mixed
from dqdata_operators.lib.vectors import F32
from dqdata_operators.lib.vectors.embedding import Embedder

Search = Literal["auto", "exact", "hashed"]

EXACT_ROWS = 20_000
"""Rows up to which every pair is compared: seconds."""
RECALL = 0.995
"""Least probability that a pair at the threshold becomes a candidate."""
SAMPLE = 1000
"""Rows whose similarities say how many pairs will be compared for nothing."""
SORTING, COMPARING = 20, 50
"""What a row costs in a band beside its products, and a candidate pair, in products of two vectors."""
SLACK = 1e-4
"""Products of blocks are single precision: what comes this near the threshold is computed anew."""
NEAR_PLANE = 1e-5
"""And so is the side of a plane for vectors that almost lie in it."""
ROWS = 1024
"""Vectors whose sides are computed at a time."""
PAIRS = 1 << 14
"""Pairs whose vectors are gathered at a time."""
TEXTS = 8192
"""Texts embedded at a time."""


def vectors(texts: Iterable[pl.Series], rows: int, model: Embedder, folder: Path) -> F32:
    """Unit vectors of all texts, shape (rows, dimensions), on disk."""
    made: F32 = np.empty((0, 1), np.float32)
    done = 0
    pieces = (text[start : start + TEXTS] for text in texts for start in range(0, len(text), TEXTS))
    for piece in pieces:
        part = model.embed(piece)
        if not done:
            made = np.lib.format.open_memmap(
                folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(max(rows, 1), part.shape[1])
            )
        made[done : done + len(part)] = part
        done += len(part)
    return made[:rows]


def groups(
    made: F32,
    ranks: U64,
    threshold: float,
    marks: U64 | None = None,
    among: Bools | None = None,
    *,
    folder: Path,
    search: Search = "auto",
    memory: int = 1 << 30,
) -> I64:
    """Label of each row's group, on disk: the smallest position in it. Rows without a vector are alone, and rows of
    different `marks` are never a pair, nor are rows outside of `among`. `ranks`: a number of each row that goes with
    it, wherever it is in the table."""
    labels: I64 = on_disk(folder, "labels", np.int64, len(made))
    apart(labels)
    full = on_disk(folder, "full", np.bool_, len(made))
    _join_same_vectors(made, labels, full, marks, among, folder, memory)
    first = in_rank_order(
        ranks, lambda part: full[part] & (labels[part] == np.arange(part.start, part.stop)), folder, memory
    )
    plan = hashing(len(first), threshold, np.asarray(made[first[:SAMPLE]]))
    worthwhile = len(first) > EXACT_ROWS and plan.cost < len(first) ** 2 / 2
    if search == "exact" or (search == "auto" and not worthwhile):
        _join_alike(made, labels, _all_pairs(made, first, threshold, memory), threshold, marks)
        return labels
    for keys in _band_keys(made, first, plan, memory):
        _join_alike(made, labels, bucket_pairs(keys, first, memory // 2), threshold, marks)
    return labels


class Hashing(NamedTuple):
    bands: int
    bits: int
    """Planes of a band."""
    cost: float
    """Of the whole search, in products of two vectors."""


def hashing(rows: int, threshold: float, sample: F32) -> Hashing:
    """The cheapest bands that find a pair at the threshold with a probability of RECALL.

    Two vectors lie on the same side of a random plane with probability 1 - angle / pi.
    """
    near = 1 - math.acos(min(threshold, 1 - 1e-9)) / math.pi
    products = (sample @ sample.T)[np.triu_indices(len(sample), 1)].clip(-1, 1)
    together = 1 - np.arccos(products.astype(np.float64)) / math.pi
    plans = []
    for bits in range(8, 64, 4):
        bands = math.ceil(math.log(1 - RECALL) / math.log1p(-(near**bits)))
        share = float((together**bits).mean()) if len(together) else 0.0
        candidates = rows**2 / 2 * share * bands
        plans.append(Hashing(bands, bits, rows * bands * (bits + SORTING) + candidates * COMPARING))
    return min(plans, key=lambda plan: plan.cost)


def cosine(made: F32, left: I64, right: I64) -> npt.NDArray[np.float64]:
    """Similarity of each pair, in double precision: the same in whichever block the rows stood."""
    result = np.zeros(len(left))
    for start in range(0, len(left), PAIRS):
        part = slice(start, start + PAIRS)
        a, b = made[left[part]].astype(np.float64), made[right[part]].astype(np.float64)
        result[part] = (a * b).sum(axis=1)
    return result.clip(-1.0, 1.0)


def _join_alike(made: F32, labels: I64, pairs: Iterable[tuple[I64, I64]], threshold: float, marks: U64 | None) -> None:
    """Joins the groups of those pairs that are alike. Pairs within a group aren't looked at."""
    for left, right in pairs:
        open_ = labels[left] != labels[right]
        if marks is not None:
            open_ &= marks[left] == marks[right]
        left, right = left[open_], right[open_]
        alike = cosine(made, left, right) >= threshold
        if alike.any():
            join(labels, left[alike], right[alike])


def _join_same_vectors(
    made: F32, labels: I64, full: Bools, marks: U64 | None, among: Bools | None, folder: Path, memory: int
) -> None:
    """Joins rows with the very same vector, and marks in `full` which rows have one that isn't zero."""
    sums = on_disk(folder, "sums", np.uint64, len(made))
    salt = mixed(np.arange(1, made.shape[1] + 1, dtype=np.uint64)) << np.uint64(32)
    for start in range(0, len(made), ROWS):
        part = slice(start, min(start + ROWS, len(made)))
        block = np.ascontiguousarray(made[part])
        full[part] = block.any(axis=1) & (True if among is None else among[part])
        sums[part] = mixed(block.view(np.uint32) ^ salt).sum(axis=1)
        if marks is not None:
            sums[part] = mixed(sums[part] ^ marks[part])
    parts = parts_for(len(made), memory)
    for number in range(parts):
        found = [
            np.flatnonzero(full[part] & (part_of(sums[part], parts) == number)) + part.start
            for part in slices(len(made))
        ]
        rows = np.concatenate([np.empty(0, np.int64), *found])
        rows = rows[np.argsort(sums[rows], kind="stable")]
        same = sums[rows[1:]] == sums[rows[:-1]]
        join(labels, rows[1:][same], rows[:-1][same])


def _all_pairs(made: F32, rows: I64, threshold: float, memory: int) -> Iterator[tuple[I64, I64]]:
    """Pairs of rows that may be alike, a block against a block at a time."""
    size = int(min(4096, max(256, math.sqrt(memory / 16), 1)))
    for start in range(0, len(rows), size):
        left = np.asarray(made[rows[start : start + size]])
        for other in range(start, len(rows), size):
            near = left @ np.asarray(made[rows[other : other + size]]).T >= threshold - SLACK
            a, b = np.divmod(np.flatnonzero(near), near.shape[1])
            a, b = a + start, b + other
            yield rows[a[a < b]], rows[b[a < b]]


def _band_keys(made: F32, rows: I64, plan: Hashing, memory: int) -> Iterator[U64]:
    """Of each band the key of every row; as many bands at a time as memory allows."""
    draw = np.random.default_rng(0)
    together = int(min(plan.bands, max(1, memory // 4 // (8 * len(rows)))))
    for first in range(0, plan.bands, together):
        count = min(together, plan.bands - first)
        planes = draw.standard_normal((count * plan.bits, made.shape[1]), np.float32)
        keys = np.empty((count, len(rows)), np.uint64)
        for start in range(0, len(rows), ROWS):
            part = np.asarray(made[rows[start : start + ROWS]])
            keys[:, start : start + len(part)] = _keys(part, planes, plan.bits).T
        yield from keys


def _keys(part: F32, planes: F32, bits: int) -> U64:
    """Shape (rows, bands): the sides of a band's planes as the bits of a number."""
    products = part @ planes.T
    sides = products > 0
    rows, at = np.nonzero(np.abs(products) < NEAR_PLANE)
    sides[rows, at] = (part[rows].astype(np.float64) * planes[at].astype(np.float64)).sum(axis=1) > 0
    packed = np.packbits(sides.reshape(len(part), -1, bits), axis=2)
    keys = np.zeros((*packed.shape[:2], 8), np.uint8)
    keys[:, :, : packed.shape[2]] = packed
    return keys.view(np.uint64)[:, :, 0]
