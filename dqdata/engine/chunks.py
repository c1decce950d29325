"""Checkpoints: a chunk of rows is one Parquet file written atomically, with its rejects beside it.

FOLDER/rows-00017.parquet  rejects-00017.parquet      finished: a rerun passes over it
FOLDER/rows-00018.partial.parquet                     finished but for rows that another run may save
FOLDER/done.json                                      every chunk of this segment is there
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dqdata.columns import Columns, arrow_schema
from dqdata.errors import StoreError
from dqdata.files import UNFINISHED, file_mode, make_folder, parquet_file, whole_file

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 4096
DONE = "done.json"


def write_whole(frame: pl.DataFrame, path: Path) -> None:
    """Parquet under a temporary name, synced, then renamed: the file is there whole or not at all. StoreError."""
    try:
        with whole_file(path) as unfinished:
            frame.write_parquet(unfinished, compression="lz4", row_group_size=ROW_GROUP)
            unfinished.chmod(file_mode(path.parent))
    except OSError as error:
        raise StoreError(
            f"can't write checkpoint {path}: {error.strerror or error}; free space, then run again"
        ) from error


def failed_rows(rejects: Path) -> bool:
    """Whether rows failed that these rejects are of."""
    return bool((pl.read_parquet(rejects, columns=["kind"], glob=False).get_column("kind") == "failed").any())


@dataclass(frozen=True)
class Folder:
    """The checkpoints of one segment."""

    path: Path

    def prepare(self) -> Folder:
        """Makes the folder and clears what a killed run left half-written."""
        try:
            make_folder(self.path)
        except OSError as error:
            raise StoreError(f"can't make {self.path}: {error.strerror or error}") from error
        for part in self.path.glob(UNFINISHED):
            part.unlink()
        return self

    def has(self, number: int) -> bool:
        return (self.path / f"rows-{number:06}.parquet").exists()

    def write(self, number: int, rows: pl.DataFrame, rejects: pl.DataFrame, *, partial: bool = False) -> None:
        """Rejects first: the rows are the sign that the chunk is finished."""
        stale = self.path / f"rows-{number:06}.partial.parquet"
        write_whole(rejects, self.path / f"rejects-{number:06}.parquet")
        write_whole(rows, stale if partial else self.path / f"rows-{number:06}.parquet")
        if not partial:
            stale.unlink(missing_ok=True)

    def rows(self) -> list[Path]:
        return sorted(self.path.glob("rows-*.parquet"))

    def rejects(self) -> list[Path]:
        return sorted(self.path.glob("rejects-*.parquet"))

    def partial(self) -> bool:
        return any(self.path.glob("rows-*.partial.parquet"))

    def reopen(self) -> int:
        """Removes the checkpoints of chunks in which rows failed, so that they are processed again; how many."""
        reopened = 0
        for file in self.rejects():
            if failed_rows(file):
                file.with_name(file.name.replace("rejects-", "rows-")).unlink(missing_ok=True)
                reopened += 1
        if reopened:
            (self.path / DONE).unlink(missing_ok=True)
        return reopened

    def finish(self, facts: dict[str, Any]) -> None:
        with whole_file(self.path / DONE) as unfinished:
            unfinished.write_text(json.dumps(facts))

    def facts(self) -> dict[str, Any] | None:
        """The argument of `finish`; None where the segment isn't whole."""
        try:
            facts: dict[str, Any] = json.loads((self.path / DONE).read_text())
        except FileNotFoundError:
            return None
        return facts


@dataclass(frozen=True)
class Slice:
    """One chunk to come: rows [start, start + rows) of a file."""

    number: int
    file: Path
    start: int
    rows: int

    def read(self) -> pl.DataFrame:
        return pl.scan_parquet(self.file, glob=False).slice(self.start, self.rows).collect()


def row_count(files: Sequence[Path]) -> int:
    import pyarrow.parquet as pq

    return sum(int(pq.read_metadata(file).num_rows) for file in files)


def reader(files: Sequence[Path], columns: Columns) -> pa.RecordBatchReader:
    """The rows of Parquet files that have these columns, a batch at a time."""
    import pyarrow as pa

    batches = (batch for file in files for batch in parquet_file(file).iter_batches(ROW_GROUP))
    return pa.RecordBatchReader.from_batches(arrow_schema(columns), batches)


def slices(files: Sequence[Path], chunk_rows: int) -> Iterator[Slice]:
    """The chunks of these files in order; none spans two files, so the same files give the same chunks. Files without
    a row give one chunk, empty, whose checkpoint has the columns that the next step expects."""
    number = 0
    for file in files:
        for start in range(0, total := row_count([file]), chunk_rows):
            yield Slice(number, file, start, min(chunk_rows, total - start))
            number += 1
    if not number and files:
        yield Slice(0, files[0], 0, 0)
