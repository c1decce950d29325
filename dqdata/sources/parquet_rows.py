"""Reads Parquet files: columns from the footer, rows a few thousand at a time.

A file of a few hundred bytes can stand for gigabytes, in one value or in many equal ones. The footer says how large the
columns of a group of rows are, which is compared with `max_row_mb` before they are read; where a small column may hold
large values many times, its distinct values are read, and rows are made of them a few at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.arrow_types import stored_schema
from dqdata.columns import check_names
from dqdata.database import connect
from dqdata.errors import ColumnError, DataError
from dqdata.files import parquet_file
from dqdata.sources.bounds import check_columns
from dqdata.sources.columnar import BATCH_ROWS, FEW_ROWS, MOST_BYTES, plain_rows
from dqdata.sources.record import Reading, at, too_long

if TYPE_CHECKING:
    import pyarrow as pa

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
            for whole in _batches(file, path, rows, wanted):
                yield from plain_rows(whole, schema, path, first, reading, intervals)
                first += whole.num_rows
        except (pa.ArrowException, OSError) as error:
            raise at(path, first, f"damaged here or after: {error}; fetch or write the file again", "row") from error


def _batches(file: Any, path: Path, rows: int, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    """Batches of these columns by Arrow, and by DuckDB from where Arrow can't read what DuckDB wrote: of an array
    FLOAT[n] that is null it writes n levels, which Arrow takes for places of a list."""
    import pyarrow as pa

    read = 0
    try:
        for batch in file.iter_batches(rows, columns=wanted):
            yield batch
            read += batch.num_rows
        return
    except pa.ArrowInvalid as error:
        if not file.metadata.created_by.startswith("DuckDB") or "list offsets" not in str(error):
            raise
    names = ", ".join('"' + name.replace('"', '""') + '"' for name in wanted)
    text = f"select {names} from read_parquet($path, file_row_number = true) where file_row_number >= $read"
    with connect(files=[path], threads=1) as con:
        yield from con.execute(text, {"path": str(path), "read": read}).to_arrow_reader(rows)


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
