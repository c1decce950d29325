"""Near duplicates by meaning: rows whose embeddings have a cosine similarity of at least the threshold.

    "How far is it from A to B?" and "What's the distance between A and B?"

Vectors lie on disk. Every pair is compared, a block of rows against a block at a time: no neighbour is missed, and the
cost grows with the square of the rows (50,000 rows are 1.25 billion pairs, some seconds of matrix products). Above a
few hundred thousand rows run `method = "minhash"` first.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from dqdata_operators.clusters import I64, components
from dqdata_operators.embedding import F32, embedder
from dqdata_operators.shingles import U64

BLOCK = 4096
SLACK = 1e-4
"""Products of blocks are single precision: what comes this near the threshold is computed anew."""


def vectors(texts: Iterable[pl.Series], rows: int, model: str, folder: Path) -> F32:
    """Unit vectors of all texts, shape (rows, dimensions), on disk."""
    made: F32 = np.empty((0, 1), np.float32)
    done, embed = 0, embedder(model).embed
    for text in texts:
        part = embed(text)
        if not done:
            made = np.lib.format.open_memmap(
                folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(max(rows, 1), part.shape[1])
            )
        made[done : done + len(part)] = part
        done += len(part)
    return made[:rows]


def groups(made: F32, threshold: float, marks: U64 | None = None) -> I64:
    """Label of each row's group: the smallest position in it. Rows without a vector are alone, and rows of different
    `marks` are never a pair."""
    labels = np.arange(len(made))
    for start in range(0, len(made), BLOCK):
        left = np.asarray(made[start : start + BLOCK])
        for other in range(start, len(made), BLOCK):
            near = left @ np.asarray(made[other : other + BLOCK]).T >= threshold - SLACK
            a, b = np.nonzero(near)
            a, b = a + start, b + other
            apart = (a < b) & (labels[a] != labels[b])
            if marks is not None:
                apart &= marks[a] == marks[b]
            a, b = a[apart], b[apart]
            alike = cosine(made, a, b) >= threshold
            labels = components(len(made), a[alike], b[alike], labels)
    return labels


def cosine(made: F32, left: I64, right: I64) -> npt.NDArray[np.float64]:
    """Similarity of each pair, in double precision: the same in whichever block the rows stood."""
    result = np.zeros(len(left))
    for start in range(0, len(left), BLOCK):
        part = slice(start, start + BLOCK)
        a, b = made[left[part]].astype(np.float64), made[right[part]].astype(np.float64)
        result[part] = (a * b).sum(axis=1)
    return result.clip(-1.0, 1.0)
