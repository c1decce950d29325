"""Writes the rows of a query, batch by batch: JSONL, Parquet, CSV, or one JSON object with columns and rows.

    write(store.query("select * from slow_thinking@3"), Path("slow.jsonl"), "jsonl")  # number of rows

A file appears under its own name only when it is whole. Lists and structs survive JSONL and Parquet; CSV holds them as
JSON text.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, get_args

from dqdata.errors import DataError, StoreError, nearest
from dqdata.files import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["jsonl", "parquet", "csv", "json"]

_ROW_GROUP_BYTES = 64_000_000
"""Row groups are this big before compression: small enough to hold, large enough to compress and skip well."""


def format_of(file: Path) -> Format:
    """By the end of the name. Raises DataError for another."""
    for kind in get_args(Format):
        if file.name.endswith(f".{kind}"):
            return kind  # type: ignore[no-any-return]
    raise DataError(f"{file}: the name must end in .jsonl, .parquet, .csv or .json, as that says how to write it")


def check_target(file: Path) -> None:
    """Raises DataError for a file that can't be written, before anything is done for it."""
    folder = file.parent
    problem = ""
    if file.is_dir():
        problem = "it is a folder; name a file in it"
    elif not folder.exists():
        problem = f"there is no folder {folder}; make it first"
    elif not folder.is_dir():
        problem = f"{folder} is no folder"
    elif not os.access(folder, os.W_OK | os.X_OK):
        problem = f"the folder {folder.absolute()} is read-only for you; write elsewhere"
    if problem:
        raise DataError(f"can't write {file}: {problem}", code="unwritable-file")


def write(rows: pa.RecordBatchReader, file: Path, kind: Format) -> int:
    """Writes all rows; returns how many. Raises StoreError when the disk is full or the folder can't be written."""
    try:
        with whole_file(file) as unfinished, unfinished.open("wb") as out:
            return write_to(out, rows, kind)
    except OSError as error:
        raise StoreError(
            f"can't write {file}: {error.strerror or error}; nothing is left of it", code="unwritable-file"
        ) from error


def write_to(out: IO[bytes], rows: pa.RecordBatchReader, kind: Format) -> int:
    """Writes all rows to an open file or to standard output; returns how many."""
    return {"jsonl": _write_jsonl, "parquet": _write_parquet, "csv": _write_csv, "json": _write_json}[kind](rows, out)


def renamed(rows: pa.RecordBatchReader, columns: Mapping[str, str]) -> pa.RecordBatchReader:
    """The rows with columns renamed in their places; `columns` is new name to old. Raises DataError."""
    import pyarrow as pa

    names = list(rows.schema.names)
    for old in columns.values():
        if old not in names:
            raise DataError(f"no column {old!r}{nearest(old, names)} (there are: {', '.join(names)})")
    new_names = {old: new for new, old in columns.items()}
    wanted = [new_names.get(name, name) for name in names]
    if twice := [name for name in wanted if wanted.count(name) > 1]:
        raise DataError(f"two columns would be named {twice[0]!r}; rename the other one too")
    schema = pa.schema([field.with_name(name) for field, name in zip(rows.schema, wanted, strict=True)])
    return pa.RecordBatchReader.from_batches(schema, (batch.rename_columns(wanted) for batch in rows))


def plain(value: Any) -> Any:
    """A value as JSON knows it: times in ISO 8601, bytes in base64, decimals as numbers where they fit, and null for
    the numbers that JSON doesn't have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_pair(item) if isinstance(item, tuple) else plain(item) for item in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _pair(item: tuple[Any, ...]) -> list[Any]:
    """A map comes from Arrow as pairs of key and value, and stays so: its keys may be more than text."""
    return [plain(part) for part in item]


def _write_jsonl(rows: pa.RecordBatchReader, out: IO[bytes]) -> int:
    _check_names(rows)
    count = 0
    for batch in rows:
        for row in batch.to_pylist():
            out.write(_line(row) + b"\n")
        count += batch.num_rows
    return count


def _write_json(rows: pa.RecordBatchReader, out: IO[bytes]) -> int:
    _check_names(rows)
    out.write(f'{{"columns": {json.dumps(rows.schema.names, ensure_ascii=False)}, "rows": ['.encode())
    count = 0
    for batch in rows:
        for row in batch.to_pylist():
            out.write((", " if count else "").encode() + _line(row))
            count += 1
    out.write(b"]}\n")
    return count


def _check_names(rows: pa.RecordBatchReader) -> None:
    names = rows.schema.names
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"two columns are named {twice[0]!r}: the second would replace the first; rename one with AS")


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(plain(row), ensure_ascii=False, allow_nan=False).encode()


def _write_parquet(rows: pa.RecordBatchReader, out: IO[bytes]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count, held, size = 0, [], 0
    with pq.ParquetWriter(out, rows.schema, compression="zstd") as writer:
        for batch in rows:
            held.append(batch)
            count, size = count + batch.num_rows, size + batch.nbytes
            if size >= _ROW_GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(held))
                held, size = [], 0
        writer.write_table(pa.Table.from_batches(held, rows.schema))
    return count


def _write_csv(rows: pa.RecordBatchReader, out: IO[bytes]) -> int:
    """CSV with a header; null is an empty field, empty text is ""."""
    import pyarrow as pa
    import pyarrow.csv as pc

    nested = [pa.types.is_nested(field.type) for field in rows.schema]
    fields = zip(rows.schema, nested, strict=True)
    schema = pa.schema([pa.field(field.name, pa.string()) if as_json else field for field, as_json in fields])
    count = 0
    with pc.CSVWriter(out, schema) as writer:
        for batch in rows:
            columns = zip(batch.columns, nested, strict=True)
            arrays = [_as_json(column) if as_json else column for column, as_json in columns]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            count += batch.num_rows
    return count


def _as_json(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    texts = [
        None if value is None else json.dumps(plain(value), ensure_ascii=False, allow_nan=False)
        for value in column.to_pylist()
    ]
    return pa.array(texts, pa.string())
