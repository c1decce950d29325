"""Connections to one server, kept for the next request: addresses, TLS, and the proxy of the environment.

server = Server("https://api.example.com/v1/embeddings", {"Content-Type": "application/json"})
response = await server.post(body, most=64 << 20)
await server.close()
"""

from __future__ import annotations

import asyncio
import errno
import re
import ssl
import time
from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote, urlsplit

from dqdata.teachers.addresses import Addresses
from dqdata.teachers.connection import BrokenError, Connection, Response
from dqdata.teachers.proxies import ascii_host, proxy_of

KEPT = 15.0
"""Seconds for which an idle connection is used again: servers close theirs after some time, which a request that is on
its way would meet."""
CONNECT = 30.0
"""Seconds to connect, the proxy and TLS included."""
_TIMEOUT = re.compile(r"\btimeout=(\d{1,9})", re.IGNORECASE)
_URL_SAFE = "/%!$&'()*+,;=:@~"
_HEADER_UNSAFE = frozenset(' :\t"(),/;<=>?@[]{}')


class ConnectError(Exception):
    """There is no connection, so nothing was sent."""

    def __init__(self, cause: str, reason: Literal["certificate", "address", "open_files", "unreachable"]) -> None:
        super().__init__(cause)
        self.reason = reason


class Server:
    """Sends requests to one URL, each over a connection of its own while it lasts. Of one event loop."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """Raises ConnectError for a URL or headers that can't be sent."""
        parts = urlsplit(url)
        self._tls = ssl_context() if parts.scheme == "https" else None
        try:
            self._host = ascii_host(parts.hostname or "")
            self._port = parts.port or (443 if self._tls else 80)
            self._proxy = proxy_of(parts.scheme, self._host, self._port)
        except ValueError as error:
            raise ConnectError(str(error), "address") from None
        usual = self._port == (443 if self._tls else 80)
        name = f"[{self._host}]" if ":" in self._host else self._host
        self._authority = f"{name}:{self._port}"
        target = quote(parts.path or "/", safe=_URL_SAFE)
        target += f"?{quote(parts.query, safe=_URL_SAFE + '?')}" if parts.query else ""
        said = {
            "Host": name if usual else self._authority,
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": "dqdata",
        }
        if self._proxy is not None and self._tls is None:
            target = f"http://{self._authority}{target}"
            said |= self._proxy.headers
        # what the caller says stands in for what is usual, in any case
        given = {name.lower() for name in headers}
        said = {name: value for name, value in said.items() if name.lower() not in given} | dict(headers)
        self._head = f"POST {target} HTTP/1.1\r\n{_lines(said)}Content-Length: ".encode()
        self._idle: list[Connection] = []
        nearest = (self._proxy.host, self._proxy.port) if self._proxy else (self._host, self._port)
        self._addresses = Addresses(*nearest)

    async def post(self, body: bytes, most: int) -> Response:
        """The response, whose body has `most` bytes or fewer. Raises ConnectError, BrokenError and TooLongError."""
        connection = self._kept() or await self._connected()
        response = await connection.ask(b"%b%d\r\n\r\n%b" % (self._head, len(body), body), most)
        if connection.reusable:
            connection.usable_until = time.monotonic() + _kept_for(response)
            self._idle.append(connection)
        else:
            connection.close()
        return response

    async def close(self) -> None:
        """Closes what is idle."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        await asyncio.sleep(0)  # the loop closes the sockets

    def _kept(self) -> Connection | None:
        """The connection that was used last, which is the least likely to be closed by now."""
        now = time.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and connection.usable_until > now and not connection.transport.is_closing():
                return connection
            connection.close()
        return None

    async def _connected(self) -> Connection:
        try:
            async with asyncio.timeout(CONNECT):
                return await self._through_proxy() if self._proxy is not None else await self._direct()
        except TimeoutError:
            raise ConnectError(f"no connection within {CONNECT:g} s", "unreachable") from None
        except BrokenError as error:
            raise ConnectError(f"its proxy: {error}", "unreachable") from None
        except ssl.SSLError as error:  # also a certificate that is not valid
            raise ConnectError(f"{type(error).__name__}: {error}", "certificate") from None
        except OSError as error:
            full = error.errno in (errno.EMFILE, errno.ENFILE)
            cause = f"{type(error).__name__}: {error}"
            raise ConnectError(cause, "open_files" if full else "unreachable") from None

    async def _direct(self) -> Connection:
        return await self._open(self._host, self._tls)

    async def _through_proxy(self) -> Connection:
        """To the proxy itself for http, through it to the server for https."""
        proxy = self._proxy
        assert proxy is not None
        connection = await self._open(proxy.host, ssl_context() if proxy.tls else None)
        if self._tls is None:
            return connection
        said = {"Host": self._authority, **proxy.headers}
        try:
            status = await connection.tunnel(f"CONNECT {self._authority} HTTP/1.1\r\n{_lines(said)}\r\n".encode())
            if not 200 <= status < 300:
                raise BrokenError(f"it answered CONNECT with {status}", "disconnected")
            secure = await asyncio.get_running_loop().start_tls(
                connection.transport, connection, self._tls, server_hostname=self._host
            )
        except BaseException:
            connection.close()
            raise
        assert secure is not None
        connection.connection_made(secure)
        return connection

    async def _open(self, host: str, tls: ssl.SSLContext | None) -> Connection:
        sock = await self._addresses.connected()
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection, sock=sock, ssl=tls, server_hostname=host if tls else None
            )
        except BaseException:
            sock.close()
            raise
        return connection


def _kept_for(response: Response) -> float:
    """Seconds for which its connection is used again: less than the server keeps it, where it says so."""
    said = _TIMEOUT.search(response.headers.get("keep-alive", ""))
    return min(KEPT, int(said[1]) - 1) if said else KEPT


def ssl_context() -> ssl.SSLContext:
    """Checks certificates by the authorities of the system, or of SSL_CERT_FILE."""
    made = ssl.create_default_context()
    made.set_alpn_protocols(["http/1.1"])
    return made


def _lines(headers: Mapping[str, str]) -> str:
    """Raises ConnectError for a header that would be more than one, without its value."""
    for name, value in headers.items():
        if not name or _HEADER_UNSAFE & set(name) or any(end in name + value for end in "\r\n\0"):
            raise ConnectError(f"the header {name!r} has characters that no header has", "address")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())
