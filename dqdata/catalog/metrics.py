"""Writes the metrics of a training to dq_metrics."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.catalog.backend import Backend
from dqdata.catalog.records import Measured
from dqdata.files import make_folder
from dqdata.sql import literal

if TYPE_CHECKING:
    import duckdb


def insert_metrics(
    con: duckdb.DuckDBPyConnection, backend: Backend, model: str, version: int, metrics: Sequence[Measured]
) -> None:
    """Through a file of its own: a long training has more numbers than SQL text should hold."""
    if not metrics:
        return

    import pyarrow as pa
    import pyarrow.parquet as pq

    steps, names, values = zip(*metrics, strict=True)
    columns = {
        "model": pa.array([model] * len(steps)),
        "version": pa.array([version] * len(steps), pa.int64()),
        "step": pa.array(steps, pa.int64()),
        "name": pa.array(names, pa.string()),
        "value": pa.array(values, pa.float64()),
    }
    make_folder(backend.work)
    with tempfile.TemporaryDirectory(dir=backend.work, prefix=".metrics-") as folder:
        file = Path(folder) / "metrics.parquet"
        pq.write_table(pa.table(columns), file)
        with backend.data.written("dq_metrics"):
            con.execute(f"insert into lake.main.dq_metrics from read_parquet({literal(str(file))})")
