"""Reads Parquet files: columns from the footer, rows a few thousand at a time.

A file of a few hundred bytes can stand for gigabytes, in one value or in many equal ones. The footer says how large the
columns of a group of rows are, which is compared with `max_row_mb` before they are read; where a small column may hold
large values many times, its distinct values are read, and rows are made of them a few at a time.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.arrow_types import interval_texts, stored_array, stored_schema
from dqdata.columns import check_names
from dqdata.errors import ColumnError, DataError
from dqdata.files import parquet_file
from dqdata.sources.bounds import check_columns
from dqdata.sources.record import Reading, at, excerpt, too_long

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 2000
FEW_ROWS = 8
"""Rows that are read at a time where a nested column may repeat large values."""
MOST_BYTES = 128 << 20
SMALL_VALUE = 64
"""Bytes of a column for each row, below which most of its values must be repeated."""


def sample_parquet(path: Path, reading: Reading) -> dict[str, pa.DataType]:
    """Columns and their types as rows hold them. Raises DataError."""
    import pyarrow as pa

    with _opened(path) as file:
        check_columns(file.schema_arrow.names, path)
        try:
            check_names(file.schema_arrow.names)
            held = stored_schema(file.schema_arrow)
        except ColumnError as error:
            raise DataError(f"{path}: {error}") from None
        types = {field.name: field.type for field in held} | dict.fromkeys(_intervals(file), pa.string())
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
        _check_groups(file.metadata, path, reading)
        intervals = _intervals(file)
        wanted = [name for name in schema if name in set(file.schema_arrow.names)]
        repeated = _may_repeat(file)
    with _opened(path, sorted(repeated)) as file:
        rows = FEW_ROWS if repeated - set(file.schema_arrow.names) else BATCH_ROWS
        try:
            for whole in file.iter_batches(rows, columns=wanted):
                for batch in _expanded(whole, path, first, reading):
                    _check_sizes(batch, path, first, reading)
                    yield pa.RecordBatch.from_arrays(
                        [_column(batch, name, kind, path, first, intervals) for name, kind in schema.items()],
                        names=list(schema),
                    )
                    first += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise at(path, first, f"damaged here or after: {error}; fetch or write the file again", "row") from error


def _check_groups(metadata: Any, path: Path, reading: Reading) -> None:
    """Raises DataError where the footer says that rows are larger than the limit on average."""
    first = 1
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            size = max(column.total_uncompressed_size, column.num_values // 8)  # a value takes a bit at least
            if size > max(1, group.num_rows) * reading.max_row_bytes:
                raise too_long(path, first, size // max(1, group.num_rows), reading.max_row_bytes, "row")
        first += group.num_rows


def _may_repeat(file: Any) -> set[str]:
    """Columns, by their path, that are small for their rows and yet hold a value that a batch would hold many times."""
    found = set()
    metadata = file.metadata
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            size = column.total_uncompressed_size
            dictionary = any("DICTIONARY" in name for name in column.encodings)
            large = column.physical_type == "BYTE_ARRAY" and size * min(BATCH_ROWS, group.num_rows) > MOST_BYTES
            if dictionary and large and size < SMALL_VALUE * group.num_rows:
                found.add(column.path_in_schema)
    return found


def _expanded(batch: pa.RecordBatch, path: Path, first: int, reading: Reading) -> Iterator[pa.RecordBatch]:
    """The batch with plain columns, in parts that hold MOST_BYTES at most."""
    import pyarrow as pa
    import pyarrow.compute as pc

    largest = 0
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
            if longest > reading.max_row_bytes:
                raise too_long(path, first, longest, reading.max_row_bytes, "row")
            largest += longest
    step = max(1, min(batch.num_rows, MOST_BYTES // max(1, largest)))
    for start in range(0, batch.num_rows, step):
        part = batch.slice(start, step)
        columns = [
            column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
            for column in part.columns
        ]
        yield pa.RecordBatch.from_arrays(columns, names=part.schema.names)


def _opened(path: Path, as_dictionaries: Sequence[str] = ()) -> Any:
    import pyarrow as pa

    try:
        return parquet_file(path, as_dictionaries)
    except (pa.ArrowException, OSError) as error:
        why = "empty" if path.stat().st_size == 0 else f"no whole Parquet file ({error})"
        raise DataError(f"{path} is {why}; fetch or write it again") from error


def _intervals(file: Any) -> set[str]:
    """Columns of Parquet's own type INTERVAL, which Arrow gives as bytes."""
    columns = (file.schema.column(place) for place in range(len(file.schema)))
    return {column.name for column in columns if column.converted_type == "INTERVAL" and column.path == column.name}


def _column(
    batch: pa.RecordBatch, name: str, kind: pa.DataType, path: Path, first: int, intervals: Collection[str]
) -> pa.Array:
    import pyarrow as pa

    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, kind)
    try:
        column = interval_texts(batch.column(name)) if name in intervals else stored_array(batch.column(name))
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
