"""Keys that occur in more than one row of Parquet files, found in little memory.

>>> repeated_rows([Path("rows-000000.parquet")], "problem_id")
shape: (1, 4)  # file, row, key, again

Keys are compared by 64-bit hashes first, of which a share at a time is held and sorted, so that memory does not grow
with the number of rows; only rows whose hash occurs again are read and compared by their keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.errors import StoreError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    Hashes = npt.NDArray[np.uint64]

HELD = 4_000_000
"""Hashes that are sorted at once: 32 MB."""


def repeated_rows(files: Sequence[Path], key: str) -> pl.DataFrame:
    """Rows of which an earlier one has the same key, in order: `file` (its place in files), `row` (within it, from 0),
    `key` as text, `again` (1 for the first repetition). Nulls are keys too. Raises StoreError for a file that can't be
    read."""
    import polars as pl

    found = suspects(files, key)
    again = found.with_columns(again=(pl.int_range(pl.len()).over("key") if found.height else pl.lit(0)).cast(pl.Int64))
    return again.filter(pl.col("again") > 0)


def suspects(files: Sequence[Path], key: str) -> pl.DataFrame:
    """Every row, the first ones too, whose key is null or has the hash of another row's: `file`, `row`, `key`, in
    order. Raises StoreError."""
    import numpy as np
    import polars as pl

    twice, nulls = _twice(files, key)
    parts = [pl.DataFrame(schema={"file": pl.Int64, "row": pl.Int64, "key": pl.String})]
    if len(twice) or nulls:
        for number, keys in enumerate(_keys(files, key)):
            rows = np.flatnonzero(np.isin(_hashes(keys), twice) | keys.is_null().to_numpy())
            texts = keys.gather(rows).cast(pl.String)
            parts.append(
                pl.DataFrame({"file": np.full(len(rows), number, np.int64), "row": rows.astype(np.int64), "key": texts})
            )
    return pl.concat(parts)


def _twice(files: Sequence[Path], key: str) -> tuple[Hashes, bool]:
    """Hashes that several rows have, and whether a key is null."""
    import numpy as np
    import pyarrow.parquet as pq

    try:
        total = sum(int(pq.read_metadata(file).num_rows) for file in files)
    except Exception as error:
        raise StoreError(f"can't read the rows of {key}: {error}") from error
    shares = max(1, -(-total // HELD))
    found, nulls = [np.empty(0, np.uint64)], False
    for share in range(shares):
        held = np.empty(total if shares == 1 else int(total / shares * 1.1) + 65_536, np.uint64)
        filled = 0
        for keys in _keys(files, key):
            hashes, nulls = _hashes(keys), nulls or keys.null_count() > 0
            if shares > 1:
                hashes = hashes[hashes % np.uint64(shares) == share]
            if filled + len(hashes) > len(held):
                held = np.concatenate([held[:filled], np.empty(max(len(hashes), len(held)), np.uint64)])
            held[filled : filled + len(hashes)] = hashes
            filled += len(hashes)
        held = held[:filled]
        held.sort()
        found.append(np.unique(held[1:][held[1:] == held[:-1]]))
    return np.concatenate(found), nulls


def _keys(files: Sequence[Path], key: str) -> Iterator[pl.Series]:
    """The keys of each file. A commit may run in a fork, where the threads with which polars reads files are gone."""
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in files:
        try:
            with pq.ParquetFile(file) as opened:
                keys = opened.read([key], use_threads=False).column(key)
        except (pa.ArrowException, OSError, KeyError) as error:
            raise StoreError(f"can't read the column {key} of {file}: {error}") from error
        yield pl.Series(key, keys)


def _hashes(keys: pl.Series) -> Hashes:
    hashes: Hashes = keys.hash().to_numpy()
    return hashes
