"""Marks of rows: the form of a row, what waits to be committed, and the catalogs of marks."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dqdata.errors import InputError
from dqdata.view.pages.site import render, site
from dqdata.view.pages.trace import load, marked
from dqdata.view.row_marks import SUFFIX, MarkLog, RowMark

BATCH = 100
"""Waiting marks from which a version is committed without being asked for."""


async def form(request: Request) -> dict[str, str]:
    """The fields of a form, each once."""
    given = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in given.items()}


async def mark(request: Request) -> Response:
    """Notes a mark of the row `place`, and answers with the form as it is now."""
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(_mark, request, await form(request))


def _mark(request: Request, given: dict[str, str]) -> Response:
    at = site(request)
    table = at.store.table(request.path_params["table"])
    shown = load(at.store, table, int(request.path_params["rowid"]))
    _, _, key, row_id = marked(at.store, shown)
    tags = dict.fromkeys(tag for part in given.get("tags", "").split(",") if (tag := part.strip()))
    who = given.get("who", "").strip() or at.who
    log = MarkLog(at.store.reader.place)
    log.add(
        RowMark(
            table.version_name,
            key,
            row_id,
            given.get("mark", ""),
            tuple(tags),
            given.get("note", "").strip(),
            who,
            datetime.now(UTC),
        )
    )
    if len(log.pending()) >= BATCH:
        log.commit()
    waiting, committed, key, row_id = marked(at.store, shown)
    return render(
        request,
        "mark.html",
        shown=shown,
        waiting=waiting,
        committed=committed,
        mark_key=key,
        mark_id=row_id,
        saved=True,
    )


def overview(request: Request) -> Response:
    at = site(request)
    waiting = MarkLog(at.store.reader.place).pending()
    catalogs = [one for one in at.store.state().newest() if one.catalog.endswith(SUFFIX)]
    return render(request, "marks.html", waiting=waiting[::-1], catalogs=catalogs, made=None)


def commit(request: Request) -> Response:
    """Commits what waits."""
    at = site(request)
    log = MarkLog(at.store.reader.place)
    if not log.pending():
        raise InputError("no marks wait to be committed")
    made = log.commit()
    catalogs = [one for one in at.store.state().newest() if one.catalog.endswith(SUFFIX)]
    return render(request, "marks.html", waiting=log.pending()[::-1], catalogs=catalogs, made=made)


ROUTES = [
    Route("/c/{table}/row/{rowid:int}/mark", mark, methods=["POST"]),
    Route("/marks", overview),
    Route("/marks/commit", commit, methods=["POST"]),
]
