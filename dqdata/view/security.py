"""Who may ask the viewer, and what a page may do: loopback names, a token, one origin, and no code of anyone else.

Any page that a person visits can send requests to 127.0.0.1. Such a request has another Host (DNS rebinding), lacks the
cookie (SameSite=Strict), or lacks the CSRF header, which no form of another site can set. The policy of the answer
(CSP) admits scripts, styles and fonts of the viewer itself, so text of a model that became markup would still be inert.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("dqdata")

BODY_BYTES = 256 << 10
"""The largest body of a request: a query, or a note."""

CSRF_HEADER = "x-csrf-token"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Keys:
    """The secrets of one viewer. token: what the printed address holds. session: what the cookie holds. csrf: what a
    page sends with each change. Neither of the latter two gives another of them away."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(32)
        self.session, self.csrf = self._derived("session"), self._derived("csrf")

    def _derived(self, purpose: str) -> str:
        return hmac.new(self.token.encode(), purpose.encode(), hashlib.sha256).hexdigest()


class TooLarge(Exception):
    """The body of a request has more than BODY_BYTES."""


class Guard:
    """ASGI middleware in front of everything, static files included."""

    def __init__(self, app: ASGIApp, keys: Keys, port: int) -> None:
        self._app, self._keys = app, keys
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._cookie = f"dqdata_view_{port}"  # browsers send cookies to every port of a host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        body = _Body(receive)

        async def send_page(message: Message) -> None:
            if not body.too_large:  # then the application answers with a page of its own about the error
                await send_safely(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_safely)
            return
        try:
            await self._app(scope, body.receive, send_page)
        except TooLarge:
            await _plain(413, f"a request may have {BODY_BYTES:,} bytes")(scope, receive, send_safely)
        except Exception:
            log.exception("a page of the viewer failed: %s", scope["path"], extra={"code": "internal-error"})
            raise

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that gets no page; None for one that does."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or host not in self._hosts:
            return _plain(421, "this server answers to the address that `dqdata view` printed, and to no other name")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return _plain(405, "GET, HEAD and POST are answered")
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in query if name == "token"), None)
        if given is not None:
            return self._entered(scope, given, [(name, value) for name, value in query if name != "token"])
        if not _same(_cookie(headers, self._cookie), self._keys.session):
            return _plain(401, "open the address that `dqdata view` printed in the terminal: it holds a token")
        if scope["method"] == "POST":
            foreign = headers.get("origin", f"http://{host}") != f"http://{host}"
            foreign = foreign or headers.get("sec-fetch-site", "same-origin") != "same-origin"
            if foreign or not _same(headers.get(CSRF_HEADER, ""), self._keys.csrf):
                return _plain(403, "changes are made from a page of this viewer: reload it and try again")
        return None

    def _entered(self, scope: Scope, token: str, query: list[tuple[str, str]]) -> Response:
        """The same page without the token, which becomes a cookie that scripts and other sites can't use."""
        if scope["method"] == "POST" or not _same(token, self._keys.token):
            return _plain(401, "this token is not the one that `dqdata view` printed; a viewer has a new one each time")
        path = "/" + scope["path"].lstrip("/\\")  # `//other.example` would name another host
        response = RedirectResponse(path + (f"?{urlencode(query)}" if query else ""), status_code=303)
        response.set_cookie(self._cookie, self._keys.session, httponly=True, samesite="strict", path="/")
        return response


class _Body:
    """The body of a request as it comes. too_large: it has had more than BODY_BYTES, and TooLarge was raised."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._taken, self.too_large = receive, 0, False

    async def receive(self) -> Message:
        message = await self._receive()
        self._taken += len(message.get("body", b""))
        if self._taken > BODY_BYTES:
            self.too_large = True
            raise TooLarge
        return message


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _same(given: str, wanted: str) -> bool:
    """Whether both are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def _plain(status: int, text: str) -> Response:
    return PlainTextResponse(text + "\n", status_code=status)
