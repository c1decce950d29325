"""What every page shares: the store, the templates, and how values look."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from dqdata.json_text import json_text
from dqdata.view.filters import Selection
from dqdata.view.opened import OpenStore
from dqdata.view.rich import parts
from dqdata.view.security import CSRF_HEADER, Keys

CELL = 140
"""Characters of a cell of a table."""


@dataclass(frozen=True)
class Site:
    """What pages need beside the request. who: the name that marks are given by default. given_store: what `--store`
    named when the viewer started."""

    store: OpenStore
    keys: Keys
    who: str
    given_store: str


def site(request: Request) -> Site:
    found: Site = request.app.state.site
    return found


def is_part(request: Request) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-boosted") != "true"


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, or a part of one, from a template."""
    shared = {
        "csrf": json.dumps({CSRF_HEADER: site(request).keys.csrf}),
        "part": is_part(request),
        "path": request.url.path,
        "who": site(request).who,
    }
    text = _templates().get_template(template).render(shared | values)
    return HTMLResponse(text, status_code=status)


def address(path: str, selection: Selection | None = None, **values: Any) -> str:
    """The address of a page, with its parts escaped."""
    given = [(name, str(value)) for name, value in values.items() if value not in (None, "")]
    query = urlencode([*(selection.query() if selection else ()), *given])
    return quote(path, safe="/@") + (f"?{query}" if query else "")


def whole(value: Any) -> str:
    """A value as text: nested ones as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return json_text(value) if isinstance(value, list | dict | tuple) else str(value)


def cell(value: Any) -> str:
    """A value in a line of a table."""
    text = " ".join(whole(value)[: 4 * CELL].split())
    return text if len(text) <= CELL else text[: CELL - 1] + "…"


def usd(value: float | None) -> str:
    """A cost, with as many digits as it needs to differ from nothing."""
    if value is None:
        return "unknown"
    return f"${value:,.2f}" if value >= 0.01 or not value else f"${value:.6f}".rstrip("0")


@functools.cache
def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("dqdata.view"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, Callable[..., Any]] = {
        "cell": cell,
        "whole": whole,
        "parts": parts,
        "usd": usd,
        "number": lambda value: f"{value:,}" if value is not None else "",
        "when": lambda value: f"{value:%Y-%m-%d %H:%M}" if value is not None else "",
    }
    made.filters.update(filters)
    made.globals["address"] = address
    return made
