"""SQL expressions over the columns of one step: checked before any row is read.

    >>> have = Columns({"trace_id": "VARCHAR", "correct": "BOOLEAN", "output_tokens": "BIGINT"})
    >>> check_condition("correct and output_tokens < 4096", have)
    ('correct', 'output_tokens')
    >>> check_ranking("correct desc, output_tokens asc", have)
    ('correct', 'output_tokens')

DuckDB itself binds them, so what passes here runs there. An expression must give the same result for the same row each
time: random(), now() and the like are refused, and so is a subquery, which would see other rows.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from dqdata.columns import Columns
from dqdata.errors import ColumnError, QueryError, nearest
from dqdata.sql import PURE, check_functions, connection, nodes, parsed, quoted, table_functions
from dqdata.types import stored_columns

CLOCKS = frozenset({"current_timestamp", "current_date", "current_time", "localtimestamp", "localtime", "now", "today"})
"""Words that read the clock; some of them the parser takes for columns."""


def check_condition(expression: str, have: Columns, parameter: str = "where") -> tuple[str, ...]:
    """Columns that a predicate reads, in the table's order. Raises ColumnError; QueryError where it is no condition."""
    used = _used(f"select 1 from rows where (\n{expression}\n)", expression, have, parameter)
    kind = _bind(f"select (\n{expression}\n) from rows where (\n{expression}\n)", expression, have, parameter)
    if kind not in ("BOOLEAN", '"NULL"'):
        raise QueryError(f"{parameter} = {expression!r} is {kind}, not a condition; compare it with something")
    return used


def check_ranking(expression: str, have: Columns, parameter: str = "by") -> tuple[str, ...]:
    """Columns that an ORDER BY list reads, in the table's order. Raises ColumnError or QueryError."""
    used = _used(f"select 1 from rows order by {expression}\n", expression, have, parameter)
    _bind(f"select row_number() over (order by {expression}\n) from rows", expression, have, parameter)
    return used


def check_value(expression: str, have: Columns, parameter: str) -> str:
    """DuckDB type of a value computed from one row. Raises ColumnError or QueryError."""
    _used(f"select (\n{expression}\n) from rows", expression, have, parameter)
    return _bind(f"select (\n{expression}\n) from rows", expression, have, parameter)


def check_query(query: str, have: Columns, parameter: str = "query") -> Columns:
    """Columns of a SELECT over the view `rows`, in the types that rows hold; subqueries may read it again. Raises
    ColumnError or QueryError."""
    tree = parsed(query)
    if tree["error"] or len(tree["statements"]) != 1:
        raise QueryError(f"{parameter}: {tree.get('error_message', 'more than one statement')} in: {query}")
    check_functions(table_functions(tree), PURE, parameter)
    lower = {name.lower() for name in have}
    for node in nodes(tree):
        names = [str(name).lower() for name in node.get("column_names", ())]
        called = {str(node.get("function_name", "")).lower(), *(name for name in names if name not in lower)}
        for name in sorted(called & (_impure() | CLOCKS)):
            raise QueryError(f"{parameter}: {name}() gives another result each time; leave it out of: {query}")
    described = [(str(row[0]), str(row[1])) for row in _described(query, query, have, parameter)]
    try:
        return Columns(stored_columns(described))
    except ColumnError as error:
        raise QueryError(f"{parameter}: {error}, in: {query}") from None


@functools.lru_cache(maxsize=256)
def names_read(expression: str) -> frozenset[str]:
    """Names of columns and their fields that an expression, or an ORDER BY list, mentions; in small letters."""
    tree = parsed(f"select 1 from rows order by {expression}\n")
    return frozenset(str(name).lower() for node in nodes(tree) for name in node.get("column_names", ()))


def _used(sql: str, expression: str, have: Columns, parameter: str) -> tuple[str, ...]:
    tree = parsed(sql)
    if tree["error"] or len(tree["statements"]) != 1:
        why = tree.get("error_message", "more than one statement")
        raise QueryError(f"{parameter} = {expression!r}: {why}")
    lower = {name.lower(): name for name in have}
    used: set[str] = set()
    for node in nodes(tree):
        kind, names = node.get("class"), [str(name).lower() for name in node.get("column_names", ())]
        if kind == "SUBQUERY":
            raise QueryError(
                f"{parameter} = {expression!r}: no subquery here, it would see other rows; "
                "join in the pipeline's `from` instead"
            )
        if kind == "STAR":
            used |= set(have)
        used |= {lower[name] for name in names if name in lower}
        called = {str(node.get("function_name", "")).lower()} | ({*names} - lower.keys() if names else set())
        for name in sorted(called & (_impure() | CLOCKS)):
            raise QueryError(f"{parameter} = {expression!r}: {name}() gives another result each time; leave it out")
    return tuple(name for name in have if name in used)


def _bind(sql: str, expression: str, have: Columns, parameter: str) -> str:
    """Type of the first column of the result over an empty table."""
    return str(_described(sql, expression, have, parameter)[0][1])


def _described(sql: str, expression: str, have: Columns, parameter: str) -> list[tuple[Any, ...]]:
    """Name and type of each column of the result over an empty table."""
    import duckdb

    con = connection()
    shape = ", ".join(f"{quoted(name)} {kind}" for name, kind in have.items())
    con.execute(f"create or replace temp table rows ({shape})")
    try:
        described = con.sql(f"describe {sql}").fetchall()
    except duckdb.Error as error:
        missing = re.search(r'column "?([^"\n]+?)"? not found', str(error), re.IGNORECASE)
        if missing:
            name = missing.group(1)
            raise ColumnError(
                f"{parameter} = {expression!r} needs column {name!r}{nearest(name, have)} (have: {', '.join(have)})"
            ) from None
        raise QueryError(f"{parameter} = {expression!r}: {error}") from None
    finally:
        con.execute("drop table if exists temp.rows")
    return described


@functools.cache
def _impure() -> frozenset[str]:
    rows = connection().sql(
        "select distinct function_name from duckdb_functions() "
        "where stability in ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')"
    )
    return frozenset(str(name) for (name,) in rows.fetchall()) - {"error"} | CLOCKS
