"""HTTP for teachers behind an endpoint: one session, one connection for each call in flight, errors without secrets.

    endpoint = HttpEndpoint(params, "/chat/completions")
    raw, headers = await endpoint.post(body, 64 << 20)

Calls go over aiohttp, without the client of the `openai` package, which costs twice the processor time a call
(`bench/calls.py`).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from dqdata.errors import TeacherError
from dqdata.masking import masker
from dqdata.params import Params
from dqdata.teachers import chat
from dqdata.teachers.refusals import refusal

if TYPE_CHECKING:
    import aiohttp


class AddressParams(Params):
    """Where an endpoint is, and which credentials it receives."""

    model_config = ConfigDict(hide_input_in_errors=True)

    base_url: str = Field("https://api.openai.com/v1", repr=False)
    """Address up to, and without, `/chat/completions` or `/embeddings`."""
    api_key: SecretStr | None = None
    """Sent as a bearer token; `{ env = "NAME" }` reads it from the environment, and nothing shows or stores it."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Further HTTP headers; their values are treated as secrets."""

    @field_validator("base_url")
    @classmethod
    def _http(cls, url: str) -> str:
        if urlsplit(url).username or urlsplit(url).password:
            raise ValueError("must hold no user or password: give api_key, or headers = { Authorization = ... }")
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ValueError("must be an address such as https://api.example.com/v1")
        return url.rstrip("/").removesuffix("/chat/completions").removesuffix("/embeddings")

    @property
    def public_url(self) -> str:
        """The address without its query: fit for messages and for the ledger."""
        parts = urlsplit(self.base_url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"

    @model_validator(mode="after")
    def _known_to_the_masker(self) -> Self:
        """Endpoints like to repeat the key they refuse. A query of the address may hold a key too."""
        masker.add(self.api_key, *self.headers.values())
        masker.add(*(value for _, value in parse_qsl(urlsplit(self.base_url).query)))
        return self


class HttpEndpoint:
    def __init__(self, params: AddressParams, path: str) -> None:
        """path: below the base address, such as `/embeddings`."""
        self._params = params
        self._session: aiohttp.ClientSession | None = None
        self._proxy: str | None = None
        self._url = f"{urlsplit(params.base_url)._replace(query='').geturl()}{path}"
        self._url += f"?{query}" if (query := urlsplit(params.base_url).query) else ""
        self.where = params.public_url

    async def start(self) -> None:
        import aiohttp

        _allow_many_files()
        self._proxy = _proxy(self._params.base_url)
        headers = {name: value.get_secret_value() for name, value in self._params.headers.items()}
        headers["Content-Type"] = "application/json"
        if self._params.api_key is not None:
            headers.setdefault("Authorization", f"Bearer {self._params.api_key.get_secret_value()}")
        self._session = aiohttp.ClientSession(
            headers=headers,
            # The gate in front bounds the calls, and the engine times them out: the pool must do neither.
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, socket_factory=_socket),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, body: bytes, most: int) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of an answer of status 2xx, of `most` bytes or fewer. Raises TeacherError, never an error
        of aiohttp: those carry headers, so the key."""
        if self._session is None:
            await self.start()
        assert self._session is not None
        failed: TeacherError
        try:
            async with self._session.post(self._url, data=body, proxy=self._proxy, allow_redirects=False) as response:
                raw = await _body(response, most, self.where)
                if 200 <= response.status < 300:
                    return raw, response.headers
                failed = refusal(response.status, raw, response.headers, self.where)
        except (TimeoutError, OSError, _client_error()) as error:
            failed = _broken_connection(error, self.where)
        raise _hidden(failed)


async def _body(response: aiohttp.ClientResponse, most: int, where: str) -> bytes:
    """The body of an answer, unpacked. Raises TeacherError where it has more bytes, without reading on."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > most:
            raise chat.too_long(where, f"{most >> 20} MiB")
    return b"".join(parts)


def _client_error() -> type[Exception]:
    import aiohttp

    return aiohttp.ClientError


def _broken_connection(error: Exception, where: str) -> TeacherError:
    """What went wrong below HTTP. Before anything was sent it costs nothing; after that nobody knows."""
    import aiohttp

    cause = f"{type(error).__name__}: {error}".removesuffix(": ")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return TeacherError(f"{where}: no secure connection: {cause}", kind="fatal", reason="certificate")
    if isinstance(error, aiohttp.InvalidURL):
        return TeacherError(f"{where} is no address: check base_url", kind="fatal", reason="address")
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno in (errno.EMFILE, errno.ENFILE):
        advice = "too many open files: raise `ulimit -n` or lower the teacher's concurrency"
        return TeacherError(f"{where}: {advice}", kind="retryable", reason="open_files", retry_after=1.0)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return TeacherError(f"{where} can't be reached ({cause})", kind="retryable", reason="unreachable")
    reason = "cut" if isinstance(error, aiohttp.ClientPayloadError) else "disconnected"
    return TeacherError(
        f"{where}: the connection broke before the answer was whole ({cause})",
        kind="retryable",
        reason=reason,
        usage_unknown=True,
    )


def _hidden(error: TeacherError) -> TeacherError:
    error.args = (masker.hide(str(error)),)
    return error


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for this address, read once and not for every call."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def _socket(address: Any) -> socket.socket:
    """A socket that notices within minutes that the other end is gone, in a call that may rightly take an hour."""
    made = socket.socket(address[0], address[1], address[2])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, seconds in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)
    return made


def _allow_many_files() -> None:
    """Each call in flight is an open file; the usual soft limit of 1,024 is lower than what the system allows."""
    try:
        import resource
    except ImportError:  # not on Windows, where no such limit is set
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
