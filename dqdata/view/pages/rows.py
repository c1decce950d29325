"""Rows of a version: filtered, sorted, page by page; and the same selection as SQL, TOML and a command."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from dqdata.columns import Columns
from dqdata.errors import QueryError
from dqdata.view.filters import OPERATORS, Condition, Selection
from dqdata.view.opened import Table
from dqdata.view.pages.site import address, render, site
from dqdata.view.paging import count, page, rowid_of

_FIRST = (
    "question answer verdict correct teacher domain rv cd output_tokens response model mark step reason detail".split()
)
"""Columns that a table shows before others."""

SHOWN = 9
"""How many columns a table shows unless all are wanted."""

CONDITIONS = 20


def rows(request: Request) -> Response:
    """A page of rows; for htmx the table alone."""
    at, given = site(request), request.query_params
    table = at.store.table(request.path_params["table"])
    if request.path_params["table"] != table.name:
        return RedirectResponse(address(f"/c/{table.name}/rows", selection_of(request, table)), status_code=303)
    chosen = selection_of(request, table)
    found = page(at.store, table, chosen, after=_rowid(given.get("after")), before=_rowid(given.get("before")))
    every = given.get("all") == "1"
    return render(
        request,
        "rows.html",
        table=table,
        chosen=chosen,
        page=found,
        shown=list(table.columns) if every else shown_columns(table.columns, table.key),
        every=every,
        operators=OPERATORS,
        sql=chosen.sql(table.columns),
        toml=chosen.toml(table.columns),
        command=chosen.command(table.columns),
        marks=at.store.state().marks,
    )


def counted(request: Request) -> Response:
    """How many rows the conditions leave: asked for when the page is there."""
    at = site(request)
    table = at.store.table(request.path_params["table"])
    found = count(at.store, table, selection_of(request, table))
    return HTMLResponse(f"{found:,} of {table.count:,} rows")


def by_key(request: Request) -> Response:
    """The row with an id, wherever it stands in the version."""
    at = site(request)
    table, key = at.store.table(request.path_params["table"]), request.query_params.get("id", "")
    found = rowid_of(at.store, table, key)
    if found is None:
        raise QueryError(f"{table.name} has no row with the {table.key} {key!r}", code="unknown-row")
    return RedirectResponse(address(f"/c/{table.name}/row/{found}"), status_code=303)


def selection_of(request: Request, table: Table) -> Selection:
    """The selection that an address holds. Raises QueryError for one that can't be meant."""
    given = request.query_params
    columns, ops, values = (given.getlist(name) for name in ("column", "op", "value"))
    if not len(columns) == len(ops) == len(values) or len(columns) > CONDITIONS:
        raise QueryError(f"each condition has a column, an op and a value, and there may be {CONDITIONS}")
    conditions = [Condition(*one) for one in zip(columns, ops, values, strict=True) if one[0]]
    return Selection(
        table.name,
        conditions,
        where=given.get("where", ""),
        sort=given.get("sort", ""),
        descending=given.get("desc") == "1",
        given_store=site(request).given_store,
    )


def shown_columns(columns: Columns, key: str) -> list[str]:
    """The columns that tell most in little room; the key first."""
    plain = [name for name in columns if name != key]
    first = [name for name in _FIRST if name in plain]
    rest = [name for name in plain if name not in first and not name.endswith(("_id", "_ids", "_key"))]
    chosen = set([*first, *rest][: SHOWN - 1])
    return [*([key] if key in columns else []), *(name for name in [*first, *rest] if name in chosen)]


def _rowid(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,18}", text):
        raise QueryError(f"{text!r} is no number of a row")
    return int(text)


ROUTES = [
    Route("/c/{table}/rows", rows),
    Route("/c/{table}/count", counted),
    Route("/c/{table}/by", by_key),
]
