"""SQL text: quoting, this thread's connection, DuckDB's syntax tree of a query, and which table functions one may call.

>>> quoted("slow_thinking@3"), literal("it's")
('"slow_thinking@3"', "'it''s'")
>>> quote_refs("select 'a@2' from problems@3")
('select \'a@2\' from "problems@3"', ['problems@3'])
>>> [node["table_name"] for node in base_tables(parsed("with x as (from a) select * from x join b using (id)"))]
['a', 'b']
"""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.database import connect
from dqdata.errors import QueryError
from dqdata.refs import RESERVED, VERSION

if TYPE_CHECKING:
    import duckdb

PURE = frozenset({"unnest", "range", "generate_series", "repeat", "repeat_row", "json_each", "json_tree"})
"""Table functions that read nothing but their arguments."""

ABOUT = frozenset(
    "duckdb_columns duckdb_constraints duckdb_databases duckdb_extensions duckdb_functions duckdb_keywords "
    "duckdb_memory duckdb_schemas duckdb_settings duckdb_tables duckdb_types duckdb_views icu_calendar_names "
    "pg_timezone_names pragma_database_size pragma_platform pragma_show pragma_table_info pragma_version summary "
    "ducklake_snapshots ducklake_table_info".split()
)
"""Table functions that describe the database itself."""

FILES = frozenset(
    "glob parquet_bloom_probe parquet_file_metadata parquet_full_metadata parquet_kv_metadata parquet_metadata "
    "parquet_scan parquet_schema read_blob read_csv read_csv_auto read_json read_json_auto read_json_objects "
    "read_json_objects_auto read_ndjson read_ndjson_auto read_ndjson_objects read_parquet read_text sniff_csv "
    "sqlite_scan".split()
)
"""Table functions that read files."""

WORD = rb'"(?:[^"]|"")+"|[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*'
"""A name in SQL, quoted or bare, in UTF-8."""
_REF = re.compile(
    rb"(?P<name>" + WORD + rb")@(?P<version>" + VERSION.encode() + rb")(?![\w$@\x80-\xff]|\.\d)", re.IGNORECASE
)
_threads = threading.local()


def connection() -> duckdb.DuckDBPyConnection:
    """An in-memory connection of this thread's own, with one worker thread; reused, so don't close it."""
    if not hasattr(_threads, "con"):
        _threads.con = connect(threads=1)
    con: duckdb.DuckDBPyConnection = _threads.con
    return con


def quoted(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | int | float | datetime | Path | None) -> str:
    """The value written in SQL. Values bound to `?` make DuckDB import numpy and pandas, which takes half a second."""
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float):
        return f"'{value}'::DOUBLE"
    if isinstance(value, datetime):
        return f"TIMESTAMPTZ '{value.isoformat()}'"
    return "'" + str(value).replace("\0", "").replace("'", "''") + "'"


PARQUET = "(format parquet, row_group_size 4096)"
"""Options of COPY for files with long texts: a group of rows is held in memory until it is written, and DuckDB's own
groups have 122,880 rows."""


def read_parquet(files: Iterable[Path]) -> str:
    """The rows of Parquet files, for the FROM of a query."""
    return f"read_parquet([{', '.join(map(literal, files))}])"


def without_end(sql: str) -> str:
    """A query without the semicolons that shells of SQL want at its end: it is put between parentheses."""
    bare = sql.rstrip()
    return bare.rstrip("; \t\r\n") if bare.endswith(";") else sql


def parsed(sql: str, con: duckdb.DuckDBPyConnection | None = None) -> dict[str, Any]:
    """DuckDB's syntax tree: {"error": False, "statements": [...]}, or {"error": True, "error_message": ...}."""
    tree: dict[str, Any] = json.loads(_serialized(sql) if con is None else _serialize(sql, con))
    return tree


@functools.lru_cache(maxsize=256)
def _serialized(sql: str) -> str:
    """Planning asks for the tree of a query several times."""
    return _serialize(sql, connection())


