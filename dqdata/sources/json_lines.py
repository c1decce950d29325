"""Reads JSON Lines, and JSON arrays of objects.

    {"question": "What is 2 + 2?", "answer": "4"}
    {"question": "What is 2 + 3?", "answer": "5"}

Blocks of lines go through Arrow's parser. A block that it refuses is read again line by line, which finds the line and
says what is wrong with it, or shows that nothing is.
"""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from dqdata.columns import check_names, is_text
from dqdata.errors import ColumnError, DataError, nearest
from dqdata.sources.bounds import check_columns, check_record, decode_json
from dqdata.sources.bounds import read_json as parsed_json
from dqdata.sources.json_types import JsonType, Mismatch, fitted, merged, to_arrow, type_of
from dqdata.sources.paths import opened
from dqdata.sources.record import BATCH_ROWS, BLOCK_BYTES, Reading, at, excerpt, too_long, undecodable, wrong_type

if TYPE_CHECKING:
    import pyarrow as pa

Block = tuple[int, str]
"""Whole lines, and the number of the first, from 1."""
Record = tuple[int, dict[str, Any]]
EXACT = float(2**53)
"""A DOUBLE holds every smaller whole number."""
PLAIN: dict[str, set[type]] = {
    "string": {str, NoneType},
    "double": {float, NoneType},
    "bool": {bool, NoneType},
}


def sample_json(path: Path, reading: Reading, *, array: bool) -> dict[str, pa.DataType]:
    """Columns and types from the first rows; null where they hold nothing else. Raises DataError."""
    kinds: dict[str, JsonType] = {}
    since: dict[str, int] = {}
    rows = 0
    for line, record in islice(_records(path, reading, array=array), reading.sample_rows or None):
        rows += 1
        for name, value in record.items():
            if name in reading.types:
                kinds.setdefault(name, None)
                continue
            try:
                kinds[name] = merged(kinds.get(name), type_of(value))
            except Mismatch as error:
                there = f" (as in line {since[name]})" if name in since else ""
                raise wrong_type(path, line, name + error.path, error.expected + there, error.got) from None
            if value is not None:
                since.setdefault(name, line)
        check_columns(list(kinds), path)
        _check_names(record, reading, path, line)
    if not rows:
        raise DataError(f"{path} is empty: it holds no row")
    return {name: reading.types.get(name) or to_arrow(kind) for name, kind in kinds.items()}


def _check_names(record: Mapping[str, Any], reading: Reading, path: Path, line: int) -> None:
    """Raises DataError for a key that can't be the name of a column, even a renamed one, or of a field in it."""
    if odd := next((name for name in record if not is_text(name)), None):
        raise at(path, line, f"key {odd!r} is no text that SQL can hold; rename it")
    todo = [(name, value) for name, value in record.items() if name not in reading.types]
    while todo:
        column, value = todo.pop()
        if isinstance(value, Mapping):
            try:
                check_names(value)
            except ColumnError as error:
                advice = f'; or read it as text with types = {{ "{column}" = "VARCHAR" }}'
                raise at(path, line, f"the objects in column {column!r}: {error}{advice}") from None
            todo += [(column, inner) for inner in value.values()]
        elif isinstance(value, list):
            todo += [(column, inner) for inner in value]


def read_json(
    path: Path, schema: Mapping[str, pa.DataType], reading: Reading, *, array: bool
) -> Iterator[pa.RecordBatch]:
    """All rows in these types. Raises DataError that names the line."""
    if array:
        records = _records(path, reading, array=True)
        while rows := list(islice(records, BATCH_ROWS)):
            yield _checked(rows, schema, reading, path)
        return
    guesses = [frozenset[str](), frozenset(reading.types)]
    for first, text in _blocks(path, reading):
        batch = None
        for guess in guesses:
            if (batch := _parsed_fast(text, schema, guess)) is not None:
                guesses.sort(key=lambda one: one != guess)  # the other blocks are probably like this one
                break
        if batch is not None:
            yield batch
        elif rows := list(_lines(path, first, text, reading)):
            yield _checked(rows, schema, reading, path)


