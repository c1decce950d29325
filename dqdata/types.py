"""One table of types: what rows hold of each type of DuckDB and Arrow, how it is converted, or what to write instead.

>>> stored("STRUCT(id UUID, total HUGEINT)[]")
'STRUCT(id VARCHAR, total DECIMAL(38,0))[]'

Rows pass through DuckDB, Arrow, polars, Parquet and Python. A type is *kept* if a value comes back the same from each
of them. Any other is *converted* where rows enter, from a source or out of SQL, or *refused* when planning, with the
cast to write. docs/types.md is made from the tables below.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dqdata.errors import ColumnError, QueryError
from dqdata.sql import connection, literal, quoted

if TYPE_CHECKING:
    import duckdb

How = Literal["kept", "converted", "refused"]


class Rule(NamedTuple):
    """What becomes of a type of DuckDB. ids: what DuckDB's Python client calls it. to: the type that rows hold; empty
    for one that is kept or refused. example: a value as SQL, which tests run through every step."""

    name: str
    ids: tuple[str, ...]
    how: How
    to: str
    arrow: str
    polars: str
    example: str
    note: str


def _kept(name: str, arrow: str, polars: str, example: str, note: str = "", ids: tuple[str, ...] = ()) -> Rule:
    return Rule(name, ids or (name.lower(),), "kept", "", arrow, polars, example, note)


def _text(name: str, arrow: str, example: str, note: str, ids: tuple[str, ...] = ()) -> Rule:
    return Rule(name, ids or (name.lower(),), "converted", "VARCHAR", arrow, "String", example, note)


_INTEGERS = (
    ("TINYINT", "int8", "Int8", "'-128'"),
    ("SMALLINT", "int16", "Int16", "'-32768'"),
    ("INTEGER", "int32", "Int32", "'-2147483648'"),
    ("BIGINT", "int64", "Int64", "9223372036854775807"),
    ("UTINYINT", "uint8", "UInt8", "255"),
    ("USMALLINT", "uint16", "UInt16", "65535"),
    ("UINTEGER", "uint32", "UInt32", "4294967295"),
    ("UBIGINT", "uint64", "UInt64", "18446744073709551615"),
)
_ENDS = "a value of 10^38 or more is an error: `x::VARCHAR` holds it"
_YEARS = "years 1 to 9999; another year, or infinity, is an error that names column and row: `x::VARCHAR` holds it"

DUCKDB: tuple[Rule, ...] = (
    _kept("BOOLEAN", "bool", "Boolean", "true"),
    *(_kept(name, arrow, polars, example, "exact in every format") for name, arrow, polars, example in _INTEGERS),
    Rule("HUGEINT", ("hugeint",), "converted", "DECIMAL(38,0)", "decimal128(38, 0)", "Decimal(38, 0)",
         "99999999999999999999999999999999999999", f"the type of `sum(integers)`; {_ENDS}"),
    Rule("UHUGEINT", ("uhugeint",), "converted", "DECIMAL(38,0)", "decimal128(38, 0)", "Decimal(38, 0)",
         "18446744073709551616", _ENDS),
    _text("BIGNUM", "opaque", "'123456789012345678901234567890123456789012'", "its digits"),
    _kept("DECIMAL(p,s)", "decimal128(p, s)", "Decimal(p, s)", "'1234567890123456789.10'::DECIMAL(38,2)",
          "up to 38 digits; JSON and CSV have every digit, and read back with `types = { x = \"DECIMAL(p,s)\" }`",
          ("decimal",)),
    _kept("FLOAT", "float", "Float32", "0.1", "NaN, infinity and -0.0 too; JSON has null for NaN and infinity"),
    _kept("DOUBLE", "double", "Float64", "'-inf'", "NaN, infinity and -0.0 too; JSON has null for NaN and infinity"),
    _kept("VARCHAR", "string", "String", "'a\"b'", 'empty text and null stay apart; in CSV as "" and nothing'),
    _text("JSON", "string", "'{\"a\": [1, 2.50]}'", "its text; `x->>'$.a'` works on it", ("json",)),
    _text("UUID", "string", "'550e8400-e29b-41d4-a716-446655440000'", "as 550e8400-e29b-41d4-a716-446655440000"),
    _text("ENUM", "dictionary", "'b'::ENUM('a', 'b')", "the name of the value"),
    _kept("BLOB", "binary", "Binary", "'\\x00\\xFF'::BLOB", "base64 in JSON and CSV"),
    _text("BIT", "binary", "'0101'", "its digits"),
    _kept("DATE", "date32", "Date", "'1899-12-31'", _YEARS),
    _kept("TIME", "time64[us]", "Time", "'23:59:59.999999'",
          "to 23:59:59.999999; 24:00:00 is an error that names column and row: `x::VARCHAR` holds it"),
    Rule("TIME_NS", ("time_ns",), "converted", "TIME", "time64[ns]", "Time", "'23:59:59.123456'",
         "nanoseconds are cut off: `x::VARCHAR` holds them"),
    _text("TIME WITH TIME ZONE", "time64[us]", "'10:00:00.5+02:30'", "as 10:00:00.5+02:30"),
    _kept("TIMESTAMP", "timestamp[us]", "Datetime(us)", "'1950-02-03 04:05:06.123456'", _YEARS),
    *(Rule(name, (name.lower(),), "converted", "TIMESTAMP", f"timestamp[{unit}]", "Datetime(us)",
           "'1950-02-03 04:05:06'", _YEARS) for name, unit in (("TIMESTAMP_S", "s"), ("TIMESTAMP_MS", "ms"))),
    Rule("TIMESTAMP_NS", ("timestamp_ns",), "converted", "TIMESTAMP", "timestamp[ns]", "Datetime(us)",
         "'1950-02-03 04:05:06.123456789'", "nanoseconds are cut off, before 1970 too: `x::VARCHAR` holds them"),
    _kept("TIMESTAMP WITH TIME ZONE", "timestamp[us, UTC]", "Datetime(us, UTC)", "'1950-02-03 04:05:06+02'",
          f"an instant, shown in UTC whatever the zone of the machine; {_YEARS}"),
    _text("INTERVAL", "month_day_nano_interval", "'1 year 2 days 3.5 seconds'", "as 1 year 2 days 00:00:03.5"),
    _kept("T[]", "list", "List", "[1, NULL]::INTEGER[]", "of any type in this table", ("list",)),
    Rule("T[n]", ("array",), "converted", "T[]", "fixed_size_list", "List", "[1, 2]::FLOAT[2]", "a list"),
    _kept("STRUCT", "struct", "Struct", "{'a': 1, 'b c': 'x'}", "fields of any type in this table", ("struct",)),
    _kept("MAP", "map", "Map", "MAP {'a': 1}",
          "keys are plain values; JSON and CSV hold a list of {key, value}", ("map",)),
    Rule("UNION", ("union",), "refused", "", "sparse_union", "", "1::UNION(n INTEGER, s VARCHAR)",
         "write `x::VARCHAR`, or its members as columns: `x.n`"),
    Rule("VARIANT", ("variant",), "refused", "", "", "", "1::VARIANT", "write `x::JSON::VARCHAR`"),
    Rule("GEOMETRY", ("geometry",), "refused", "", "binary", "", "'POINT(1 2)'::GEOMETRY",
         "write `x::VARCHAR`, which is WKT"),
)  # fmt: skip
"""Every type of DuckDB 1.5, in the order of the documentation."""

PLAIN = tuple(
    rule.name
    for rule in DUCKDB
    if rule.how == "kept" and rule.arrow not in ("list", "struct", "map", "decimal128(p, s)")
)
"""Kept types that have neither parts nor parameters."""

_RULES = {id_: rule for rule in DUCKDB for id_ in rule.ids}


@functools.lru_cache(maxsize=4096)
def stored(kind: str) -> str:
    """The type that rows hold for values of a DuckDB type: itself, where it is kept. Raises ColumnError for a type that
    is refused, with what to write instead, and for a text that is no type of DuckDB."""
    import duckdb

    try:
        known = connection().sqltype(kind)
        made = _stored(known, kind)
        return kind if made == str(known) else made
    except duckdb.Error as error:
        unnamed = " or fields of a STRUCT have no names: write {'name': value}" if "STRUCT(" in kind else ""
        raise ColumnError(f"{kind!r} is no DuckDB type{unnamed}: {error}") from error


def _stored(kind: duckdb.sqltypes.DuckDBPyType, whole: str) -> str:
    text, id_ = str(kind), str(kind.id)
    if text == "JSON":
        id_ = "json"
    rule = _RULES.get(id_)
    if rule is None:
        return text  # the type of NULL alone
    if rule.how == "refused":
        inside = "" if text == whole else f" inside {whole}"
        raise ColumnError(f"rows can't hold {rule.name}{inside}: {rule.note.replace('`x', '`column')}")
    if id_ in ("list", "array"):
        return f"{_stored(_children(kind)[0][1], whole)}[]"
    if id_ == "struct":
        fields = (f"{quoted_field(name)} {_stored(inner, whole)}" for name, inner in _children(kind))
        return f"STRUCT({', '.join(fields)})"
    if id_ == "map":
        (_, key), (_, value) = _children(kind)
        if str(key.id) in ("list", "array", "struct", "map"):
            raise ColumnError(f"rows can't hold a MAP whose keys are {key}: write `map_entries(column)`")
        return f"MAP({_stored(key, whole)}, {_stored(value, whole)})"
    return rule.to or text


def _children(kind: duckdb.sqltypes.DuckDBPyType) -> list[tuple[str, Any]]:
    return list(kind.children)


@functools.lru_cache(maxsize=4096)
def quoted_field(name: str) -> str:
    """The name of a field of a STRUCT, quoted only where DuckDB would quote it in the text of the type."""
    text = str(connection().sqltype(f"STRUCT({quoted(name)} INTEGER)"))
    return text.removeprefix("STRUCT(").removesuffix(" INTEGER)")


def stored_columns(columns: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names with the types that rows hold. Raises ColumnError that names the column, for a type that is refused and for
    two columns of one name."""
    made: dict[str, str] = {}
    for name, kind in columns:
        if name in made:
            raise ColumnError(f"two columns are named {name!r}; give one another name: {quoted(name)} AS other_name")
        try:
            made[name] = stored(kind)
        except ColumnError as error:
            raise ColumnError(f"column {name!r} is {kind}, and {error}") from None
    return made


