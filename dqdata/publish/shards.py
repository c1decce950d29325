"""Writes rows into Parquet files of bounded size, named as the Hub names them: data/train-00000-of-00002.parquet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

SHARD_BYTES = 400_000_000
"""Bytes of a file before compression, about; the Hub asks for files below 500 MB."""
GROUP_BYTES = 64_000_000


def write_shards(rows: pa.RecordBatchReader, folder: Path, stem: str, shard_bytes: int = SHARD_BYTES) -> list[Path]:
    """Writes all rows, at least one file. Returns the files in order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    parts: list[Path] = []
    writer: pq.ParquetWriter | None = None
    held: list[pa.RecordBatch] = []
    size = held_bytes = 0

    def flush() -> None:
        nonlocal writer, held, held_bytes
        if writer is None:
            parts.append(folder / f"{stem}-{len(parts):05}.part")
            writer = pq.ParquetWriter(parts[-1], rows.schema, compression="zstd")
        writer.write_table(pa.Table.from_batches(held, rows.schema))
        held, held_bytes = [], 0

    try:
        for batch in rows:
            for piece in _pieces(batch, shard_bytes):
                if size and size + piece.nbytes > shard_bytes:
                    flush()
                    assert writer is not None
                    writer.close()
                    writer, size = None, 0
                held.append(piece)
                size, held_bytes = size + piece.nbytes, held_bytes + piece.nbytes
                if held_bytes >= GROUP_BYTES:
                    flush()
        if held or not parts:
            flush()
    finally:
        if writer is not None:
            writer.close()
    return [part.rename(folder / f"{stem}-{at:05}-of-{len(parts):05}.parquet") for at, part in enumerate(parts)]


def _pieces(batch: pa.RecordBatch, most: int) -> Iterable[pa.RecordBatch]:
    """The batch, in halves of halves where it is larger than a file may be."""
    if batch.nbytes <= most or batch.num_rows < 2:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _pieces(batch.take(list(range(half))), most)
    yield from _pieces(batch.take(list(range(half, batch.num_rows))), most)


def patterns(files: Mapping[str, list[Path]]) -> dict[str, str]:
    """A glob by split for the files of each."""
    return {split: f"data/{paths[0].name.rsplit('-', 3)[0]}-*.parquet" for split, paths in files.items()}
