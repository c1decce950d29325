"""Brings what a step decided beside the rows that it is about, file by file, without sorting wide rows.

DuckDB finds for every decision the number of the file that its row lies in (two integers, sorted on disk); the
decisions are then read once, in their own order, and each is appended to the pieces of its file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from dqdata.files import parquet_file
from dqdata.sql import literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

BATCH_ROWS = 2048


class Aligned:
    """Decisions in a Parquet file, to be had by the number of the file of rows that they are about.

    con: has the table `positions` (file, key). pieces: a folder for temporary files. memory: bytes of decisions that
    are held at a time.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, decisions: Path, key: str, pieces: Path, memory: int) -> None:
        self._pieces = pieces
        pieces.mkdir(exist_ok=True)
        for stale in pieces.iterdir():
            stale.unlink()
        file = parquet_file(decisions)
        self._schema = file.schema_arrow
        numbers = _numbers(con, decisions, key)
        held: list[pa.RecordBatch] = []
        size = 0
        for batch in file.iter_batches(BATCH_ROWS):
            held.append(batch)
            size += batch.nbytes
            if size >= memory:
                self._append(held, numbers)
                held, size = [], 0
        self._append(held, numbers)

    def _append(self, held: list[pa.RecordBatch], numbers: _Numbers) -> None:
        import pyarrow as pa

        if not held:
            return
        frame = pl.DataFrame(pa.Table.from_batches(held))
        which = numbers.take(frame.height)
        for (number,), part in frame.group_by([which.alias("file")]):
            if number is None:
                continue
            table = part.to_arrow().cast(self._schema)
            with (self._pieces / f"{number}.arrows").open("ab") as out, pa.ipc.new_stream(out, table.schema) as writer:
                writer.write_table(table)

    def of(self, number: int) -> pl.DataFrame:
        """The decisions about the rows of this file, in any order; each file can be had once."""
        import pyarrow as pa

        path = self._pieces / f"{number}.arrows"
        if not path.exists():
            return pl.DataFrame(pa.Table.from_batches([], self._schema))
        tables = []
        with path.open("rb") as stream:
            while stream.peek(1):
                tables.append(pa.ipc.open_stream(stream).read_all())
        path.unlink()
        return pl.DataFrame(pa.concat_tables(tables))


class _Numbers:
    """The number of the file for one decision after another."""

    def __init__(self, batches: Iterator[pl.DataFrame]) -> None:
        self._batches = batches
        self._rest = pl.Series("file", [], dtype=pl.Int64)

    def take(self, rows: int) -> pl.Series:
        parts = [self._rest]
        have = self._rest.len()
        while have < rows:
            parts.append(next(self._batches).get_column("file").cast(pl.Int64))
            have += parts[-1].len()
        joined = pl.concat(parts)
        self._rest = joined.slice(rows)
        return joined.head(rows)


def _numbers(con: duckdb.DuckDBPyConnection, decisions: Path, key: str) -> _Numbers:
    query = f"""select positions.file as file from read_parquet({literal(decisions)}, file_row_number = true) d
                left join positions on positions.key = d."{key}" order by d.file_row_number"""
    reader = con.cursor().execute(query).to_arrow_reader(1 << 16)
    return _Numbers(pl.DataFrame(pa_batch) for pa_batch in reader)
