"""Rows of a query, for other libraries: Arrow, polars, pandas, `datasets`, torch.

rows = project.sql("select question, response from slow_thinking@3 where verdict = 'correct'")
rows.polars()
for batch in rows.batches(): ...
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.errors import InputError
from dqdata.place import StorePlace

if TYPE_CHECKING:
    import datasets
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from dqdata.api.torch_rows import TorchRows

SHOWN_ROWS = 10
"""Rows that a notebook shows."""


class Rows:
    """Rows of a query over a store. They are read when a method asks for them, and again by the next one; every catalog
    is read in the version that was newest when the query was given, so each time the rows are the same."""

    def __init__(self, store: StorePlace, query: str, *, local_files: bool = False) -> None:
        """store: where the store is. query: SQL in which each catalog has its version."""
        self.store, self.query = store, query
        self._local_files = local_files

    @property
    def schema(self) -> pa.Schema:
        """Names and Arrow types of the columns."""
        return self.batches().schema

    def batches(self) -> pa.RecordBatchReader:
        """The rows as a stream of Arrow record batches, for rows that do not fit in memory."""
        import pyarrow as pa

        from dqdata.catalog import Store

        store = Store.open(self.store, read_only=True)
        try:
            reader = store.query(self.query, local_files=self._local_files)
        except BaseException:
            store.close()
            raise

        def streamed() -> Iterator[pa.RecordBatch]:
            try:
                yield from reader
            finally:
                store.close()

        return pa.RecordBatchReader.from_batches(reader.schema, streamed())

    def arrow(self) -> pa.Table:
        """All rows as an Arrow table."""
        return self.batches().read_all()

    def polars(self) -> pl.DataFrame:
        """All rows as a polars frame. Raises ColumnError for the time 24:00:00, which polars lacks."""
        import polars as pl

        from dqdata.arrow_types import check_times

        table = self.arrow()
        for batch in table.to_batches():
            check_times(batch)
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def pandas(self) -> pd.DataFrame:
        """All rows as a pandas frame. Raises InputError where pandas is not installed."""
        _needs("pandas", "pandas")
        return self.arrow().to_pandas()

    def dataset(self, folder: Path | str | None = None) -> datasets.Dataset:
        """All rows as a Hugging Face dataset. With `folder` they are written there once, a batch at a time, and the
        dataset is mapped from disk, for rows that do not fit in memory. Raises InputError where `datasets` is not
        installed."""
        _needs("datasets", "dqdata[hub]")
        from datasets import Dataset

        if folder is None:
            return Dataset(self.arrow())
        from dqdata.trainer import ROWS
        from dqdata.training.materialise import write_split

        write_split(self.batches(), Path(folder))
        return Dataset.from_file(str(Path(folder) / ROWS))

    def torch(self) -> TorchRows:
        """All rows as a map-style `torch.utils.data.Dataset`, each a dictionary of Python values. Raises InputError
        where torch is not installed."""
        _needs("torch", "dqdata[train]")
        from dqdata.api.torch_rows import TorchRows

        return TorchRows(self.arrow())

    def write(self, file: Path | str, columns: dict[str, str] | None = None) -> int:
        """Writes the rows to a .jsonl, .parquet, .csv or .json file, which appears whole or not at all. columns: new
        names to old ones. Returns the number of rows. Raises DataError for another ending or an unknown column."""
        from dqdata.catalog.export import format_of, renamed, write

        path = Path(file)
        kind = format_of(path)
        return write(renamed(self.batches(), columns or {}), path, kind)

    def head(self, rows: int = SHOWN_ROWS) -> list[dict[str, Any]]:
        """The first rows as dictionaries; no more are read than the batch that holds them."""
        found: list[dict[str, Any]] = []
        for batch in self.batches():
            found += batch.slice(0, rows - len(found)).to_pylist()
            if len(found) >= rows:
                break
        return found

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each row as a dictionary."""
        for batch in self.batches():
            yield from batch.to_pylist()

    def __len__(self) -> int:
        """The number of rows, which are counted without being kept."""
        return sum(batch.num_rows for batch in self.batches())

    def __bool__(self) -> bool:
        """Whether there is a row; counts no further."""
        return bool(self.head(1))

    def __repr__(self) -> str:
        return f"<Rows of {self.query!r}>"

    def _repr_html_(self) -> str:
        return self._shown("")

    def _shown(self, title: str) -> str:
        from dqdata.notebook import table

        first = self.head(SHOWN_ROWS + 1)
        names: Sequence[str] = self.schema.names
        more = f"<p>the first {SHOWN_ROWS} rows</p>" if len(first) > SHOWN_ROWS else ""
        return title + table(names, [[row[name] for name in names] for row in first[:SHOWN_ROWS]]) + more


def _needs(module: str, package: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"{module} is not installed: pip install '{package}'", code="missing-extra") from error
