"""Recall and precision of dedup's MinHash against exact Jaccard: python bench/minhash_recall.py [rows]

Questions with near copies at all distances; the truth is every pair's true similarity, found through an inverted index
over all n-grams. What is compared are pairs of rows in one group, where the truth is closed under chains as well.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
from dqdata_operators.lib.near import minhash
from dqdata_operators.lib.near.clusters import I64, components
from dqdata_operators.lib.texts.shingles import shingles


def questions(rows: int) -> pl.Series:
    """A third are earlier ones with one to twelve words changed."""
    rng = random.Random(11)
    lexicon = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "l", "ra", "sto", "mi", "ck", "pe")]
    texts: list[str] = []
    for number in range(rows):
        if number % 3 == 2:
            words = texts[rng.randrange(len(texts))].split()
            for _ in range(rng.randint(1, 12)):
                words[rng.randrange(len(words))] = rng.choice(lexicon)
        else:
            words = rng.choices(lexicon, k=rng.randint(20, 70))
        texts.append(" ".join(words))
    return pl.Series(texts)


def truth(texts: pl.Series, n: int, threshold: float) -> tuple[I64, int]:
    """(label of each row, number of pairs at or above the threshold)."""
    made = shingles(texts, n)
    sizes = np.diff(made.starts)
    owners: dict[int, list[int]] = defaultdict(list)
    left, right = [], []
    for row in range(len(texts)):
        shared: dict[int, int] = defaultdict(int)
        for gram in made.row(row).tolist():
            for other in owners[gram]:
                shared[other] += 1
            owners[gram].append(row)
        for other, count in shared.items():
            if count / (sizes[row] + sizes[other] - count) >= threshold:
                left.append(other)
                right.append(row)
    return components(len(texts), np.array(left, np.int64), np.array(right, np.int64)), len(left)


def pairs(labels: I64) -> int:
    sizes = np.bincount(labels)
    return int((sizes * (sizes - 1) // 2).sum())


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    texts = questions(rows)
    names = {"threshold": 9, "bands": 7, "length": 8, "true pairs": 12, "recall": 10, "precision": 11, "seconds": 9}
    print("".join(f"{name:>{width}}" for name, width in {**names, "exact s": 9}.items()))
    for threshold in (0.5, 0.7, 0.8, 0.9):
        began = time.perf_counter()
        expected, direct = truth(texts, 3, threshold)
        exact = time.perf_counter() - began
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            made = minhash.sign([texts], rows, 3, threshold, 128, Path(folder))
            found = minhash.groups(made, texts.hash(seed=0).to_numpy(), threshold)
        seconds = time.perf_counter() - began
        _, both = np.unique(expected * rows + found, return_inverse=True)
        shared = pairs(both)
        count, length = minhash.bands_for(threshold, 128)
        print(
            f"{threshold:9}{count:7}{length:8}{direct:12,}{shared / pairs(expected):10.4f}{shared / pairs(found):11.4f}"
            f"{seconds:9.1f}{exact:9.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
