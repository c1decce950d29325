"""Reads Arrow files: Feather, and Arrow's IPC file and stream formats, one record batch at a time.

Plain batches are mapped from the disk. Of compressed ones the file says how large each buffer is once it is unpacked,
which is compared with `max_row_mb` before anything is unpacked.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.arrow_types import stored_schema
from dqdata.columns import check_names
from dqdata.errors import ColumnError, DataError
from dqdata.sources.bounds import check_columns
from dqdata.sources.columnar import BATCH_ROWS, FEW_ROWS, plain_rows
from dqdata.sources.record import Reading, at, too_long

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BATCH_BYTES = 2 << 30
"""Bytes of a compressed record batch once it is unpacked, as a whole."""
_MAGIC = b"ARROW1\0\0"
_END = 10
"""Bytes of the end of the file format: the length of the footer, and ARROW1."""


def sample_arrow(path: Path) -> dict[str, pa.DataType]:
    """Columns and their types as rows hold them. Raises DataError."""
    schema = _opened(path).schema
    check_columns(schema.names, path)
    try:
        check_names(schema.names)
        return {field.name: field.type for field in stored_schema(schema)}
    except ColumnError as error:
        raise DataError(f"{path}: {error}") from None


def arrow_rows(path: Path) -> int:
    """Number of rows, from the heads of the record batches."""
    return sum(rows for rows, _, is_rows in _heads(path) if is_rows)


def read_arrow(path: Path, schema: Mapping[str, pa.DataType], reading: Reading) -> Iterator[pa.RecordBatch]:
    """All rows in these types. Raises DataError that names the row."""
    import pyarrow as pa

    _check_sizes(path, reading)
    file = _opened(path)
    step = FEW_ROWS if any(_may_repeat(field.type) for field in file.schema) else BATCH_ROWS
    first = 1
    try:
        for batch in _batches(file):
            for start in range(0, batch.num_rows, step):
                part = batch.slice(start, step)
                part.validate(full=True)
                yield from plain_rows(part, schema, path, first, reading)
                first += part.num_rows
    except (pa.ArrowException, OSError) as error:
        if "acceptable range" in str(error):
            problem = f"here or after, a value that no row can hold: {error}; write the column as text"
        else:
            problem = f"damaged here or after: {error}; fetch or write the file again"
        raise at(path, first, problem, "row") from error


def _opened(path: Path) -> Any:
    """The file's reader. Raises DataError."""
    import pyarrow as pa

    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
        if not start:
            raise DataError(f"{path} is empty; fetch or write it again")
        if start.startswith(b"FEA1"):
            raise DataError(
                f"{path} is Feather of version 1, which holds no lists; write it again with "
                "pyarrow.feather.write_feather(table, file, version=2)"
            )
        source = pa.memory_map(str(path))
        return pa.ipc.open_file(source) if start == _MAGIC else pa.ipc.open_stream(source)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is no whole Arrow file ({error}); fetch or write it again") from error


def _batches(file: Any) -> Iterator[pa.RecordBatch]:
    if hasattr(file, "get_batch"):
        yield from (file.get_batch(place) for place in range(file.num_record_batches))
    else:
        yield from file


