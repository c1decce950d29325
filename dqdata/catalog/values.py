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
    import pyarrow as pa


def python_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows as dictionaries; a map is a list of {key, value}, as its keys may be more than text."""
    columns = [_values(column) for column in batch.columns]
    names = batch.schema.names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def json_rows(batch: pa.RecordBatch) -> list[str]:
    """The rows as JSON objects: what `json_text` writes of `python_rows`, made column by column."""
    if not batch.num_columns:
        return ["{}"] * batch.num_rows
    names = (json_text(name).replace("%", "%%") for name in batch.schema.names)
    template = "{" + ", ".join(f"{name}: %s" for name in names) + "}"
    return [template % row for row in zip(*map(_json_texts, batch.columns), strict=True)]


def _json_texts(column: pa.Array) -> list[str]:
    """The JSON text of each value."""
    import pyarrow as pa

    values = _values(column)
    is_ = pa.types
    if is_.is_string(column.type) or is_.is_large_string(column.type):
        return ["null" if value is None else encode_basestring(value) for value in values]
    if is_.is_integer(column.type):
        return ["null" if value is None else str(value) for value in values]
    if is_.is_boolean(column.type):
        return ["null" if value is None else "true" if value else "false" for value in values]
    return [json_text(value) for value in values]


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