def advice(error: Exception) -> str:
    """What to do about an error of DuckDB where a value doesn't fit the type that rows hold; empty for another."""
    if "to DECIMAL(38,0)" not in str(error):
        return ""
    return "\nrows hold HUGEINT as DECIMAL(38,0), up to 38 digits; cast the column to VARCHAR, which holds every digit"


def columns_of(con: duckdb.DuckDBPyConnection, query: str, *, as_table: bool = True) -> list[tuple[str, str]]:
    """Names and types of a query's columns; reads no rows. as_table: as whoever selects from it sees them, where two of
    one name have another. Raises DuckDB's own errors, which show the query as it was given."""
    import duckdb

    before, after = ("describe from (", "\n)") if as_table else ("describe ", "")
    try:
        rows = con.execute(f"{before}{query}{after}").fetchall()
    except duckdb.Error as error:
        # The line that an error shows, and the mark below it, without what stands before the query.
        shown = re.sub(rf"(?m)^(LINE 1: ){re.escape(before)}(.*\n) {{{len(before)}}}", r"\1\2", str(error))
        raise type(error)(shown) from None
    return [(str(row[0]), str(row[1])) for row in rows]


def stored_query(con: duckdb.DuckDBPyConnection, query: str) -> str:
    """The query with each column in the type that rows hold; the query itself where all are. Raises QueryError for a
    column that can't be held, and DuckDB's own errors for a query that doesn't bind."""
    described = columns_of(con, query)
    try:
        types = stored_columns(described)
    except ColumnError as error:
        raise QueryError(str(error)) from None
    if list(types.items()) == described:
        return query
    listed = ", ".join(
        quoted(name) if types[name] == kind else f"{_converted(quoted(name), kind, types[name])} as {quoted(name)}"
        for name, kind in described
    )
    return f"select {listed} from ({query}\n)"


