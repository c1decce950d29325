"""Record batches of Parquet and Arrow files as rows hold them: plain values in the planned types, a few at a time."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.arrow_types import interval_texts, stored_array
from dqdata.errors import DataError
from dqdata.sources.record import Reading, at, excerpt, too_long

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 2000
FEW_ROWS = 8
"""Rows that are read at a time where a nested column may repeat large values."""
MOST_BYTES = 128 << 20


def plain_rows(
    whole: pa.RecordBatch,
    schema: Mapping[str, pa.DataType],
    path: Path,
    first: int,
    reading: Reading,
    intervals: Collection[str] = (),
) -> Iterator[pa.RecordBatch]:
    """The columns of `schema` in its types, null for one that the batch lacks, in parts that hold MOST_BYTES at most.
    first: number of the first row in the file, from 1. intervals: columns of Parquet's own type INTERVAL. Raises
    DataError that names the row."""
    import pyarrow as pa

    for batch in _expanded(whole, path, first, reading):
        _check_sizes(batch, path, first, reading)
        yield pa.RecordBatch.from_arrays(
            [_column(batch, name, kind, path, first, intervals) for name, kind in schema.items()], names=list(schema)
        )
        first += batch.num_rows


def _expanded(batch: pa.RecordBatch, path: Path, first: int, reading: Reading) -> Iterator[pa.RecordBatch]:
    """The batch with plain columns, in parts that hold MOST_BYTES at most."""
    import pyarrow as pa
    import pyarrow.compute as pc

    largest = 0
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            values = stored_array(column.dictionary)
            if pa.types.is_nested(values.type):
                longest = values.nbytes
            else:
                is_binary = pa.types.is_string(values.type) or pa.types.is_binary(values.type)
                longest = (pc.max(pc.binary_length(values)).as_py() or 0) if is_binary else 16
            if longest > reading.max_row_bytes:
                raise too_long(path, first, longest, reading.max_row_bytes, "row")
            largest += longest
    step = max(1, min(batch.num_rows, MOST_BYTES // max(1, largest)))
    for start in range(0, batch.num_rows, step):
        part = batch.slice(start, step)
        columns = [stored_array(column) if pa.types.is_dictionary(column.type) else column for column in part.columns]
        yield pa.RecordBatch.from_arrays(columns, names=part.schema.names)


def _column(
    batch: pa.RecordBatch, name: str, kind: pa.DataType, path: Path, first: int, intervals: Collection[str]
) -> pa.Array:
    import pyarrow as pa

    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, kind)
    try:
        found = batch.column(name)
        as_bytes = name in intervals and pa.types.is_fixed_size_binary(found.type)
        column = interval_texts(found) if as_bytes else stored_array(found)
    except pa.ArrowInvalid as error:
        rows = f"rows {first} to {first + batch.num_rows - 1}"
        raise DataError(f"{path} {rows}: column {name!r} holds a value beyond the range of rows: {error}") from error
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
