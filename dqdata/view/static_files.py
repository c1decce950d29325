"""The files of the pages: a fixed list from the package, read once. No path of a request ever meets a file system."""

from __future__ import annotations

import functools
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_FONTS = (
    "AMS-Regular Caligraphic-Bold Caligraphic-Regular Fraktur-Bold Fraktur-Regular Main-Bold Main-BoldItalic "
    "Main-Italic Main-Regular Math-BoldItalic Math-Italic SansSerif-Bold SansSerif-Italic SansSerif-Regular "
    "Script-Regular Size1-Regular Size2-Regular Size3-Regular Size4-Regular Typewriter-Regular"
).split()
NAMES = frozenset(
    {
        "view.css",
        "code.css",
        "view.js",
        "rich.js",
        "theme.js",
        "icon.svg",
        "vendor/htmx.min.js",
        "vendor/katex.min.js",
        "vendor/katex.min.css",
        "vendor/highlight.min.js",
        *(f"vendor/fonts/KaTeX_{name}.woff2" for name in _FONTS),
    }
)


@functools.cache
def content(name: str) -> bytes:
    """The bytes of one of NAMES."""
    return files("dqdata.view").joinpath("static", *name.split("/")).read_bytes()


def static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in NAMES:
        return PlainTextResponse("no such file\n", status_code=404)
    kind = _TYPES["." + name.rpartition(".")[2]]
    return Response(content(name), media_type=kind, headers={"cache-control": "private, max-age=3600"})
