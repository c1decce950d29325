"""Writes the rows of a trainer's splits to disk once, as Arrow files that every rank maps into memory.

    >>> write_split(store.query("select messages from slow_thinking@3"), folder)
    2000

The folder is what `datasets.load_from_disk` reads; rows go through a batch at a time.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

ARROW = "data-00000-of-00001.arrow"
"""The name that `datasets` gives to the only file of a set."""


def write_split(rows: pa.RecordBatchReader, folder: Path) -> int:
    """Number of rows written. The folder appears whole or not at all."""
    import pyarrow as pa
    from datasets import DatasetInfo, Features

    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    count = 0
    with pa.OSFile(str(unfinished / ARROW), "wb") as sink, pa.ipc.new_stream(sink, rows.schema) as writer:
        for batch in rows:
            writer.write_batch(batch)
            count += batch.num_rows

    DatasetInfo(features=Features.from_arrow_schema(rows.schema)).write_to_directory(str(unfinished))
    state: dict[str, object] = {
        "_data_files": [{"filename": ARROW}],
        "_fingerprint": folder.name,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    (unfinished / "state.json").write_text(json.dumps(state), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return count
