"""Catalogs, their versions, the log of a store, the recipe and lineage of a version, and the difference of two."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dqdata.history.diff import diff
from dqdata.history.lineage import lineage
from dqdata.refs import catalog_ref
from dqdata.view.pages.site import address, render, site


def index(request: Request) -> Response:
    state = site(request).store.state()
    newest = state.newest()
    counts = {one.catalog: sum(other.catalog == one.catalog for other in state.versions) for one in newest}
    return render(request, "index.html", newest=newest, counts=counts, marks=state.marks)


def log(request: Request) -> Response:
    state = site(request).store.state()
    catalog = request.query_params.get("catalog", "")
    found = [one for one in reversed(state.versions) if catalog in ("", one.catalog)]
    names = sorted({one.catalog for one in state.versions})
    return render(request, "log.html", versions=found, marks=state.marks, catalog=catalog, names=names)


def recipe(request: Request) -> Response:
    store = site(request).store
    table = store.table(request.path_params["table"])
    tree = lineage(store.reader, table.catalog, table.version.version)
    text = json.dumps(table.version.recipe, indent=2, ensure_ascii=False)
    marks = store.state().marks
    return render(request, "recipe.html", table=table, tree=tree, recipe=text, marks=marks)


def difference(request: Request) -> Response:
    """`/diff?before=traces@1&after=traces@2`; the form alone where one of them is not chosen."""
    store, given = site(request).store, request.query_params
    state = store.state()
    names = [
        f"{one.catalog}@{one.version}" for one in state.versions if not state.marks.state(one.catalog, one.version)
    ]
    before, after = given.get("before", ""), given.get("after", "")
    if not (before and after):
        return render(request, "diff.html", names=names[::-1], before=before, after=after, found=None)
    old, new = store.table(before).version, store.table(after).version
    pair = ((old.catalog, old.version), (new.catalog, new.version))
    found = store.pictures.of(("diff", *pair), lambda: diff(store.reader, *pair, examples=3))
    return render(request, "diff.html", names=names[::-1], before=found.before, after=found.after, found=found)


def catalog(request: Request) -> Response:
    """The newest version of a catalog, by its name alone."""
    table = site(request).store.table(request.path_params["table"])
    ref = catalog_ref(request.path_params["table"])
    assert ref is not None
    return RedirectResponse(address(f"/c/{table.name}/rows"), status_code=303)


ROUTES = [
    Route("/", index),
    Route("/log", log),
    Route("/diff", difference),
    Route("/c/{table}", catalog),
    Route("/c/{table}/recipe", recipe),
]
