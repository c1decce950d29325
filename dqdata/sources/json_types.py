"""Types of JSON values: inferred from a sample of rows and checked for later rows.

    >>> seen = merged(type_of({"n": 1, "tags": []}), type_of({"n": 2.5, "tags": ["a"]}))
    >>> to_arrow(seen)
    StructType(struct<n: double, tags: list<item: string>>)

A type is None (only nulls so far), "BOOLEAN", "BIGINT", "HUGEINT", "DOUBLE", "VARCHAR", a one-element list (of that
type), or a dict (an object with these keys). Whole numbers and fractions together are DOUBLE; nothing else mixes. Whole
numbers past 64 bits are HUGEINT, which rows hold as DECIMAL(38,0): exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation, localcontext
from typing import TYPE_CHECKING, Any, TypeAlias

from dqdata.json_text import json_text

if TYPE_CHECKING:
    import pyarrow as pa

JsonType: TypeAlias = Any
NAMES = {
    "BOOLEAN": "true or false",
    "BIGINT": "a whole number",
    "HUGEINT": "a whole number past 64 bits",
    "DOUBLE": "a number",
    "VARCHAR": "text",
}
NUMBERS = ("BIGINT", "HUGEINT", "DOUBLE")
"""From the narrowest to the widest."""
LARGEST = 2**63
MOST_DIGITS = 10**38


class Mismatch(ValueError):
    """Two values of one column differ in type; `path` leads to the place inside it, such as `.steps[].text`."""

    def __init__(self, expected: str, got: str, path: str = "") -> None:
        super().__init__(f"{expected} expected, {got} found")
        self.expected, self.got, self.path = expected, got, path

    def inside(self, step: str) -> Mismatch:
        return Mismatch(self.expected, self.got, step + self.path)


def type_of(value: Any) -> JsonType:
    """Raises Mismatch for a list that mixes types."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        if -LARGEST <= value < LARGEST:
            return "BIGINT"
        return "HUGEINT" if abs(value) < MOST_DIGITS else "DOUBLE"
    if isinstance(value, float | Decimal):
        return "DOUBLE"
    if isinstance(value, str):
        return "VARCHAR"
    if isinstance(value, list):
        inner: JsonType = None
        for item in value:
            try:
                inner = merged(inner, type_of(item))
            except Mismatch as error:
                raise error.inside("[]") from None
        return [inner]
    return {key: type_of(item) for key, item in value.items()}


def merged(one: JsonType, other: JsonType) -> JsonType:
    """The type of a column that holds both. Raises Mismatch."""
    if one is None or other is None or one == other:
        return other if one is None else one
    if isinstance(one, str) and isinstance(other, str) and {one, other} <= {*NUMBERS}:
        return max(one, other, key=NUMBERS.index)
    if isinstance(one, list) and isinstance(other, list):
        try:
            return [merged(one[0], other[0])]
        except Mismatch as error:
            raise error.inside("[]") from None
    if isinstance(one, dict) and isinstance(other, dict):
        both = dict(one)
        for key, kind in other.items():
            try:
                both[key] = merged(one.get(key), kind)
            except Mismatch as error:
                raise error.inside(f".{key}") from None
        return both
    raise Mismatch(described(one), described(other))


def described(kind: JsonType) -> str:
    """For messages: `text`, `a list`."""
    if kind is None:
        return "null"
    if isinstance(kind, str):
        return NAMES.get(kind, kind)
    return "a list" if isinstance(kind, list) else "an object"


def to_arrow(kind: JsonType) -> pa.DataType:
    """Arrow type; an object without keys is text."""
    import pyarrow as pa

    if isinstance(kind, list):
        return pa.list_(to_arrow(kind[0]))
    if isinstance(kind, dict) and kind:
        return pa.struct([(key, to_arrow(inner)) for key, inner in kind.items()])
    if kind is None:
        return pa.null()
    simple = {
        "BOOLEAN": pa.bool_(),
        "BIGINT": pa.int64(),
        "HUGEINT": pa.decimal128(38, 0),
        "DOUBLE": pa.float64(),
    }
    return simple.get(kind, pa.string()) if isinstance(kind, str) else pa.string()


def fitted(value: Any, kind: pa.DataType, *, as_text: bool = False) -> Any:
    """The value as this Arrow type takes it. With `as_text`, numbers and nested values become their JSON text where
    text is wanted. Raises Mismatch."""
    import pyarrow as pa

    if value is None:
        return None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        if isinstance(value, str):
            return value
        if as_text or value == {}:
            return json_text(value)
    elif pa.types.is_boolean(kind):
        if isinstance(value, bool):
            return value
    elif pa.types.is_integer(kind):
        if isinstance(value, int) and not isinstance(value, bool) and -LARGEST <= value < LARGEST:
            return value
    elif pa.types.is_decimal(kind):
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return _decimal(value, kind)
    elif pa.types.is_floating(kind):
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            try:
                return _float(value)
            except OverflowError:
                raise Mismatch("numbers below 1.8e308", "a whole number of more than 308 digits") from None
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        if isinstance(value, list):
            return [_inside("[]", item, kind.value_type, as_text) for item in value]
    elif pa.types.is_struct(kind) and isinstance(value, Mapping):
        fields = {field.name: field.type for field in kind}
        for key in value:
            if key not in fields:
                raise Mismatch(f"an object with {', '.join(fields)}", f"one with {key!r} too")
        return {name: _inside(f".{name}", value.get(name), field, as_text) for name, field in fields.items()}
    raise Mismatch(_wanted(kind), described(_outer(value)))


def _float(value: int | float | Decimal) -> float:
    """Raises Mismatch for a whole number whose last digits a DOUBLE would lose, OverflowError past 1.8e308."""
    made = float(value)
    if isinstance(value, int) and int(made) != value:
        raise Mismatch("numbers with fractions (DOUBLE)", f"the whole number {value}, whose digits DOUBLE can't hold")
    return made


def _decimal(value: int | float | Decimal, kind: pa.DataType) -> Decimal:
    """Raises Mismatch for a number that has more digits than the type."""
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    try:
        with localcontext(prec=100):
            made = exact.quantize(Decimal(1).scaleb(-kind.scale))
    except InvalidOperation:  # infinity, and numbers of more digits
        made = None
    if made is None or made != exact or len(made.as_tuple().digits) > kind.precision:
        name = f"DECIMAL({kind.precision},{kind.scale})"
        raise Mismatch(f"numbers of {name}", f"{value}, which it can't hold exactly")
    return made


def _inside(step: str, value: Any, kind: pa.DataType, as_text: bool) -> Any:
    try:
        return fitted(value, kind, as_text=as_text)
    except Mismatch as error:
        raise error.inside(step) from None


def _outer(value: Any) -> JsonType:
    if isinstance(value, list):
        return [None]
    return {} if isinstance(value, Mapping) else type_of(value)


def _wanted(kind: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return "a list"
    if pa.types.is_struct(kind):
        return "an object"
    if pa.types.is_boolean(kind):
        return NAMES["BOOLEAN"]
    if pa.types.is_integer(kind):
        return NAMES["BIGINT"]
    if pa.types.is_decimal(kind):
        return NAMES["DOUBLE"]
    return NAMES["DOUBLE"] if pa.types.is_floating(kind) else NAMES["VARCHAR"]
