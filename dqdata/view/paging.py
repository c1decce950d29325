"""Pages of rows without offsets: each begins behind the last row of the one before, whatever the rows are sorted by.

A row is found by its `rowid`, which DuckLake numbers within a version from 0 in the order of its files. Rows are sorted
by a value, empty ones last, then by `rowid`. A page is one pass over the column that sorts and those that are
compared; DuckDB reads the other columns of the rows that stay in its heap alone. The time does not grow with the number
of the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dqdata.sql import literal, quoted
from dqdata.view.filters import Selection
from dqdata.view.opened import OpenStore, Table

PAGE_ROWS = 50


@dataclass(frozen=True)
class Page:
    """Rows with their `rowid`s. before, after: rowids of the first and last row where there are rows before and after
    these, else None."""

    rows: list[dict[str, Any]]
    ids: list[int]
    before: int | None
    after: int | None


def page(
    store: OpenStore,
    table: Table,
    selection: Selection,
    *,
    after: int | None = None,
    before: int | None = None,
    rows: int = PAGE_ROWS,
) -> Page:
    """The rows that follow the row `after`, or precede the row `before`, else the first ones. Raises QueryError."""
    back = before is not None
    start = before if back else after
    conditions = [condition] if (condition := selection.condition(table.columns)) else []
    value = selection.order(table.columns)
    if not conditions and not value:
        conditions.append(_range(start, back, rows + 1))
    elif start is not None:
        conditions.append(_beyond(store, table, selection, start, back))
    where = f" where {' and '.join(conditions)}" if conditions else ""
    names = ", ".join(quoted(name) for name in table.columns)
    order = _order(value, selection.descending, back)
    sql = f"select rowid as _rowid, {names} from {table.sql}{where} order by {order} limit {rows + 1}"
    if value:
        sql = f"select *, ({value})::varchar as _edge from ({sql})"
    found = store.rows(sql)
    more, found = len(found) > rows, found[:rows]
    if back:
        found.reverse()
    ids = [int(row.pop("_rowid")) for row in found]
    if value:
        edges = [row.pop("_edge") for row in found]
        for number, edge in zip(ids, edges, strict=True):
            store.edges.put((table.name, value, number), edge)
    earlier, later = (more, True) if back else (start is not None, more)
    return Page(found, ids, ids[0] if ids and earlier else None, ids[-1] if ids and later else None)


def count(store: OpenStore, table: Table, selection: Selection) -> int:
    """How many rows the conditions leave."""
    condition = selection.condition(table.columns)
    if not condition:
        return table.count
    return int(store.rows(f"select count(*) as n from {table.sql} where {condition}")[0]["n"])


def row(store: OpenStore, table: Table, rowid: int) -> dict[str, Any] | None:
    """The row with this number, None where the version has no such row."""
    found = store.rows(f"select * from {table.sql} where rowid = {int(rowid)}")
    return found[0] if found else None


def rowid_of(store: OpenStore, table: Table, key: str) -> int | None:
    """The number of the row with this key."""
    found = store.rows(
        f"select rowid as n from {table.sql} where {quoted(table.key)} = {literal(key)} order by rowid limit 1"
    )
    return int(found[0]["n"]) if found else None


def _range(start: int | None, back: bool, rows: int) -> str:
    """The condition for the rows beside `start` in the order in which they were made: DuckDB opens no other."""
    if start is None:
        return f"rowid < {rows}"
    first = max(0, start - rows) if back else start + 1
    return f"rowid between {first} and {start - 1 if back else start + rows}"


def _order(value: str, descending: bool, back: bool) -> str:
    if not value:
        return f"rowid{' desc' if back else ''}"
    way = "desc" if descending != back else "asc"
    return f"{value} {way} nulls {'first' if back else 'last'}, rowid{' desc' if back else ''}"


def _beyond(store: OpenStore, table: Table, selection: Selection, start: int, back: bool) -> str:
    """The condition for rows behind (or, going back, in front of) the row `start`."""
    value, descending = selection.order(table.columns), selection.descending
    side = f"rowid {'<' if back else '>'} {int(start)}"
    if not value:
        return side
    at = _edge(store, table, value, start)
    if at is None:
        return f"({value} is not null or {side})" if back else f"({value} is null and {side})"
    edge = f"{literal(at)}::{'varchar' if value.endswith('::varchar') else table.columns[selection.sort]}"
    beyond = ">" if descending == back else "<"
    within = f"{value} {beyond}= {edge} and ({value} {beyond} {edge} or {side})"
    return f"({within})" if back else f"(({within}) or {value} is null)"


def _edge(store: OpenStore, table: Table, value: str, rowid: int) -> str | None:
    """The value that a row is sorted by, as text; kept from the page that showed it."""
    place = (table.name, value, rowid)
    if place in store.edges:
        return store.edges.get(place)
    found = store.rows(f"select ({value})::varchar as v from {table.sql} where rowid = {rowid}")
    edge: str | None = found[0]["v"] if found else None
    store.edges.put(place, edge)
    return edge
