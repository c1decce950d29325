"""Counts the rows of a file without reading their content, for plans.

>>> rows_in(Path("problems.jsonl"), "jsonl", "utf-8")
1000
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path

from dqdata.sources.arrow_files import arrow_rows
from dqdata.sources.parquet_rows import parquet_rows
from dqdata.sources.paths import Format, opened

BLOCK = 1 << 20
MOST = 1 << 30
"""Bytes of text from which on the count is left to the run: counting them takes seconds."""
MOST_ARRAY = 64 << 20
"""The same of a JSON array, which is parsed to be counted."""


def rows_in(file: Path, kind: Format, encoding: str) -> int | None:
    """Rows of a file; None for encodings of more than a byte a sign, past MOST bytes (MOST_ARRAY of a JSON array), and
    for JSON that is none. Raises DataError where the file can't be read."""
    if kind == "parquet":
        return parquet_rows(file)
    if kind == "arrow":
        return arrow_rows(file)
    if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        return None
    if kind == "json" and (text := _beginning(file)).lstrip().startswith(b"["):
        return _array(text, encoding) if len(text) <= MOST_ARRAY else None
    pieces = _records(file) if kind in ("csv", "tsv") else _lines(file)
    count = 0
    for rows in pieces:
        if rows is None:
            return None
        count += rows
    return max(0, count - 1) if kind in ("csv", "tsv") else count


def _beginning(file: Path) -> bytes:
    """The file without its byte order mark; of a larger one somewhat more than MOST_ARRAY."""
    with opened(file) as source:
        text: bytes = source.read(MOST_ARRAY + 4)
    return text.removeprefix(codecs.BOM_UTF8)


def _array(text: bytes, encoding: str) -> int | None:
    try:
        return len(json.loads(text.decode(encoding)))
    except (ValueError, RecursionError):
        return None


def _blocks(file: Path) -> Iterator[bytes | None]:
    """The file's bytes; None once there were too many."""
    size = 0
    with opened(file) as source:
        while block := source.read(BLOCK):
            size += len(block)
            if size > MOST:
                yield None
                return
            yield block


def _lines(file: Path) -> Iterator[int | None]:
    """Lines with something on them, a block at a time."""
    rest = b""
    for block in _blocks(file):
        if block is None:
            yield None
            return
        *whole, rest = (rest + block).split(b"\n")
        yield sum(1 for line in whole if line.strip())
    yield 1 if rest.strip() else 0


def _records(file: Path) -> Iterator[int | None]:
    """Records of CSV, the header among them: line ends outside of double quotes, empty lines left out."""
    inside, blank = False, True
    for block in _blocks(file):
        if block is None:
            yield None
            return
        count = 0
        for number, part in enumerate(block.split(b'"')):
            if number:
                inside, blank = not inside, False
            if inside:
                continue
            *whole, rest = part.split(b"\n")
            for line in whole:
                count += not (blank and not line.strip())
                blank = True
            blank = blank and not rest.strip()
        yield count
    yield 0 if blank else 1