def _converted(value: str, kind: str, wanted: str) -> str:
    """The expression `value` of a type in the type that rows hold. A cast, but for nanoseconds: DuckDB's cast cuts
    dates towards 1970 and rounds 23:59:59.9999999 up to 24:00:00."""
    return _cut(value, connection().sqltype(kind), 0) if "_NS" in kind else f"cast({value} as {wanted})"


def _cut(value: str, kind: duckdb.sqltypes.DuckDBPyType, depth: int) -> str:
    """The same of a type that may hold nanoseconds, which are cut off as for any later instant. depth: how many lists
    the value is in, for a name of its own."""
    id_ = str(kind.id)
    if id_ == "timestamp_ns":
        floor = f"epoch_ns({value}) // 1000 - (epoch_ns({value}) % 1000 < 0)::bigint"
        return f"case when isfinite({value}) then make_timestamp({floor}) else {value}::timestamp end"
    if id_ == "time_ns":
        return f"left({value}::varchar, 15)::time"
    if "_NS" not in str(kind):
        return f"cast({value} as {_stored(kind, str(kind))})"
    item = f"dq_item_{depth}"
    if id_ in ("list", "array"):
        inner = _children(kind)[0][1]
        return f"list_transform({value}::{inner}[], lambda {item}: {_cut(item, inner, depth + 1)})"
    if id_ == "struct":
        fields = [
            (quoted(name), _cut(f"struct_extract({value}, {literal(name)})", inner, depth))
            for name, inner in _children(kind)
        ]
        packed = ", ".join(f"{name} := {inner}" for name, inner in fields)
        return f"case when {value} is null then null else struct_pack({packed}) end"
    (_, key), (_, held) = _children(kind)
    keys = f"list_transform(map_keys({value}), lambda {item}: {_cut(item, key, depth + 1)})"
    values = f"list_transform(map_values({value}), lambda {item}: {_cut(item, held, depth + 1)})"
    return f"case when {value} is null then null else map({keys}, {values}) end"
