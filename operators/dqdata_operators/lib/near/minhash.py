"""Near duplicates by words: rows whose sets of word n-grams have a Jaccard similarity of at least the threshold.

    "Tom has 3 red apples and eats one. How many are left?"
    "Tom has 3 red apples and eats one. How many apples are left?"    5 n-grams of 3 words in 13 differ: 0.62

MinHash signatures (Broder 1997) are cut into bands; rows that agree on a whole band are candidates, and what decides is
the true similarity of each pair of candidates. Bands are chosen so that a pair just at the threshold is found with a
probability of at least `RECALL`. Rows with the same n-grams are one before anything is compared.

Signatures, n-grams and all else that grows with the rows lie on disk; rows are sorted in parts that `memory` allows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from dqdata.operator import Spread
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
from dqdata_operators.lib.near.clusters import PAIRS as JOINED
from dqdata_operators.lib.texts.shingles import U32, U64, Shingles, mixed, shingles

RECALL = 0.995
"""Least probability that a pair at the threshold becomes a candidate."""

BLOCK = 1 << 17
"""Hashes permuted at a time: they stay in the processor's cache."""

PIECE = 1 << 14
"""Rows hashed by a thread at a time."""

PAIRS = 1 << 20
"""Elements of candidate sets compared at a time."""


@dataclass(frozen=True)
class Signatures:
    """What is kept on disk of the rows: band hashes, one array a band, and n-grams row after row."""

    folder: Path
    bands: U64
    hashes: U32
    starts: I64

    @property
    def rows(self) -> int:
        return len(self.starts) - 1

    def sizes(self, rows: I64) -> I64:
        """Distinct n-grams of each of these rows."""
        return self.starts[rows + 1] - self.starts[rows]


def bands_for(threshold: float, num_perm: int) -> tuple[int, int]:
    """(bands, rows a band): the longest bands that find a pair at the threshold with probability RECALL."""
    for length in range(num_perm, 0, -1):
        count = num_perm // length
        if 1 - (1 - threshold**length) ** count >= RECALL:
            return count, length
    return num_perm, 1


def sign(
    frames: Iterable[pl.Series],
    rows: int,
    n: int,
    threshold: float,
    num_perm: int,
    folder: Path,
    flat: bool = False,
) -> Signatures:
    """Signatures of `rows` texts that come in pieces. Texts without words match nothing: their bands are 0. flat: see
    `shingles.plain`."""
    count, length = bands_for(threshold, num_perm)
    bands = np.lib.format.open_memmap(folder / "bands.npy", mode="w+", dtype=np.uint64, shape=(count, max(rows, 1)))
    starts = on_disk(folder, "starts", np.int64, rows + 1)
    done = size = 0
    with (folder / "ngrams.bin").open("wb") as file, ThreadPoolExecutor(os.cpu_count()) as threads:
        pieces = (text[at : at + PIECE] for text in frames for at in range(0, len(text), PIECE))
        for made, keys in _ahead(threads, pieces, partial(_signed, n=n, count=count, length=length, flat=flat)):
            more = len(made.starts) - 1
            bands[:, done : done + more] = keys
            starts[done + 1 : done + more + 1] = size + made.starts[1:]
            file.write(made.hashes.tobytes())
            done, size = done + more, size + len(made.hashes)
    hashes = np.memmap(folder / "ngrams.bin", np.uint32, mode="r") if size else np.empty(0, np.uint32)
    return Signatures(folder, bands[:, :rows], hashes, starts)


def groups(
    made: Signatures,
    ranks: U64,
    threshold: float,
    marks: U64 | None = None,
    memory: int = 1 << 30,
    among: Bools | None = None,
    spread: Spread | None = None,
) -> I64:
    """Label of each row's group, on disk. `ranks`: a number of each row that goes with it, wherever it is in the
    table; rows of different `marks` are never a pair, nor are rows outside of `among`. `memory`: bytes that sorting may
    take. `spread`: bands are searched on several machines, and their pairs joined in one process: the labels are the
    same."""
    labels: I64 = on_disk(made.folder, "labels", np.int64, made.rows)
    apart(labels)
    _join_same_sets(made, labels, marks, memory, among)
    starts = made.starts
    first = in_rank_order(
        ranks,
        lambda part: (
            (labels[part] == np.arange(part.start, part.stop))
            & (starts[part] < starts[part.start + 1 : part.stop + 1])
            & (True if among is None else among[part])
        ),
        made.folder,
        memory,
    )
    if spread is not None:
        joined = Joined(made.folder / "labels.npy", made.rows)
        for _ in spread(band_pairs, _bands_to_search(made, first, threshold, marks, memory), joined):
            pass
        return labels
    keys = on_disk(made.folder, "keys", np.uint64, len(first))
    for band in made.bands:
        for part in slices(len(first)):
            keys[part] = band[first[part]]
        found: list[tuple[I64, I64]] = []
        for left, right in bucket_pairs(keys, first, memory):
            open_ = labels[left] != labels[right]
            if marks is not None:
                open_ &= marks[left] == marks[right]
            left, right = left[open_], right[open_]
            alike = jaccard(made, left, right) >= threshold
            found.append((left[alike], right[alike]))
            if sum(len(left) for left, _ in found) > JOINED:
                _join(labels, found)
        _join(labels, found)
    return labels


