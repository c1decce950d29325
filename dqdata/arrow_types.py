"""Arrow data in the types that rows hold: what sources give is converted here, value by value, and never by a guess.

>>> stored_type(pa.struct([("id", pa.uuid()), ("weights", pa.list_(pa.float16(), 2))]))
StructType(struct<id: string, weights: list<item: float>>)

An encoding (dictionary, run-end, view, large) is undone; what Arrow has and DuckDB lacks becomes the nearest type that
holds each value exactly. The rules are ARROW below; docs/types.md shows them.
"""

from __future__ import annotations

import functools
import struct
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dqdata.database import connect
from dqdata.errors import ColumnError

if TYPE_CHECKING:
    import pyarrow as pa


class ArrowRule(NamedTuple):
    """What becomes of a type of Arrow that DuckDB names otherwise or lacks. to: the type that rows hold; empty for one
    that is refused."""

    name: str
    to: str
    note: str


ARROW: tuple[ArrowRule, ...] = (
    ArrowRule("null", "VARCHAR", "a column of nothing but nulls; in JSON too"),
    ArrowRule("bool8", "BOOLEAN", ""),
    ArrowRule("halffloat", "FLOAT", "exact"),
    ArrowRule("decimal32, decimal64", "DECIMAL(p,s)", "exact"),
    ArrowRule("decimal256", "DECIMAL(p,s)", "up to 38 digits; VARCHAR, its digits, for more"),
    ArrowRule("large_string, string_view", "VARCHAR", ""),
    ArrowRule("large_binary, binary_view, fixed_size_binary", "BLOB", ""),
    ArrowRule("date64", "DATE", ""),
    ArrowRule("time32, time64[ns]", "TIME", "nanoseconds are cut off"),
    ArrowRule("timestamp[s], timestamp[ms], timestamp[ns]", "TIMESTAMP", "nanoseconds are cut off"),
    ArrowRule("timestamp[ns, zone]", "TIMESTAMP WITH TIME ZONE", "nanoseconds are cut off"),
    ArrowRule("timestamp[zone]", "TIMESTAMP WITH TIME ZONE", "the same instant, shown in UTC"),
    ArrowRule("duration, interval", "VARCHAR", "as DuckDB writes an INTERVAL: 2 days 00:00:03.5"),
    ArrowRule("dictionary, run_end_encoded", "type of its values", ""),
    ArrowRule("large_list, list_view, fixed_size_list", "T[]", ""),
    ArrowRule("arrow.uuid", "VARCHAR", "as 550e8400-e29b-41d4-a716-446655440000"),
    ArrowRule("arrow.json", "VARCHAR", "its text"),
    ArrowRule("other extension types", "type of their storage", "so Array2D of `datasets` is FLOAT[][]"),
    ArrowRule("union, arrow.opaque", "", "write one column for each member; opaque values as text or bytes"),
    ArrowRule(
        "ClassLabel of `datasets`",
        "VARCHAR",
        "the name of the class, null for -1; a Parquet or Arrow file alone gives its number",
    ),
    ArrowRule("Image, Audio of `datasets`", "STRUCT(bytes BLOB, path VARCHAR)", "as they are stored; not decoded"),
    ArrowRule("INTERVAL of Parquet", "VARCHAR", "as DuckDB writes an INTERVAL"),
)
"""In the order of Arrow's own list of types, then those of `datasets` and of Parquet files."""


