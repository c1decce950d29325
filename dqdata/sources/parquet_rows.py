"""Reads Parquet files: columns from the footer, rows a few thousand at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.errors import DataError
from dqdata.sources.record import Reading, at, excerpt, too_long

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 2000


def sample_parquet(path: Path, reading: Reading) -> dict[str, pa.DataType]:
    """Columns and types. Raises DataError."""
    with _opened(path) as file:
        types = {field.name: _plain(field.type) for field in file.schema_arrow}
    return {name: reading.types.get(name) or kind for name, kind in types.items()}


def parquet_rows(path: Path) -> int:
    """Number of rows, from the footer."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def read_parquet(path: Path, schema: Mapping[str, pa.DataType], reading: Reading) -> Iterator[pa.RecordBatch]:
    """All rows in these types. Raises DataError that names the row."""
    import pyarrow as pa

    first = 1
    with _opened(path) as file:
        there = set(file.schema_arrow.names)
        try:
            for batch in file.iter_batches(BATCH_ROWS, columns=[name for name in schema if name in there]):
                _check_sizes(batch, path, first, reading)
                yield pa.RecordBatch.from_arrays(
                    [_column(batch, name, kind, path, first) for name, kind in schema.items()], names=list(schema)
                )
                first += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise at(path, first, f"damaged here or after: {error}; fetch or write the file again", "row") from error


def _opened(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        why = "empty" if path.stat().st_size == 0 else f"no whole Parquet file ({error})"
        raise DataError(f"{path} is {why}; fetch or write it again") from error


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type without its encoding."""
    import pyarrow as pa

    return _plain(kind.value_type) if pa.types.is_dictionary(kind) else kind


def _column(batch: pa.RecordBatch, name: str, kind: pa.DataType, path: Path, first: int) -> pa.Array:
    import pyarrow as pa

    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, kind)
    column = batch.column(name)
    if column.type == kind:
        return column
    if pa.types.is_nested(column.type) and pa.types.is_string(kind):
        texts = [
            None if value is None else json.dumps(value, ensure_ascii=False, default=str)
            for value in column.to_pylist()
        ]
        return pa.array(texts, kind)
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        for place, value in enumerate(column):
            try:
                pa.array([value.as_py()], column.type).cast(kind)
            except pa.ArrowInvalid:
                problem = f"column {name!r} holds {excerpt(str(value))}, which isn't {kind}"
                raise at(path, first + place, problem, "row") from error
            except pa.ArrowNotImplementedError:
                break
        raise DataError(f"{path}: column {name!r} is {column.type} and can't be read as {kind}: {error}") from error


def _check_sizes(batch: pa.RecordBatch, path: Path, first: int, reading: Reading) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if batch.nbytes <= reading.max_row_bytes:
        return
    for column in batch.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            sizes = pc.fill_null(pc.binary_length(column), 0)
            largest = pc.max(sizes).as_py()
            if largest > reading.max_row_bytes:
                place = pc.index(sizes, largest).as_py()
                raise too_long(path, first + place, largest, reading.max_row_bytes, "row")