@dataclass(frozen=True)
class Band:
    """One band of the signatures in a folder, to be searched among the rows of `by-rank`. marked: whether rows have
    marks there."""

    folder: Path
    number: int
    threshold: float
    marked: bool
    memory: int


@dataclass(frozen=True)
class Joined:
    """Joins the pairs of bands, one band after the other, into the labels in a file. Of one process at a time."""

    file: Path
    rows: int

    def __call__(self, pairs: tuple[I64, I64]) -> None:
        labels: I64 = np.load(self.file, mmap_mode="r+")[: self.rows]
        join(labels, *pairs)


def _bands_to_search(made: Signatures, first: I64, threshold: float, marks: U64 | None, memory: int) -> list[Band]:
    """Everything that a band needs is written to the folder of the signatures."""
    np.save(made.folder / "to-search.npy", first)
    if marks is not None:
        np.save(made.folder / "to-search-marks.npy", marks)
    bands = [Band(made.folder, number, threshold, marks is not None, memory) for number in range(len(made.bands))]
    for array in (made.bands, made.starts):
        if isinstance(array, np.memmap):
            array.flush()
    return bands


def band_pairs(band: Band) -> tuple[I64, I64]:
    """Pairs of rows that agree on a band and are alike, less those that follow from others."""
    folder = band.folder
    first: I64 = np.load(folder / "to-search.npy", mmap_mode="r")
    if not len(first):
        return first, first
    hashes: U32 = np.memmap(folder / "ngrams.bin", np.uint32, mode="r")
    bands, starts = np.load(folder / "bands.npy", mmap_mode="r"), np.load(folder / "starts.npy", mmap_mode="r")
    made = Signatures(folder, bands, hashes, starts)
    marks: U64 | None = np.load(folder / "to-search-marks.npy", mmap_mode="r") if band.marked else None
    places = np.arange(len(first))
    joined: I64 = places.copy()
    found: list[tuple[I64, I64]] = [(places[:0], places[:0])]
    for left, right in bucket_pairs(made.bands[band.number][first], places, band.memory):
        open_ = joined[left] != joined[right]
        if marks is not None:
            open_ &= marks[first[left]] == marks[first[right]]
        left, right = left[open_], right[open_]
        alike = jaccard(made, first[left], first[right]) >= band.threshold
        found.append((left[alike], right[alike]))
        join(joined, *found[-1])
    left, right = (np.concatenate([pair[side] for pair in found]) for side in (0, 1))
    return first[left], first[right]


def _join(labels: I64, found: list[tuple[I64, I64]]) -> None:
    """Joins the groups of the pairs, and forgets those."""
    if sum(len(left) for left, _ in found):
        join(labels, *(np.concatenate([pair[side] for pair in found]) for side in (0, 1)))
    found.clear()


def jaccard(made: Signatures, left: I64, right: I64) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """True similarity of each pair of rows."""
    ends = np.cumsum(made.sizes(left) + made.sizes(right))
    result = np.zeros(len(left))
    start = 0
    while start < len(left):
        base = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, base + PAIRS)))
        result[start:end] = _shared(made, left[start:end], right[start:end])
        start = end
    return result


def _ahead(
    threads: ThreadPoolExecutor,
    pieces: Iterator[pl.Series],
    signed: Callable[[pl.Series], tuple[Shingles, U64]],
) -> Iterator[tuple[Shingles, U64]]:
    """Results in order, two pieces a core in flight."""
    waiting = []
    for piece in pieces:
        waiting.append(threads.submit(signed, piece))
        if len(waiting) > 2 * (os.cpu_count() or 1):
            yield waiting.pop(0).result()
    for task in waiting:
        yield task.result()


