"""HTTP for teachers behind an endpoint: one connection for each call in flight, errors without secrets.

    endpoint = HttpEndpoint(params, "/chat/completions")
    raw, headers = await endpoint.post(body, 64 << 20)

The client is `connections`: those of the `openai` package and of aiohttp take many times the processor time a call
(`bench/calls.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from dqdata.errors import TeacherError
from dqdata.masking import masker
from dqdata.params import Params
from dqdata.teachers import chat
from dqdata.teachers.connection import BrokenError, TooLongError
from dqdata.teachers.connections import ConnectError, Server
from dqdata.teachers.refusals import refusal

_CHARSET = re.compile(r"charset=[\"']?([\w.:-]{1,40})", re.IGNORECASE)


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
        self._server: Server | None = None
        self._url = f"{urlsplit(params.base_url)._replace(query='').geturl()}{path}"
        self._url += f"?{query}" if (query := urlsplit(params.base_url).query) else ""
        self.where = params.public_url

    async def start(self) -> None:
        """Raises TeacherError for an address, a proxy or a header that can't be used."""
        _allow_many_files()
        headers = {name: value.get_secret_value() for name, value in self._params.headers.items()}
        named = {name.lower() for name in headers}
        if "content-type" not in named:
            headers["Content-Type"] = "application/json"
        if self._params.api_key is not None and "authorization" not in named:
            headers["Authorization"] = f"Bearer {self._params.api_key.get_secret_value()}"
        try:
            self._server = Server(self._url, headers)
        except ConnectError as error:
            raise _hidden(_not_connected(error, self.where)) from None

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()
            self._server = None

    async def post(self, body: bytes, most: int) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of an answer of status 2xx, of `most` bytes or fewer. Raises TeacherError."""
        if self._server is None:
            await self.start()
        assert self._server is not None
        failed: TeacherError
        try:
            status, headers, raw = await self._server.post(body, most)
            raw = in_utf8(raw, headers.get("Content-Type", ""))
            if 200 <= status < 300:
                return raw, headers
            failed = refusal(status, raw, headers, self.where)
        except TooLongError:
            failed = chat.too_long(self.where, f"{most >> 20} MiB")
        except ConnectError as error:
            failed = _not_connected(error, self.where)
        except BrokenError as error:  # after it was sent: nobody knows what it costs
            said = f"{self.where}: the connection broke before the answer was whole ({error})"
            failed = TeacherError(said, kind="retryable", reason=error.reason, usage_unknown=True)
        raise _hidden(failed)


def in_utf8(raw: bytes, content_type: str) -> bytes:
    """A body in UTF-8, also where a gateway answers in another charset and says so."""
    said = _CHARSET.search(content_type)
    if said is None or said[1].lower() in ("utf-8", "utf8"):
        return raw
    try:
        raw.decode()
    except UnicodeDecodeError:
        try:
            return raw.decode(said[1]).encode()
        except (LookupError, UnicodeError):  # readers show what can be shown of it
            return raw
    return raw


def _not_connected(error: ConnectError, where: str) -> TeacherError:
    """What went wrong before anything was sent: it costs nothing."""
    match error.reason:
        case "certificate":
            said = f"{where}: no secure connection: {error}"
            if "CERTIFICATE_VERIFY_FAILED" in said:
                said += "; SSL_CERT_FILE names a file with the authority of a server that signs its own"
            return TeacherError(said, kind="fatal", reason=error.reason)
        case "address":
            said = f"{where}: nothing can be sent there ({error}): check base_url, headers and the proxy"
            return TeacherError(said, kind="fatal", reason=error.reason)
        case "open_files":
            advice = "too many open files: raise `ulimit -n` or lower the teacher's concurrency"
            return TeacherError(f"{where}: {advice}", kind="retryable", reason=error.reason, retry_after=1.0)
        case _:
            return TeacherError(f"{where} can't be reached ({error})", kind="retryable", reason=error.reason)


def _hidden(error: TeacherError) -> TeacherError:
    error.args = (masker.hide(str(error)),)
    return error


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
