"""Writes the rows of a query, batch by batch: JSONL, Parquet, CSV, or one JSON list of records.

    write(store.query("select * from slow_thinking@3"), Path("slow.jsonl"), "jsonl")  # number of rows

A file appears under its own name only when it is whole. Lists and structs survive JSONL and Parquet; CSV holds them as
JSON text. Numbers keep all of their digits, in CSV null is nothing and empty text is "".
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, get_args

from dqdata.catalog.values import cell_type, cells, json_rows, text_bytes
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
    raise DataError(f"{file}: the name must end in .jsonl, .parquet, .csv or .json, which decides the format")


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


def write_object(out: IO[bytes], rows: pa.RecordBatchReader) -> int:
    """Writes all rows as one JSON object {"columns": [...], "rows": [...]}, for programs that read standard output;
    returns how many."""
    _check_names(rows)
    out.write(f'{{"columns": {json.dumps(rows.schema.names, ensure_ascii=False)}, "rows": ['.encode())
    count = _write_records(rows, out, ", ")
    out.write(b"]}\n")
    return count


def _write_jsonl(rows: pa.RecordBatchReader, out: IO[bytes]) -> int:
    _check_names(rows)
    count = _write_records(rows, out, "\n")
    out.write(b"\n" if count else b"")
    return count


def _write_json(rows: pa.RecordBatchReader, out: IO[bytes]) -> int:
    """A list of records, one a line."""
    _check_names(rows)
    out.write(b"[\n")
    count = _write_records(rows, out, ",\n")
    out.write(b"\n]\n" if count else b"]\n")
    return count


def _write_records(rows: pa.RecordBatchReader, out: IO[bytes], between: str) -> int:
    count = 0
    for batch in rows:
        if batch.num_rows:
            texts = text_bytes(json_rows(batch, between))
            out.write((texts if count else texts[len(between) :]).data)
            count += batch.num_rows
    return count


def _check_names(rows: pa.RecordBatchReader) -> None:
    names = rows.schema.names
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"two columns are named {twice[0]!r}: the second would replace the first; rename one with AS")


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

    schema = pa.schema([(field.name, cell_type(field.type)) for field in rows.schema])
    count = 0
    with pc.CSVWriter(out, schema) as writer:
        for batch in rows:
            writer.write_batch(pa.RecordBatch.from_arrays([cells(column) for column in batch.columns], schema=schema))
            count += batch.num_rows
    return count
