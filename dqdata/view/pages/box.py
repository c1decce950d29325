"""The SQL box: one query of a person over catalogs, records and the ledger, with a deadline and limits."""

from __future__ import annotations

import shlex
import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dqdata.errors import DqdataError
from dqdata.view.opened import BOX_ROWS, BOX_SECONDS
from dqdata.view.pages.marking import form
from dqdata.view.pages.site import render, site


def empty(request: Request) -> Response:
    """The box, with the query of the address in it; it is not executed before someone asks for that."""
    newest = site(request).store.state().newest()
    query = request.query_params.get("query", "")
    names = [f"{one.catalog}@{one.version}" for one in newest]
    return render(request, "sql.html", query=query, names=names, seconds=BOX_SECONDS, limit=BOX_ROWS)


async def execute(request: Request) -> Response:
    return await run_in_threadpool(_execute, request, (await form(request)).get("query", ""))


def _execute(request: Request, query: str) -> Response:
    at, began = site(request), time.monotonic()
    store = f" --store {shlex.quote(at.given_store)}" if at.given_store else ""
    command = f"dqdata sql{store} {shlex.quote(query)}"
    names: list[str] = []
    rows: list[dict[str, Any]] = []
    more, error = False, ""
    try:
        names, rows, more = at.store.box(query)
    except DqdataError as refused:
        error = f"{refused} [{refused.code}]"
    return render(
        request,
        "answer.html",
        names=names,
        rows=rows,
        more=more,
        error=error,
        command=command,
        seconds=time.monotonic() - began,
    )


ROUTES = [Route("/sql", empty), Route("/sql", execute, methods=["POST"])]
