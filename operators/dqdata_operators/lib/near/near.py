"""Near-duplicate groups over a whole table, whichever method finds them: which dedup, split and cluster use.

    near = near_groups(table, ("question",), Words(threshold=0.8), run.scratch, run.memory_limit)
    near.labels[7]              # position of the first row of row 7's group, or 7
    near.similarity(left, right)

Positions are places in `table.batches`; every result is the same in any order of the rows, up to positions themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from dqdata.operator import Spread, Table
from dqdata_operators.lib.near import minhash, semantic
from dqdata_operators.lib.near.clusters import I64, Bools, on_disk, slices
from dqdata_operators.lib.near.semantic import Search
from dqdata_operators.lib.texts.shingles import U64
from dqdata_operators.lib.texts.signature import ASPECTS, TRAITS, Aspect, Signatures, signatures
from dqdata_operators.lib.vectors.embedding import Embedder

F64 = npt.NDArray[np.float64]
SIGNED = 4096
"""Rows whose signatures a thread computes at a time."""


@dataclass(frozen=True)
class Words:
    """Jaccard similarity of word n-grams: minhash.py."""

    threshold: float
    num_perm: int = 128
    ngram: int = 3
    distinguish: tuple[Aspect, ...] = ()
    flat: bool = False
    """Whether `2³` is `23`, as it was when the first splits were made."""


@dataclass(frozen=True)
class Meaning:
    """Cosine similarity of embeddings: semantic.py."""

    threshold: float
    model: Embedder
    distinguish: tuple[Aspect, ...] = ASPECTS
    search: Search = "auto"


Method: TypeAlias = Words | Meaning


@dataclass(frozen=True)
class Near:
    labels: I64
    """Of each row, the smallest position in its group."""
    similarity: Callable[[I64, I64], F64]
    traits: U64 | None = None
    """Of each row that has company, what conflicts follow from (signature.py)."""


def near_groups(
    table: Table, names: Sequence[str], method: Method, scratch: Path, memory: int, spread: Spread | None = None
) -> Near:
    """Groups of rows whose texts are alike; of several columns, the texts are put one after another.

    spread: of a run on several machines, which then search bands of MinHash signatures. Signatures of what tells texts
    apart are computed for rows that have a group alone, and where one group holds several, the groups are searched for
    again among these rows.
    """
    texts = (joined(batch, names) for batch in table.batches(list(names)))
    hashes = (_hashed(batch[table.key]) for batch in table.batches([table.key]))
    ranks = _numbered(hashes, scratch, "ranks", table.rows)
    groups: Callable[[U64 | None, Bools | None], I64]
    similarity: Callable[[I64, I64], F64]
    if isinstance(method, Meaning):
        vectors = semantic.vectors(texts, table.rows, method.model, scratch)
        groups = partial(
            semantic.groups,
            vectors,
            ranks,
            method.threshold,
            folder=scratch,
            search=method.search,
            memory=memory,
        )
        similarity = partial(semantic.cosine, vectors)
    else:
        made = minhash.sign(texts, table.rows, method.ngram, method.threshold, method.num_perm, scratch, method.flat)
        groups = partial(_by_words, made, ranks, method.threshold, memory, spread)
        similarity = partial(minhash.jaccard, made)
    labels = groups(None, None)
    crowded = _crowded(labels, scratch)
    if not method.distinguish or not any(crowded[part].any() for part in slices(table.rows)):
        return Near(labels, similarity)
    marks, traits = _signed(table, names, method.distinguish, crowded, scratch)
    if not all(np.array_equal(marks[part], marks[labels[part]]) for part in slices(table.rows)):
        labels = groups(marks, crowded)
    return Near(labels, similarity, traits)


def _by_words(
    made: minhash.Signatures,
    ranks: U64,
    threshold: float,
    memory: int,
    spread: Spread | None,
    marks: U64 | None,
    among: Bools | None,
) -> I64:
    return minhash.groups(made, ranks, threshold, marks, memory, among, spread)


def _signed(
    table: Table, names: Sequence[str], aspects: Sequence[Aspect], crowded: Bools, folder: Path
) -> tuple[U64, U64]:
    """Mark and traits of each row that has company, zeros of others; on disk."""
    marks: U64 = on_disk(folder, "marks", np.uint64, table.rows)
    traits: U64 = on_disk(folder, "traits", np.uint64, table.rows * TRAITS).reshape(-1, TRAITS)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        waiting: list[tuple[I64, Future[Signatures]]] = []
        start = 0
        for batch in table.batches(list(names)):
            rows = np.flatnonzero(crowded[start : start + batch.height])
            texts = joined(batch[rows], names)
            for at in range(0, len(rows), SIGNED):
                waiting.append(
                    (start + rows[at : at + SIGNED], threads.submit(signatures, texts[at : at + SIGNED], aspects))
                )
                if len(waiting) > 2 * (os.cpu_count() or 1):
                    _put(marks, traits, *waiting.pop(0))
            start += batch.height
        for part in waiting:
            _put(marks, traits, *part)
    return marks, traits


def _put(marks: U64, traits: U64, rows: I64, task: Future[Signatures]) -> None:
    made = task.result()
    marks[rows], traits[rows] = made.marks, made.traits


def _crowded(labels: I64, folder: Path) -> Bools:
    """Which rows have company; on disk."""
    made: Bools = on_disk(folder, "crowded", np.bool_, len(labels))
    for part in slices(len(labels)):
        mine = labels[part]
        others = mine != np.arange(part.start, part.stop)
        made[mine[others]] = True
        made[part] |= others
    return made


def write_groups(table: Table, labels: I64, folder: Path) -> Iterator[Path]:
    """Parquet files of dq_key, dq_group, dq_place: the rows that have company. At least one file."""
    crowded = _crowded(labels, folder)
    start = 0
    nobody = pl.DataFrame(schema={"dq_key": pl.String, "dq_group": pl.Int64, "dq_place": pl.Int64})
    nobody.write_parquet(folder / "groups-none.parquet")
    yield folder / "groups-none.parquet"
    for number, batch in enumerate(table.batches([table.key])):
        mine = labels[start : start + batch.height]
        frame = pl.DataFrame(
            {
                "dq_key": batch[table.key],
                "dq_group": mine,
                "dq_place": np.arange(start, start + batch.height),
            }
        ).filter(pl.Series(np.asarray(crowded[start : start + batch.height]), dtype=pl.Boolean))
        path = folder / f"groups-{number:06}.parquet"
        frame.write_parquet(path)
        yield path
        start += batch.height


def joined(batch: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    """The text to compare, of one column or several."""
    return batch.select(
        pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in names], separator="\n").alias("text")
    )["text"]


def _numbered(batches: Iterator[U64], folder: Path, name: str, rows: int) -> U64:
    """The numbers of all rows, on disk."""
    made: U64 = on_disk(folder, name, np.uint64, rows)
    done = 0
    for part in batches:
        made[done : done + len(part)] = part
        done += len(part)
    return made


def _hashed(texts: pl.Series) -> U64:
    return np.asarray(texts.cast(pl.String).hash(seed=0).to_numpy(), dtype=np.uint64)
