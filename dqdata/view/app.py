"""The pages of the viewer as one ASGI application.

app = make_app(OpenStore(Path("catalogs")), Keys(), port=8764, who="ann")
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from dqdata.errors import DqdataError
from dqdata.view.opened import OpenStore
from dqdata.view.pages import box, catalogs, marking, overviews, rows, trace
from dqdata.view.pages.site import Site, render
from dqdata.view.security import Guard, Keys
from dqdata.view.static_files import static

ROUTES = [
    Route("/static/{name:path}", static),
    *catalogs.ROUTES,
    *rows.ROUTES,
    *trace.ROUTES,
    *marking.ROUTES,
    *overviews.ROUTES,
    *box.ROUTES,
]


def make_app(store: OpenStore, keys: Keys, port: int, *, who: str = "", given_store: str = "") -> ASGIApp:
    """The application. port: the one that requests name in their Host. who: the name that marks are given by default.
    given_store: what `--store` named, for the commands that pages show."""
    app = Starlette(
        routes=ROUTES,
        exception_handlers={DqdataError: _failed, HTTPException: _missing},
    )
    app.state.site = Site(store, keys, who, given_store)
    return Guard(app, keys, port)


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, DqdataError)
    unknown = error.code in ("unknown-catalog", "unknown-version", "unknown-row", "dropped-version")
    return render(request, "error.html", status=404 if unknown else 400, code=error.code, message=str(error))


def _missing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return render(request, "error.html", status=error.status_code, code="", message="There is no such page.")