def stored_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with each column in a type that rows hold; itself where all are. Raises ColumnError that names a
    column that can't be held."""
    import pyarrow as pa

    if all(_is_stored(field.type) for field in batch.schema):
        return batch
    columns = [_named(field.name, column) for field, column in zip(batch.schema, batch.columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of `stored_batch`. Raises ColumnError."""
    import pyarrow as pa

    stored = (
        field.type if _is_stored(field.type) else _named(field.name, pa.nulls(0, field.type)).type for field in schema
    )
    return pa.schema(list(zip(schema.names, stored, strict=True)))


def check_times(batch: pa.RecordBatch, keys: Sequence[str] = ()) -> None:
    """Raises ColumnError for the time 24:00:00, which SQL has, Python lacks and polars would make null. Names the
    column and the first such row, by the first of `keys` that is there or else its number in the batch."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if holds_midnight(column):
            at = next(place for place in range(len(column)) if holds_midnight(column.slice(place, 1)))
            key = next((key for key in keys if key in batch.schema.names), None)
            row = f"row {batch.column(key)[at].as_py()!r}" if key else f"row {at + 1}"
            raise ColumnError(
                f"column {name!r} of {row} holds the time 24:00:00, and rows hold 00:00:00 to 23:59:59.999999: make it "
                f"text, in SQL {name}::VARCHAR, or null"
            )


def holds_midnight(array: pa.Array) -> bool:
    """Whether one of the values, or one inside them, is the time 24:00:00 or later."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, is_ = array.type, pa.types
    if not has_time(kind):
        return False
    if is_.is_map(kind):
        _, keys, values = _map_parts(array)
        return holds_midnight(keys) or holds_midnight(values)
    if is_.is_struct(kind):
        return any(holds_midnight(pc.struct_field(array, [place])) for place in range(kind.num_fields))
    if _is_list(kind):
        return holds_midnight(array.flatten())
    units = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    whole = array.cast(pa.int32() if is_.is_time32(kind) else pa.int64())
    return bool(pc.any(pc.greater_equal(whole, 86_400 * units[kind.unit])).as_py())


@functools.cache
def has_time(kind: pa.DataType) -> bool:
    """Whether the type is a time of day, or holds one somewhere."""
    import pyarrow as pa

    if pa.types.is_nested(kind):
        return any(has_time(kind.field(place).type) for place in range(kind.num_fields))
    return bool(pa.types.is_time(kind))


def stored_type(kind: pa.DataType) -> pa.DataType:
    """The type of `stored_array`. Raises ColumnError."""
    import pyarrow as pa

    return stored_array(pa.nulls(0, kind)).type


def _named(name: str, column: pa.Array) -> pa.Array:
    import pyarrow as pa

    try:
        return stored_array(column)
    except ColumnError as error:
        raise ColumnError(f"column {name!r} is {column.type}: {error}") from None
    except pa.ArrowInvalid as error:
        raise ColumnError(f"column {name!r} is {column.type}, and a value can't be read: {error}") from error


def stored_array(array: pa.Array) -> pa.Array:
    """The values in the type that rows hold. Raises ColumnError for a type that can't be held, pyarrow.ArrowInvalid for
    a value beyond its range."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, is_ = array.type, pa.types
    if _is_stored(kind):
        return array
    if isinstance(kind, pa.BaseExtensionType):
        return _extension(array)
    if is_.is_dictionary(kind):
        return stored_array(array.dictionary).take(array.indices)
    if is_.is_run_end_encoded(kind):
        return stored_array(pc.run_end_decode(array))
    if is_.is_map(kind):
        return _map(array)
    if _is_list(kind):
        return mapped_list(array, stored_array)
    if is_.is_struct(kind):
        return _struct(array)
    if is_.is_decimal(kind):
        return _decimal(array)
    if is_.is_duration(kind) or is_.is_interval(kind):
        return _interval_texts(array)
    plain = _plain_type(kind)
    if plain is None:
        raise ColumnError(f"rows can't hold {kind}; write it as text, as numbers, or as one column for each part")
    if is_.is_timestamp(kind) and kind.unit == "ns":
        array = pc.floor_temporal(array, unit="microsecond")  # a cast cuts towards 1970
    return array.cast(plain, safe=not is_.is_time64(kind))


def mapped_list(array: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Lists of any layout as plain lists, with their values changed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
    return pa.ListArray.from_arrays(offsets, change(array.flatten()), mask=pc.is_null(array))


def mapped_struct(array: pa.Array, change: Callable[[str, pa.Array], pa.Array]) -> pa.Array:
    """Structs with the values of each field changed; `change` gets the field's name and its values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [field.name for field in array.type]
    fields = [change(name, pc.struct_field(array, [place])) for place, name in enumerate(names)]
    return pa.StructArray.from_arrays(fields, names=names, mask=pc.is_null(array))


def interval_texts(values: pa.Array) -> pa.Array:
    """Intervals of Parquet (12 bytes: months, days, milliseconds) as DuckDB writes them."""
    import pyarrow as pa

    parts = [None if value is None else struct.unpack("<III", value) for value in values.to_pylist()]
    intervals = [None if part is None else (part[0], part[1], part[2] * 1_000_000) for part in parts]
    return _interval_texts(pa.array(intervals, pa.month_day_nano_interval()))


@functools.cache
def _is_stored(kind: pa.DataType) -> bool:
    """Whether values of the type need no conversion at all."""
    import pyarrow as pa

    is_ = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return False
    if is_.is_list(kind):
        return _is_stored(kind.value_type)
    if is_.is_map(kind):
        return not is_.is_nested(kind.key_type) and _is_stored(kind.key_type) and _is_stored(kind.item_type)
    if is_.is_struct(kind):
        return kind.num_fields > 0 and not _odd_names(kind) and all(_is_stored(field.type) for field in kind)
    if is_.is_decimal128(kind):
        return 0 <= int(kind.scale) <= int(kind.precision)
    return bool(_plain_type(kind) == kind)


def _plain_type(kind: pa.DataType) -> pa.DataType | None:
    """The type that a cast gives values of no inner structure; None for a type that rows can't hold."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_boolean(kind) or is_.is_integer(kind) or is_.is_float32(kind) or is_.is_float64(kind):
        return kind
    if is_.is_float16(kind):
        return pa.float32()
    if is_.is_null(kind) or is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return pa.string()
    if any(test(kind) for test in (is_.is_binary, is_.is_large_binary, is_.is_binary_view, is_.is_fixed_size_binary)):
        return pa.binary()
    if is_.is_date(kind):
        return pa.date32()
    if is_.is_time(kind):
        return pa.time64("us")
    if is_.is_timestamp(kind):
        if kind.tz is not None:
            return pa.timestamp("us", "UTC")
        return pa.timestamp("us")
    return None


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    tests = ("is_list", "is_large_list", "is_list_view", "is_large_list_view", "is_fixed_size_list")
    return any(getattr(pa.types, test)(kind) for test in tests)


def _extension(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    name = str(getattr(array.type, "extension_name", ""))
    if name == "arrow.uuid":
        texts = [None if value is None else str(uuid.UUID(bytes=value)) for value in array.storage.to_pylist()]
        return pa.array(texts, pa.string())
    if name == "arrow.bool8":
        return array.storage.cast(pa.bool_())
    if name == "arrow.opaque":
        raise ColumnError("rows can't hold values that only another program can read; write them as text or bytes")
    return stored_array(array.storage)


def _struct(array: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if not kind.num_fields:
        return pa.array([None if gone else "{}" for gone in pc.is_null(array).to_pylist()], pa.string())
    if odd := _odd_names(kind):
        raise ColumnError(odd)
    return mapped_struct(array, lambda _, values: stored_array(values))


def _odd_names(kind: pa.DataType) -> str:
    """What is wrong with the names of a struct's fields, for SQL; empty where nothing is."""
    names = [field.name for field in kind]
    if "" in names:
        return "a field of it has no name; SQL needs one"
    lower = [name.lower() for name in names]
    twice = next((name for name in names if lower.count(name.lower()) > 1), None)
    return f"two of its fields would be named {twice!r} in SQL, which takes A for a; rename one" if twice else ""


def _map(array: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_nested(array.type.key_type):
        raise ColumnError("rows can't hold a map whose keys are lists or structs; write a list of {key, value}")
    offsets, keys, values = _map_parts(array)
    return pa.MapArray.from_arrays(offsets, stored_array(keys), stored_array(values), mask=pc.is_null(array))


def _map_parts(array: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Offsets from 0, and the keys and values between them: those of a slice alone, not of all that it is cut from."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(array):
        return pa.array([0], pa.int32()), array.keys.slice(0, 0), array.items.slice(0, 0)
    first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
    offsets = pc.subtract(array.offsets, pa.scalar(first, pa.int32()))
    return offsets, array.keys.slice(first, last - first), array.items.slice(first, last - first)


def _decimal(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    scale = max(0, int(array.type.scale))
    digits = int(array.type.precision) + max(0, -int(array.type.scale))
    if max(digits, scale) <= 38:
        return array.cast(pa.decimal128(max(digits, scale), scale))
    return pa.array([None if value is None else format(value, "f") for value in array.to_pylist()], pa.string())


def _interval_texts(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    with connect() as con:
        con.register("intervals", pa.table({"x": array}))
        texts = con.execute("select x::varchar as x from intervals").to_arrow_table().column("x")
    return pa.array(texts.to_pylist(), pa.string())
