"""Semantic deduplication, hashed against every pair and against usearch: python bench/semantic.py DATA [rows ...]

DATA is the folder of public data sets of docs/real-input.md. Rows are GSM8K problems, half of one and half of another
with other numbers, one in five with a few words changed. usearch's HNSW index is built by one thread, where it is
installed. The columns are those of dedup.py.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from dedup import TITLE, line, measured, operator

FILE = 50_000
SEMANTIC = {"method": "semantic", "distinguish": ()}


def questions(rows: int, data: Path, folder: Path) -> list[Path]:
    rng = random.Random(3)
    train = pl.read_parquet(data / "gsm8k_train.parquet")["question"].to_list()
    made: list[str] = []
    for _ in range(rows):
        if made and rng.random() < 0.2:
            words = rng.choice(made).split()
            for _ in range(rng.randint(1, 4)):
                words[rng.randrange(len(words))] = rng.choice(rng.choice(train).split())
        else:
            first = rng.choice(train).split()
            words = first[: len(first) // 2] + rng.choice(train).split()[-25:]
            words = [str(rng.randrange(2, 900)) if word.isdigit() else word for word in words]
        made.append(" ".join(words))
    files = []
    for start in range(0, rows, FILE):
        part = made[start : start + FILE]
        files.append(folder / f"{start:09}.parquet")
        keys = [f"p{number:09}" for number in range(start, start + len(part))]
        pl.DataFrame({"problem_id": keys, "question": part}).write_parquet(files[-1])
    return files


def usearch_loop(files: list[Path]) -> int:
    """Rows with an earlier row among the nearest 32."""
    from dqdata_operators.lib.vectors.embedding import WordVectors
    from usearch.index import Index

    model = WordVectors()
    vectors = np.concatenate([model.embed(pl.read_parquet(file)["question"]) for file in files])
    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32")
    index.add(np.arange(len(vectors)), vectors, threads=1)
    found = index.search(vectors, 33, threads=1)
    earlier = found.keys.astype(np.int64) < np.arange(len(vectors))[:, None]
    return int(((found.distances <= 1 - 0.95) & earlier).any(axis=1).sum())


def embed(files: list[Path]) -> int:
    from dqdata_operators.lib.vectors.embedding import WordVectors

    model = WordVectors()
    return sum(len(model.embed(pl.read_parquet(file)["question"])) for file in files)


def main() -> None:
    data = Path(sys.argv[1])
    print(TITLE)
    for rows in [int(text) for text in sys.argv[2:]] or [20_000, 50_000]:
        with tempfile.TemporaryDirectory() as folder:
            files = questions(rows, data, Path(folder))
            hashed = line("hashed", rows, measured(operator, {**SEMANTIC, "search": "hashed"}, files))
            line("  embedding alone", rows, measured(embed, files))
            if rows <= 100_000:
                pairs = measured(operator, {**SEMANTIC, "search": "exact"}, files)
                line("every pair", rows, pairs, f"hashed takes {hashed.cpu / pairs.cpu:.2f} of its CPU")
                if importlib.util.find_spec("usearch"):
                    peer = measured(usearch_loop, files)
                    line("usearch HNSW", rows, peer, f"hashed takes {hashed.cpu / peer.cpu:.2f} of its CPU")


if __name__ == "__main__":
    main()
