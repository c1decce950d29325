"""Writes the rows of a trainer's splits to disk once, as Arrow files that every rank memory-maps.

    >>> write_split(store.query("select messages from slow_thinking@3"), folder)
    2000

Rows are processed a batch at a time. What `datasets` would add beside the file can be read from its schema, so the
command that writes it and then waits for the training never loads that library.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.files import whole_folder
from dqdata.trainer import ROWS

if TYPE_CHECKING:
    import pyarrow as pa


def write_split(rows: pa.RecordBatchReader, folder: Path) -> int:
    """Number of rows written. The folder appears whole or not at all."""
    import pyarrow as pa

    count = 0
    with (
        whole_folder(folder) as unfinished,
        pa.OSFile(str(unfinished / ROWS), "wb") as sink,
        pa.ipc.new_stream(sink, rows.schema) as writer,
    ):
        for batch in rows:
            writer.write_batch(batch)
            count += batch.num_rows
    return count
