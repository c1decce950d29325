"""Near-duplicate groups over a whole table, whichever method finds them: what dedup, split and cluster stand on.

    near = near_groups(table, ("question",), Words(threshold=0.8), run.scratch, run.memory_limit)
    near.labels[7]              # position of the first row of row 7's group, or 7
    near.similarity(left, right)

Positions are places in `table.batches`; every result is the same wherever a row stands, up to positions themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from dqdata.operator import Table
from dqdata_operators.lib.near import minhash, semantic
from dqdata_operators.lib.near.clusters import I64, on_disk, slices
from dqdata_operators.lib.near.semantic import Search
from dqdata_operators.lib.texts.shingles import U64
from dqdata_operators.lib.vectors.embedding import Embedder

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Words:
    """Jaccard similarity of word n-grams: minhash.py."""

    threshold: float
    num_perm: int = 128
    ngram: int = 3
    same_numbers: bool = False


@dataclass(frozen=True)
class Meaning:
    """Cosine similarity of embeddings: semantic.py."""

    threshold: float
    model: Embedder
    same_numbers: bool = True
    search: Search = "auto"


Method: TypeAlias = Words | Meaning


@dataclass(frozen=True)
class Near:
    labels: I64
    """Of each row, the smallest position in its group."""
    similarity: Callable[[I64, I64], F64]


def near_groups(table: Table, names: Sequence[str], method: Method, scratch: Path, memory: int) -> Near:
    """Groups of rows whose texts are alike; of several columns, the texts are put one after another."""
    texts = (joined(batch, names) for batch in table.batches(list(names)))
    marks = None
    if method.same_numbers:
        marks = _numbered(
            (number_marks(joined(batch, names)) for batch in table.batches(list(names))), scratch, "marks", table.rows
        )
    hashes = (_hashed(batch[table.key]) for batch in table.batches([table.key]))
    ranks = _numbered(hashes, scratch, "ranks", table.rows)
    if isinstance(method, Meaning):
        vectors = semantic.vectors(texts, table.rows, method.model, scratch)
        return Near(
            semantic.groups(
                vectors, ranks, method.threshold, marks, folder=scratch, search=method.search, memory=memory
            ),
            lambda left, right: semantic.cosine(vectors, left, right),
        )
    signatures = minhash.sign(texts, table.rows, method.ngram, method.threshold, method.num_perm, scratch)
    return Near(
        minhash.groups(signatures, ranks, method.threshold, marks, memory),
        lambda left, right: minhash.jaccard(signatures, left, right),
    )


def number_marks(texts: pl.Series) -> U64:
    """A hash of the numbers in each text, whatever their order; "1,000" is 1000 and "2.50" is 2.5."""
    numbers = texts.str.replace_all(r"(\d),(\d{3})\b", "${1}${2}").str.extract_all(r"\d+(?:\.\d+)?")
    return _hashed(numbers.list.eval(pl.element().cast(pl.Float64).sort().cast(pl.String)).list.join(" "))


def write_groups(table: Table, labels: I64, folder: Path) -> Iterator[Path]:
    """Parquet files of dq_key, dq_group, dq_place: the rows that have company. At least one file."""
    crowded = on_disk(folder, "crowded", np.bool_, len(labels))
    for part in slices(len(labels)):
        mine = labels[part]
        others = mine != np.arange(part.start, part.stop)
        crowded[mine[others]] = True
        crowded[part] |= others
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
