"""Rows of an Arrow batch as Python values and as cells of CSV, whatever type and whatever value they have.

>>> python_rows(batch)
[{'day': '290000-01-01', 'pairs': [{'key': 'a', 'value': 1}]}]

Python has no year past 9999 and no time 24:00:00: a column with one becomes text, as DuckDB writes it.
"""

from __future__ import annotations

import functools
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from dqdata.arrow_types import holds_midnight, mapped_list, mapped_struct
from dqdata.database import connect
from dqdata.json_text import json_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


def python_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows as dictionaries; a map is a list of {key, value}, as its keys may be more than text."""
    columns = [_values(column) for column in batch.columns]
    names = batch.schema.names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def json_rows(batch: pa.RecordBatch, before: str = "") -> pa.Array:
    """The rows as JSON objects, each after the text `before`: what `json_text` writes of `python_rows`, made column by
    column. An array of large strings."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts: list[pa.Array | str] = []
    for number, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
        parts += [f"{', ' if number else before + '{'}{json_text(name)}: ", _json_texts(column)]
    if not parts:
        return pa.array([before + "{}"] * batch.num_rows, pa.large_string())
    whole = [pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in (*parts, "}", "")]
    return pc.binary_join_element_wise(*whole)


def _json_texts(column: pa.Array) -> pa.Array:
    """The JSON text of each value, as large strings."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_, kind, text = pa.types, column.type, pa.large_string()
    if is_.is_string(kind) or is_.is_large_string(kind):
        mark = pa.scalar('"', text)
        quoted = pc.binary_join_element_wise(mark, _escaped(column.cast(text)), mark, pa.scalar("", text))
        return pc.fill_null(quoted, "null")
    if is_.is_integer(kind) or is_.is_boolean(kind):
        return pc.fill_null(column.cast(text), "null")
    if is_.is_float32(kind) or is_.is_float64(kind):
        return _float_texts(column.cast(pa.float64()))
    return pa.array([json_text(value) for value in _values(column)], text)


def _escaped(texts: pa.Array) -> pa.Array:
    """Large strings as they are between the quotes of JSON."""
    import numpy as np
    import pyarrow.compute as pc

    raw = text_bytes(texts)
    escapes = [mark for mark in '\\"' if (raw == ord(mark)).any()]
    escapes += [chr(code) for code in np.unique(raw[raw < 32])]
    for mark in escapes:
        texts = pc.replace_substring(texts, mark, encode_basestring(mark)[1:-1])
    return texts


def text_bytes(texts: pa.Array) -> npt.NDArray[np.uint8]:
    """The bytes of large strings, one after the other, in Arrow's own memory."""
    import numpy as np

    _, offsets, data = texts.buffers()
    if data is None or not len(texts):
        return np.empty(0, np.uint8)
    first, last = np.frombuffer(offsets, np.int64)[[texts.offset, texts.offset + len(texts)]]
    return np.frombuffer(data, np.uint8)[first:last]


def _float_texts(numbers: pa.Array) -> pa.Array:
    """DOUBLEs as Python writes them, null where JSON has no such number. Arrow writes those of everyday size alike,
    less the `.0` of whole numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    size, text = pc.abs(numbers), pa.large_string()
    plain = pc.or_(pc.equal(size, 0.0), pc.and_(pc.greater_equal(size, 1e-3), pc.less(size, 1e9)))
    texts = numbers.cast(text)
    fraction = pc.if_else(pc.match_substring(texts, "."), pa.scalar("", text), pa.scalar(".0", text))
    texts = pc.binary_join_element_wise(texts, fraction, pa.scalar("", text))
    odd = pc.invert(pc.fill_null(plain, False))
    if pc.any(odd).as_py():
        others = [json_text(value) for value in numbers.filter(odd).to_pylist()]
        texts = pc.replace_with_mask(texts, odd, pa.array(others, text))
    return texts


def cells(column: pa.Array) -> pa.Array:
    """A column as CSV holds it: nested values as JSON, bytes in base64, times as text."""
    import pyarrow as pa

    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        known = [None if value is None else _cell(value) for value in _values(column)]
        return pa.array(known, pa.string())
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        return column.cast(pa.string()) if _in_range(column) else _texts(column)
    return column


def cell_type(kind: pa.DataType) -> pa.DataType:
    """The type of `cells`."""
    import pyarrow as pa

    is_ = pa.types
    as_text = any(test(kind) for test in (is_.is_nested, is_.is_binary, is_.is_date, is_.is_timestamp))
    return pa.string() if as_text else kind


def _cell(value: Any) -> str:
    text = json_text(value)
    return text[1:-1] if isinstance(value, bytes) else text


def _values(column: pa.Array) -> list[Any]:
    known = _without_maps(column)
    if not _in_range(known):
        known = _texts(known)
    values: list[Any] = known.to_pylist()
    return values


def _in_range(column: pa.Array) -> bool:
    """Whether Python can hold every value."""
    if not _has_times(column.type):
        return True
    if holds_midnight(column):
        return False
    try:
        column.to_pylist()
    except (ValueError, OverflowError):
        return False
    return True


def _texts(column: pa.Array) -> pa.Array:
    """As DuckDB writes them: `infinity`, `290000-01-01`."""
    import pyarrow as pa

    with connect() as con:
        con.register("odd", pa.table({"x": column}))
        texts = con.execute("select x::varchar as x from odd").to_arrow_table().column("x")
    return pa.array(texts.to_pylist(), pa.string())


@functools.cache
def _has_times(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_nested(kind):
        return any(_has_times(kind.field(place).type) for place in range(kind.num_fields))
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_time(kind))


@functools.cache
def _has_maps(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_map(kind) or not pa.types.is_nested(kind):
        return bool(pa.types.is_map(kind))
    return any(_has_maps(kind.field(place).type) for place in range(kind.num_fields))


def _without_maps(column: pa.Array) -> pa.Array:
    """Maps as lists of {key, value}."""
    import pyarrow as pa

    kind = column.type
    if not _has_maps(kind):
        return column
    if pa.types.is_map(kind):
        pairs = pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))
        return mapped_list(column.cast(pairs), _without_maps)
    if pa.types.is_struct(kind):
        return mapped_struct(column, lambda _, values: _without_maps(values))
    return mapped_list(column, _without_maps)