def _serialize(sql: str, con: duckdb.DuckDBPyConnection) -> str:
    row = con.execute(f"select json_serialize_sql({literal(sql)}::varchar)").fetchone()
    assert row is not None
    return str(row[0])


def quote_refs(sql: str, resolve: Callable[[str], str] = str.lower) -> tuple[str, list[str]]:
    """The SQL with each `name@VERSION` outside strings and comments as a quoted name, and these names in order.

    resolve: gets `name@VERSION` as it is written and returns the table's name.
    """
    import duckdb

    raw, edits, names, end = sql.encode(), [], [], 0
    words = (duckdb.token_type.identifier, duckdb.token_type.keyword)  # `data` is a keyword, and a fine name
    for start, kind in duckdb.tokenize(sql):
        found = _REF.match(raw, start) if kind in words and start >= end else None
        if found is None:
            continue
        text = found["name"].decode()
        name = text[1:-1].replace('""', '"') if text.startswith('"') else text
        if name.lower() in RESERVED and not text.startswith('"'):
            continue
        full = resolve(f"{name}@{found['version'].decode()}")
        end = found.end()
        names.append(full)
        edits.append((start, end, quoted(full)))
    return edited(raw, edits), names


def edited(raw: bytes, edits: Sequence[tuple[int, int, str]]) -> str:
    """The text with byte spans (start, end, replacement) replaced."""
    out, at = [], 0
    for start, end, text in sorted(edits):
        out += [raw[at:start], text.encode()]
        at = end
    return b"".join([*out, raw[at:]]).decode()


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of a tree."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield node
            todo += node.values()
        elif isinstance(node, list):
            todo += node


def base_tables(node: Any, hidden: frozenset[str] = frozenset()) -> Iterator[dict[str, Any]]:
    """Table references of a tree that mean tables, not CTEs. hidden: names of CTEs in scope, in small letters."""
    if isinstance(node, list):
        for child in node:
            yield from base_tables(child, hidden)
    if not isinstance(node, dict):
        return
    if node.get("type") == "BASE_TABLE" and (node["schema_name"] or node["table_name"].lower() not in hidden):
        yield node
    for entry in (node.get("cte_map") or {}).get("map", ()):
        name, body = entry["key"].lower(), entry["value"]["query"]
        recursive = body["node"]["type"] == "RECURSIVE_CTE_NODE"  # else its own name inside it means the table
        yield from base_tables(body, hidden | {name} if recursive else hidden)
        hidden = hidden | {name}
    for key, child in node.items():
        if key != "cte_map":
            yield from base_tables(child, hidden)


def versions_read(sql: str) -> list[str]:
    """Versions of catalogs that a pinned query reads, such as ["problems@3"], in order of their names."""
    tables = {str(node["table_name"]) for node in base_tables(parsed(sql))}
    return sorted(name for name in tables if "@" in name)


def check_functions(called: Iterable[str], allowed: frozenset[str], where: str = "this query") -> None:
    """Raises QueryError for a table function that is not in `allowed`."""
    for name in called:
        if name not in allowed:
            hint = "; `dqdata sql --files` reads local files" if name in FILES else ""
            raise QueryError(
                f"{where} calls {name}(), which may reach beyond the catalogs; allowed are the catalogs and "
                f"{', '.join(sorted(PURE))}{hint}"
            )


def table_functions(tree: Any) -> Iterator[str]:
    """Names of the table functions that a parsed query (`json_serialize_sql`) calls, in small letters."""
    for node in nodes(tree):
        if node.get("type") == "TABLE_FUNCTION" and isinstance(node.get("function"), dict):
            yield str(node["function"].get("function_name", "")).lower()


def check_select(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raises QueryError unless the text is one query that calls no table function but pure ones. DuckDB would run
    every statement of several."""
    import duckdb

    try:
        statements = con.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(f"{error} in: {sql}") from None
    if len(statements) != 1 or statements[0].type.name != "SELECT":
        got = " and ".join(statement.type.name for statement in statements) or "nothing"
        raise QueryError(f"one query (SELECT, FROM, WITH) is needed, got {got} in: {sql}")
    check_functions(table_functions(parsed(sql, con)), PURE)