def _parsed_fast(text: str, schema: Mapping[str, pa.DataType], free: frozenset[str]) -> pa.RecordBatch | None:
    """A block by Arrow's own parser; None where that finds anything unusual. Whole numbers and booleans in `free`
    columns become text."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    raw = text.encode()
    wanted = pa.schema(list(schema.items()))
    parse = arrow_json.ParseOptions(
        explicit_schema=pa.schema([field for field in wanted if field.name not in free]),
        unexpected_field_behavior="infer" if free else "error",
    )
    read = arrow_json.ReadOptions(use_threads=False, block_size=len(raw) + 1)
    try:
        table = arrow_json.read_json(io.BytesIO(raw), read_options=read, parse_options=parse)
        for name in set(table.column_names) - (schema.keys() - free):
            kind = table.schema.field(name).type
            if name not in schema or kind not in (pa.int64(), pa.bool_(), pa.string(), pa.null()):
                return None
        if any(table.schema.field(name).type != schema[name] for name in schema.keys() - free):
            return None
        for name in schema.keys() - set(table.column_names):
            table = table.append_column(name, pa.nulls(table.num_rows, schema[name]))
        batch = table.select(list(schema)).combine_chunks().cast(wanted).to_batches()[0]
    except (pa.ArrowException, IndexError):
        return None
    return None if any(map(_holds_large, batch.columns)) else batch


def _holds_large(column: pa.Array) -> bool:
    """Whether a DOUBLE in it may have been a whole number whose last digits Arrow rounded."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_struct(kind):
        return any(_holds_large(part) for part in column.flatten())
    if pa.types.is_list(kind):
        return _holds_large(column.flatten())
    return pa.types.is_floating(kind) and bool(pc.any(pc.greater_equal(pc.abs(column), EXACT)).as_py())


def _checked(rows: list[Record], schema: Mapping[str, pa.DataType], reading: Reading, path: Path) -> pa.RecordBatch:
    """Rows in the types of the schema, value by value."""
    import pyarrow as pa

    for line, record in rows:
        if not record.keys() <= schema.keys():
            name = next(name for name in record if name not in schema)
            raise at(
                path,
                line,
                f"key {name!r} isn't in the first rows{nearest(name, schema)}; fix the row, or declare the column "
                f'with types = {{ {name} = "VARCHAR" }}',
            )
    columns = {name: _column(rows, name, kind, reading, path) for name, kind in schema.items()}
    try:
        arrays = [pa.array(columns[name], kind) for name, kind in schema.items()]
        return pa.RecordBatch.from_arrays(arrays, names=list(schema))
    except UnicodeEncodeError:
        line, name = next((line, name) for line, record in rows for name in schema if _broken(record.get(name)))
        raise at(
            path,
            line,
            f"column {name!r} holds half of a surrogate pair (\\ud800 to \\udfff alone), which is no text; "
            "write the row again without it",
        ) from None


def _column(rows: list[Record], name: str, kind: pa.DataType, reading: Reading, path: Path) -> list[Any]:
    """Values of one column as its type takes them; columns of plain values of the right type are taken as they are."""
    values = [record.get(name) for _, record in rows]
    if {type(value) for value in values} <= PLAIN.get(str(kind), set()):
        return values
    as_text = name in reading.types
    for place, value in enumerate(values):
        try:
            values[place] = fitted(value, kind, as_text=as_text)
        except Mismatch as error:
            raise wrong_type(path, rows[place][0], name + error.path, error.expected, error.got) from None
    return values


