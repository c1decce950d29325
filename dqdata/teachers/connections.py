"""Connections to one server, kept for the next request: addresses, TLS, and the proxy of the environment.

server = Server("https://api.example.com/v1/embeddings", {"Content-Type": "application/json"})
response = await server.post(body, most=64 << 20)
await server.close()
"""

from __future__ import annotations

import asyncio
import base64
import errno
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from dqdata.teachers.connection import BrokenError, Connection, Response

KEPT = 15.0
"""Seconds for which an idle connection is used again: servers close theirs after some time, which a request that is on
its way would meet."""
CONNECT = 30.0
"""Seconds to connect, the proxy and TLS included."""
NEXT_ADDRESS = 5.0
"""Seconds for one address of a name that has several."""
RESOLVED = 300.0
"""Seconds for which the addresses of a name are taken to hold."""
_URL_SAFE = "/%!$&'()*+,;=:@~"
_HEADER_UNSAFE = frozenset(' :\t"(),/;<=>?@[]{}')

Address = tuple[Any, ...]


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
            self._host = _ascii(parts.hostname or "")
            self._port = parts.port or (443 if self._tls else 80)
        except ValueError as error:
            raise ConnectError(str(error), "address") from None
        self._proxy = _Proxy.of_environment(parts.scheme, self._host)
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
        self._addresses: list[Address] = []
        self._resolved_at = 0.0
        self._resolving: asyncio.Task[None] | None = None

    async def post(self, body: bytes, most: int) -> Response:
        """The response, whose body has `most` bytes or fewer. Raises ConnectError, BrokenError and TooLongError."""
        connection = self._kept() or await self._connected()
        response = await connection.ask(b"%b%d\r\n\r\n%b" % (self._head, len(body), body), most)
        if connection.reusable:
            connection.idle_since = time.monotonic()
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
        oldest = time.monotonic() - KEPT
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and connection.idle_since >= oldest and not connection.transport.is_closing():
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
        return await self._open(self._host, self._port, self._tls)

    async def _through_proxy(self) -> Connection:
        """To the proxy itself for http, through it to the server for https."""
        proxy = self._proxy
        assert proxy is not None
        connection = await self._open(proxy.host, proxy.port, ssl_context() if proxy.tls else None)
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

    async def _open(self, host: str, port: int, tls: ssl.SSLContext | None) -> Connection:
        sock = await self._socket(host, port)
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection, sock=sock, ssl=tls, server_hostname=host if tls else None
            )
        except BaseException:
            sock.close()
            raise
        return connection

    async def _socket(self, host: str, port: int) -> socket.socket:
        """A connected one, to the first address that accepts."""
        await self._resolve(host, port)
        addresses = list(self._addresses)
        for place, address in enumerate(addresses):
            last = place == len(addresses) - 1
            try:
                made = await _connected_socket(address, None if last else NEXT_ADDRESS)
            except OSError:  # TimeoutError included
                if last:
                    self._resolved_at = 0.0  # the name may have moved
                    raise
                continue
            if place and self._addresses[0] is not address:
                self._addresses = [address, *(other for other in addresses if other is not address)]
            return made
        raise OSError(errno.EADDRNOTAVAIL, f"{host} has no address")

    async def _resolve(self, host: str, port: int) -> None:
        """Looks the name up unless that was done lately; those who come meanwhile wait for the same answer."""
        if self._addresses and time.monotonic() - self._resolved_at < RESOLVED:
            return
        if self._resolving is None or self._resolving.done():
            self._resolving = asyncio.get_running_loop().create_task(self._look_up(host, port))
        await asyncio.shield(self._resolving)

    async def _look_up(self, host: str, port: int) -> None:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        self._addresses, self._resolved_at = list(found), time.monotonic()


class _Proxy:
    """A proxy, as a URL of the environment names it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConnectError(f"a proxy of the kind {parts.scheme!r}; only those of HTTP serve", "address")
        self.tls = parts.scheme == "https"
        self.host, self.port = _ascii(parts.hostname), parts.port or (443 if self.tls else 80)
        self.headers: dict[str, str] = {}
        if parts.username:
            who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.headers["Proxy-Authorization"] = f"Basic {base64.b64encode(who.encode()).decode()}"

    @classmethod
    def of_environment(cls, scheme: str, host: str) -> _Proxy | None:
        """The proxy that the environment names for this address."""
        url = None if proxy_bypass(host) else getproxies().get(scheme)
        return cls(url) if url else None


def ssl_context() -> ssl.SSLContext:
    """Checks certificates by the authorities of the system, or of SSL_CERT_FILE."""
    made = ssl.create_default_context()
    made.set_alpn_protocols(["http/1.1"])
    return made


async def _connected_socket(address: Address, seconds: float | None) -> socket.socket:
    """A socket that notices within minutes that the other end is gone, in a call that may rightly take an hour."""
    made = socket.socket(*address[:3])
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 6)):
            if hasattr(socket, name):
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(made, address[4])
    except BaseException:
        made.close()
        raise
    return made


def _ascii(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode()


def _lines(headers: Mapping[str, str]) -> str:
    """Raises ConnectError for a header that would be more than one, without its value."""
    for name, value in headers.items():
        if not name or _HEADER_UNSAFE & set(name) or any(end in name + value for end in "\r\n\0"):
            raise ConnectError(f"the header {name!r} has characters that no header has", "address")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())
