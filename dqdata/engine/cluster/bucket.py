"""Checkpoints of chunks on their way from a worker to the driver, where no folder is shared: in the store's bucket.

PREFIX/work/CATALOG/FINGERPRINT/rows-00017.parquet  rejects-00017.parquet     as in a folder of checkpoints (chunks.py)

A worker writes them once, rejects first. The driver takes them into its own folder and removes them. What a driver that
was killed left there is taken by the run that goes on.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import polars as pl

from dqdata.catalog.s3 import S3Data, S3File
from dqdata.engine.chunks import Folder, Slice, failed_rows, write_whole
from dqdata.engine.tasks import ChunkResult
from dqdata.errors import StoreError
from dqdata.place import StorePlace


def needed(place: StorePlace) -> bool:
    """Whether workers reach the whole store without a folder of the driver's machine."""
    return bool(place.data and place.metadata)


def packed(chunk: Slice) -> bytes:
    """The rows of a chunk, for a task."""
    made = io.BytesIO()
    chunk.read().write_ipc(made)
    return made.getvalue()


def unpacked(rows: bytes, chunk: Slice, folder: Path) -> Slice:
    """The same chunk as a slice of a file in a folder of this machine."""
    file = folder / f"input-{chunk.number:06}.parquet"
    write_whole(pl.read_ipc(io.BytesIO(rows)), file)
    return Slice(chunk.number, file, 0, chunk.rows)


class Bucket:
    """Of the job whose folder of checkpoints on the driver is `target`."""

    def __init__(self, place: StorePlace, target: Path) -> None:
        self._data = S3Data(place.data)
        self._below = target.relative_to(place.work.absolute()).as_posix()

    def found(self, chunk: Slice) -> ChunkResult | None:
        """The result of a chunk that is there already, all of whose rows were kept or dropped."""
        if not self._file(f"rows-{chunk.number:06}.parquet").exists():
            return None
        with tempfile.TemporaryDirectory(prefix="dqdata-task-") as folder:
            rejects = self._file(f"rejects-{chunk.number:06}.parquet").fetched(Path(folder))
            if failed_rows(rejects):
                return None
        return ChunkResult(chunk.number, chunk.rows, chunk.rows, {}, False, {})

    def put(self, number: int, folder: Folder) -> None:
        """Uploads the checkpoint of a chunk. Raises StoreError."""
        try:
            for file in (*folder.rejects(), *folder.rows()):
                self._file(file.name).upload(file)
        except OSError as error:
            raise StoreError(f"can't write chunk {number} to s3://{self._data.prefix}: {error}") from error

    def take(self, number: int, folder: Folder) -> None:
        """Moves the checkpoint of a chunk into the driver's folder. Raises StoreError."""
        rows = [self._file(f"rows-{number:06}{partial}.parquet") for partial in ("", ".partial")]
        files = [self._file(f"rejects-{number:06}.parquet"), *rows]
        try:
            with tempfile.TemporaryDirectory(prefix="taken-", dir=folder.path.parent) as place:
                fetched = [file.fetched(Path(place)) for file in files if file.exists()]
                frames = [pl.read_parquet(file, glob=False) for file in fetched]
                folder.write(number, frames[1], frames[0], partial=fetched[1].name.endswith(".partial.parquet"))
        except OSError as error:
            raise StoreError(f"can't take chunk {number} from s3://{self._data.prefix}: {error}; run again") from error
        for file in files:
            file.remove()

    def _file(self, name: str) -> S3File:
        return S3File(self._data, f"work/{self._below}/{name}")