def _signed(texts: pl.Series, n: int, count: int, length: int, flat: bool) -> tuple[Shingles, U64]:
    made = shingles(texts, n, flat=flat)
    return made, _bands(made, count, length)


def _bands(made: Shingles, count: int, length: int) -> U64:
    """Hash of each band of each row's signature, shape (count, rows).

    Rows of about the same size are laid side by side, an n-gram a line, so that one minimum runs over many rows.
    """
    sizes = np.diff(made.starts)
    order = np.argsort(sizes, kind="stable")
    order = order[sizes[order] > 0]
    keys = np.zeros((count, len(sizes)), np.uint64)
    factors = (mixed(np.arange(1, count * length + 1, dtype=np.uint64)) >> np.uint64(32)).astype(np.uint32) | 1
    at = 0
    while at < len(order):
        width = max(1, min(len(order) - at, BLOCK // int(sizes[order[at]])))
        rows = order[at : at + width]
        width = max(1, min(width, BLOCK // int(sizes[rows[-1]])))
        rows = rows[:width]
        lines = np.minimum(np.arange(sizes[rows[-1]])[:, None], sizes[rows] - 1)
        block = made.hashes[made.starts[rows] + lines]
        turned = np.empty_like(block)
        for number in range(count):
            key = np.full(width, number + 1, np.uint64)
            for place in range(number * length, (number + 1) * length):
                np.multiply(block, factors[place], out=turned)
                key = key * np.uint64(0x9E3779B97F4A7C15) + np.minimum.reduce(turned, axis=0)
            keys[number, rows] = mixed(key)
        at += width
    return keys


def _join_same_sets(made: Signatures, labels: I64, marks: U64 | None, memory: int, among: Bools | None) -> None:
    """Joins rows that have the very same n-grams; sums of mixed hashes tell sets apart."""
    low, high = (on_disk(made.folder, f"sums-{name}", np.uint64, made.rows) for name in ("low", "high"))
    for at in range(0, made.rows, PIECE):
        rows = np.arange(at, min(at + PIECE, made.rows))
        full = rows[(made.sizes(rows) > 0) & (True if among is None else among[rows])]
        if len(full):
            sizes = made.sizes(full)
            places = np.cumsum(sizes) - sizes
            part = made.hashes[np.arange(sizes.sum()) + np.repeat(made.starts[full] - places, sizes)].astype(np.uint64)
            low[full] = np.add.reduceat(mixed(part), places)
            high[full] = np.add.reduceat(mixed(part ^ np.uint64(0xD1B54A32D192ED03)), places)
            if marks is not None:
                high[full] = mixed(high[full] ^ marks[full])
    parts = parts_for(made.rows, memory)
    for number in range(parts):
        found = [
            rows[
                (made.sizes(rows) > 0)
                & (part_of(low[part], parts) == number)
                & (True if among is None else among[part])
            ]
            for part in slices(made.rows)
            for rows in [np.arange(part.start, part.stop)]
        ]
        rows = np.concatenate([np.empty(0, np.int64), *found])
        ours, others = low[rows], high[rows]
        order = np.lexsort((rows, others, ours))
        rows, ours, others = rows[order], ours[order], others[order]
        same = (ours[1:] == ours[:-1]) & (others[1:] == others[:-1])
        join(labels, rows[1:][same], rows[:-1][same])


def _shared(made: Signatures, left: I64, right: I64) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Similarity of pairs: both sets, tagged with the pair, are sorted together, and what is shared occurs twice."""
    keys = np.concatenate([_tagged(made, side) for side in (left, right)])
    keys.sort()
    twice = np.bincount((keys[1:][keys[1:] == keys[:-1]] >> np.uint64(32)).astype(np.int64), minlength=len(left))
    total = made.sizes(left) + made.sizes(right) - twice
    similar: np.ndarray[tuple[int], np.dtype[np.float64]] = twice / np.maximum(total, 1)
    return similar


def _tagged(made: Signatures, rows: I64) -> U64:
    counts = made.sizes(rows)
    ends = np.cumsum(counts)
    places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(made.starts[rows] - (ends - counts), counts)
    tags = np.repeat(np.arange(len(rows), dtype=np.uint64), counts)
    keys: U64 = (tags << np.uint64(32)) | made.hashes[places]
    return keys