def _may_repeat(kind: pa.DataType) -> bool:
    """Whether a type may hold one large value many times, inside of others; dictionaries of a column itself are
    measured when they are decoded."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_string_view(kind) or is_.is_binary_view(kind) or is_.is_list_view(kind) or is_.is_large_list_view(kind):
        return True
    if is_.is_run_end_encoded(kind):
        return True
    if not is_.is_nested(kind):
        return False
    inside = [kind.field(place).type for place in range(kind.num_fields)]
    return any(is_.is_dictionary(inner) or _may_repeat(inner) for inner in inside)


def _check_sizes(path: Path, reading: Reading) -> None:
    """Raises DataError where compressed rows would be larger than the limit on average, or a batch of them as a
    whole."""
    first = 1
    for rows, size, is_rows in _heads(path):
        if size > max(1, rows) * reading.max_row_bytes:
            raise too_long(path, first, size // max(1, rows), reading.max_row_bytes, "row")
        if size > MOST_BATCH_BYTES:
            problem = f"a compressed record batch of {size / (1 << 30):.1f} GB; write smaller ones, such as 10,000 rows"
            raise at(path, first, problem, "row")
        first += rows if is_rows else 0


def _heads(path: Path) -> Iterator[tuple[int, int, bool]]:
    """Of each batch its rows, its bytes once unpacked (0 where it isn't compressed), and whether it holds rows; others
    hold the values of a dictionary. Raises DataError."""
    import pyarrow as pa

    _opened(path)
    data = pa.memory_map(str(path)).read_buffer()
    try:
        if data.slice(0, len(_MAGIC)).to_pybytes() == _MAGIC:
            yield from (_head(head, body, is_rows) for head, body, is_rows in _blocks(data))
            return
        for message in pa.ipc.MessageReader.open_stream(data):
            if message.type in ("record batch", "dictionary"):
                yield _head(message.metadata.to_pybytes(), message.body, message.type == "record batch")
    except (pa.ArrowException, OSError, struct.error, IndexError, ValueError, MemoryError) as error:
        raise DataError(f"{path} is no whole Arrow file ({error}); fetch or write it again") from error


def _blocks(data: pa.Buffer) -> Iterator[tuple[bytes, pa.Buffer, bool]]:
    """Metadata and body of each batch of the file format, from its footer (File.fbs of the Arrow format)."""
    (size,) = struct.unpack_from("<i", data.slice(data.size - _END).to_pybytes())
    footer = _Table.root(data.slice(data.size - _END - size, size).to_pybytes())
    for number, is_rows in ((2, False), (3, True)):
        for offset, length, body in footer.structs(number, "<qi4xq"):
            head = data.slice(offset, length).to_pybytes()
            prefix = 8 if head.startswith(b"\xff\xff\xff\xff") else 4
            yield head[prefix:], data.slice(offset + length, body), is_rows


def _head(head: bytes, body: pa.Buffer, is_rows: bool) -> tuple[int, int, bool]:
    """The same of a message, from its metadata (Message.fbs of the Arrow format)."""
    content = _Table.root(head).table(2)
    batch = content if is_rows else content.table(1)
    rows = batch.number("<q", 0)
    size = 0
    if batch.place(3) is not None:
        for offset, length in batch.structs(2, "<qq"):
            if length:
                (unpacked,) = struct.unpack_from("<q", body.slice(offset, 8).to_pybytes())
                size += length - 8 if unpacked < 0 else unpacked
    return rows, size, is_rows


class _Table:
    """A table of a flatbuffer: fields by their number in the schema."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def place(self, number: int) -> int | None:
        """Where a field's value begins; None where it has its default."""
        directory = self._at - struct.unpack_from("<i", self._data, self._at)[0]
        (size,) = struct.unpack_from("<H", self._data, directory)
        (offset,) = struct.unpack_from("<H", self._data, directory + 4 + 2 * number) if 4 + 2 * number < size else (0,)
        return self._at + offset if offset else None

    def number(self, form: str, number: int) -> int:
        place = self.place(number)
        return 0 if place is None else int(struct.unpack_from(form, self._data, place)[0])

    def table(self, number: int) -> _Table:
        return _Table(self._data, self._target(number))

    def structs(self, number: int, form: str) -> list[tuple[int, ...]]:
        """The numbers of each struct of a vector."""
        if self.place(number) is None:
            return []
        start = self._target(number)
        (count,) = struct.unpack_from("<I", self._data, start)
        size = struct.calcsize(form)
        return [struct.unpack_from(form, self._data, start + 4 + size * place) for place in range(count)]

    def _target(self, number: int) -> int:
        place = self.place(number)
        if place is None:
            raise struct.error("a part of the metadata is missing")
        return place + int(struct.unpack_from("<I", self._data, place)[0])