def _broken(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _records(path: Path, reading: Reading, *, array: bool) -> Iterator[Record]:
    if array:
        yield from _array(path, reading)
        return
    for first, text in _blocks(path, reading):
        yield from _lines(path, first, text, reading)


def _lines(path: Path, first: int, text: str, reading: Reading) -> Iterator[Record]:
    for line, raw in enumerate(text.split("\n"), first):
        if not raw or raw.isspace():
            continue
        ends = not text.endswith("\n") and raw in text[-len(raw) :]
        cut = "; the file ends here: was its writing cut off?" if ends else ""
        record = parsed_json(raw, path, line, cut, exact=reading.exact)
        if not isinstance(record, dict):
            raise at(path, line, f'a row must be an object such as {{"question": ...}}, got {excerpt(raw)}')
        check_record(record, path, line)
        yield line, record


def _array(path: Path, reading: Reading) -> Iterator[Record]:
    """Objects of `[{...}, {...}]`; the text is held whole. A file of JSON Lines under this name is read as that."""
    blocks = list(_blocks(path, reading))
    text = "".join(block for _, block in blocks)
    start = len(text) - len(text.lstrip())
    if text[start : start + 1] != "[":
        yield from _lines_or_one_object(path, text, reading)
        return
    decoder = json.JSONDecoder(parse_float=Decimal if reading.exact else None)
    place, line, counted = start + 1, 1, 0
    while True:
        while text[place : place + 1] in (" ", "\n", "\r", "\t", ","):
            place += 1
        line, counted = line + text.count("\n", counted, place), place
        if text[place : place + 1] == "]":
            return
        began = place
        record, place = decode_json(decoder, text, place, path, line)
        if place - began > reading.max_row_bytes:
            raise too_long(path, line, place - began, reading.max_row_bytes)
        if not isinstance(record, dict):
            raise at(path, line, f'a row must be an object such as {{"question": ...}}, got {excerpt(str(record))}')
        check_record(record, path, line)
        yield line, record


def _lines_or_one_object(path: Path, text: str, reading: Reading) -> Iterable[Record]:
    try:
        whole = json.loads(text) if text.strip() else None
    except (ValueError, RecursionError):
        return _lines(path, 1, text, reading)
    if isinstance(whole, dict) and text.strip().count("\n"):
        raise DataError(f"{path} is one JSON object; rows must be JSON Lines, or an array of objects")
    return _lines(path, 1, text, reading)


def _blocks(path: Path, reading: Reading) -> Iterator[Block]:
    """The file as text, in blocks of whole lines; a byte order mark is skipped. Raises DataError for bytes of another
    encoding, and for a line over the limit."""
    decoder = codecs.getincrementaldecoder("utf-8" if reading.is_utf8 else reading.encoding)("strict")
    line, rest, start = 1, "", True
    with opened(path) as file:
        while True:
            raw = file.read(BLOCK_BYTES)
            if start and raw[:4] == b"PAR1":
                raise DataError(f"{path} is a Parquet file under another name; write format = 'parquet' in `from`")
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                bad = error.object[error.start]
                raise undecodable(
                    path, line + rest.count("\n") + _line_ends(error, reading), reading.encoding, bad
                ) from None
            if start and text:
                text, start = text.removeprefix("\ufeff"), False
            whole, end, begun = (rest + text).rpartition("\n")
            if whole or end:
                if len(whole) > reading.max_row_bytes:
                    _check_lengths(path, line, whole, reading)
                yield line, whole + end
                line += whole.count("\n") + 1
            rest = begun
            if len(rest) > reading.max_row_bytes:
                raise too_long(path, line, len(rest), reading.max_row_bytes)
            if not raw:
                break
    if rest:
        yield line, rest


def _check_lengths(path: Path, first: int, text: str, reading: Reading) -> None:
    for line, raw in enumerate(text.split("\n"), first):
        if len(raw) > reading.max_row_bytes:
            raise too_long(path, line, len(raw), reading.max_row_bytes)


def _line_ends(error: UnicodeDecodeError, reading: Reading) -> int:
    """Line ends before the bad byte, in the bytes that were being decoded."""
    before = error.object[: error.start]
    return before.decode(reading.encoding, "ignore").count("\n")
