"""The checkpoints that a run left, as the few files of a version."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from dqdata.columns import Columns
from dqdata.files import make_folder, parquet_file

MERGED_GROUP = 16_384
MERGED_ROWS = 500_000
MERGED_BYTES = 256 << 20


def merged(files: Sequence[Path], columns: Columns, folder: Path) -> list[Path]:
    """The rows of many checkpoints, in order, as few well-compressed Parquet files; streamed."""
    import pyarrow.parquet as pq

    from dqdata.columns import arrow_schema

    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    schema = arrow_schema(columns)
    made: list[Path] = []
    writer: pq.ParquetWriter | None = None
    rows = size = 0
    for file in files:
        for batch in parquet_file(file).iter_batches(MERGED_GROUP):
            if not batch.num_rows:
                continue
            if writer is None or rows >= MERGED_ROWS or size >= MERGED_BYTES:
                if writer is not None:
                    writer.close()
                made.append(folder / f"{len(made):05}.parquet")
                writer = pq.ParquetWriter(made[-1], schema, compression="zstd")
                rows = size = 0
            writer.write_batch(batch.cast(schema))
            rows, size = rows + batch.num_rows, size + batch.nbytes
    if writer is not None:
        writer.close()
    return made
