"""Reads CSV and TSV with a header line, quoted as RFC 4180 says.

    question,answer,level
    "What is 2 + 2, and why?",4,1

A column is BIGINT, DOUBLE or BOOLEAN where every value of the sample is one, written in the one usual way; else it is
text as it is: "007" and "1e5" keep their shape. Whole numbers past 64 bits are DECIMAL(38,0), exact. An empty field
is null; in a column of text one in quotes, "", is empty text.
"""

from __future__ import annotations

import codecs
import csv
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.errors import DataError
from dqdata.sources.bounds import check_columns
from dqdata.sources.paths import opened
from dqdata.sources.record import BATCH_ROWS, Reading, at, excerpt, too_long, undecodable, wrong_type

if TYPE_CHECKING:
    import pyarrow as pa

Numbered = tuple[int, list[str | None]]
"""The line a row begins on, and its fields; None for one that is empty and not in quotes."""
SHAPES = {
    "int64": (re.compile(r"0|-?[1-9]\d{0,17}"), "whole numbers of up to 18 digits"),
    "decimal128(38, 0)": (re.compile(r"0|-?[1-9]\d{0,37}"), "whole numbers of up to 38 digits"),
    "double": (re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d+)?"), "numbers of up to 15 digits before the point"),
    "bool": (re.compile(r"true|false", re.IGNORECASE), "true or false"),
}

DECIMALS = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")


def sample_csv(path: Path, reading: Reading, delimiter: str) -> dict[str, pa.DataType]:
    """Columns from the header, types from the first rows; null where they hold nothing. Raises DataError."""
    import pyarrow as pa

    rows = _rows(path, reading, delimiter)
    header = _header(rows)
    sample = list(islice(rows, reading.sample_rows or None))
    if not sample:
        raise DataError(f"{path} is empty: there is no row below the header")
    kinds = {
        "int64": pa.int64(),
        "decimal128(38, 0)": pa.decimal128(38, 0),
        "double": pa.float64(),
        "bool": pa.bool_(),
    }
    types: dict[str, pa.DataType] = {}
    for place, name in enumerate(header):
        values = [text for _, fields in sample if (text := fields[place])]
        shape = next((shape for shape, (form, _) in SHAPES.items() if all(map(form.fullmatch, values))), None)
        types[name] = reading.types.get(name) or (kinds[shape] if shape else pa.string()) if values else pa.null()
    return types


def read_csv(
    path: Path, schema: Mapping[str, pa.DataType], reading: Reading, delimiter: str
) -> Iterator[pa.RecordBatch]:
    """All rows in these types. Raises DataError that names the line."""
    rows = _rows(path, reading, delimiter)
    header = _header(rows)
    while part := list(islice(rows, BATCH_ROWS)):
        yield _batch(part, header, schema, path)


def _header(rows: Iterator[Numbered]) -> list[str]:
    return [name or "" for name in next(rows)[1]]


def _batch(rows: list[Numbered], header: list[str], schema: Mapping[str, pa.DataType], path: Path) -> pa.RecordBatch:
    import pyarrow as pa

    columns = []
    for name, kind in schema.items():
        if name not in header:
            columns.append(pa.nulls(len(rows), kind))
            continue
        place = header.index(name)
        texts = [fields[place] for _, fields in rows]
        if pa.types.is_string(kind):
            columns.append(pa.array(texts, pa.string()))
            continue
        values = [text or None for text in texts]
        _check_shapes(values, rows, name, kind, path)
        try:
            columns.append(pa.array(values, pa.string()).cast(kind))
        except pa.ArrowInvalid as error:
            lines = f"lines {rows[0][0]} to {rows[-1][0]}"
            raise DataError(f"{path} {lines}: column {name!r} holds a number that is not {kind}: {error}") from error
    return pa.RecordBatch.from_arrays(columns, names=list(schema))


