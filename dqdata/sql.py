"""SQL text: quoting, this thread's connection, and DuckDB's syntax tree of a query.

>>> quoted("slow_thinking@3"), literal("it's")
('"slow_thinking@3"', "'it''s'")
>>> [node["table_name"] for node in base_tables(parsed("with x as (from a) select * from x join b using (id)"))]
['a', 'b']
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

_threads = threading.local()


def connection() -> duckdb.DuckDBPyConnection:
    """An in-memory connection of this thread's own, with one worker thread; reused, so don't close it."""
    import duckdb

    if not hasattr(_threads, "con"):
        _threads.con = duckdb.connect(config={"threads": 1})
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


def read_parquet(files: Iterable[Path]) -> str:
    """The rows of Parquet files, for the FROM of a query."""
    return f"read_parquet([{', '.join(map(literal, files))}])"


def parsed(sql: str, con: duckdb.DuckDBPyConnection | None = None) -> dict[str, Any]:
    """DuckDB's syntax tree: {"error": False, "statements": [...]}, or {"error": True, "error_message": ...}."""
    row = (con or connection()).execute(f"select json_serialize_sql({literal(sql)}::varchar)").fetchone()
    assert row is not None
    tree: dict[str, Any] = json.loads(row[0])
    return tree


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