def _check_shapes(texts: list[str | None], rows: list[Numbered], name: str, kind: pa.DataType, path: Path) -> None:
    import pyarrow as pa

    form, described = SHAPES.get(str(kind), (None, ""))
    if form is None and pa.types.is_decimal(kind):
        form, described = DECIMALS, "numbers"
    if form is None:
        raise DataError(
            f"{path}: column {name!r} can't be read from CSV as {kind}; leave it text and cast it in a step"
        )
    for text, (line, _) in zip(texts, rows, strict=True):
        if text is not None and not form.fullmatch(text):
            raise wrong_type(path, line, name, described, excerpt(text))


def _rows(path: Path, reading: Reading, delimiter: str) -> Iterator[Numbered]:
    """The header, then the rows. Raises DataError."""
    csv.field_size_limit(sys.maxsize)
    lines = _Lines(path, reading)
    with opened(path) as file:
        parser = csv.reader(lines.of(file), delimiter=delimiter, strict=True)
        header: list[str] = []
        begins = 1
        try:
            for fields in parser:
                line, begins = begins, parser.line_num + 1
                raw = lines.new_row()
                if not fields:
                    continue
                known: list[str | None] = list(fields)
                if "" in fields:
                    _mark_nulls(known, raw, delimiter)
                if not header:
                    header = fields
                    _check_header(path, header)
                elif len(fields) != len(header):
                    raise at(
                        path,
                        line,
                        f"{len(fields)} fields where the header has {len(header)}; text with {delimiter!r} or line "
                        "ends in it needs double quotes",
                    )
                yield line, known
        except csv.Error as error:
            raise at(path, begins, f"not CSV: {error}; is a double quote missing, or one inside not doubled?") from None
    if not header:
        raise DataError(f"{path} is empty: it holds no header line")


def _mark_nulls(fields: list[str | None], raw: str, delimiter: str) -> None:
    """Fields that are empty and not in quotes made None; raw: the row as it is written."""
    if '""' not in raw:
        fields[:] = [text or None for text in fields]
        return
    place = start = 0
    quoted = False
    for end, sign in enumerate(raw):
        if sign == '"':
            quoted = not quoted
        elif not quoted and sign in (delimiter, "\r", "\n"):
            if end == start:
                fields[place] = None
            place, start = place + 1, end + 1
            if sign != delimiter:
                return
    if start == len(raw):
        fields[place] = None


def _check_header(path: Path, header: list[str]) -> None:
    check_columns(header, path)
    for place, name in enumerate(header):
        if not name.strip():
            raise at(path, 1, f"column {place + 1} of the header has no name")
        if name in header[:place]:
            raise at(path, 1, f"two columns are named {name!r}; rename one")


class _Lines:
    """Lines of a file as text, counting the bytes of the row that is being read."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self._path, self._reading = path, reading
        self._size = self._line = 0
        self._begins = 1
        self._row: list[str] = []

    def new_row(self) -> str:
        """The text of the row that was read; counting begins anew."""
        self._size, self._begins = 0, self._line + 1
        row, self._row = "".join(self._row), []
        return row

    def of(self, file: Any) -> Iterator[str]:
        encoding = "utf-8-sig" if self._reading.is_utf8 else self._reading.encoding
        rest = ""
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        while True:
            raw = file.read(1 << 20)
            try:
                text = rest + decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(encoding, "ignore")
                line = self._line + 1 + (rest + before).count("\n")
                raise undecodable(self._path, line, self._reading.encoding, error.object[error.start]) from None
            whole = _split(text)
            rest = whole.pop() if raw and whole and not whole[-1].endswith("\n") else ""
            for line_text in whole:
                self._line += 1
                self._grow(len(line_text))
                self._row.append(line_text)
                yield line_text
            if len(rest) > self._reading.max_row_bytes:
                self._grow(len(rest))
            if not raw:
                return

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._reading.max_row_bytes:
            raise too_long(self._path, self._begins, self._size, self._reading.max_row_bytes)


def _split(text: str) -> list[str]:
    """Lines with their ends; unlike str.splitlines it cuts at "\\n" alone, as csv wants."""
    return [line + "\n" for line in text.split("\n")[:-1]] + ([last] if (last := text.rpartition("\n")[2]) else [])
