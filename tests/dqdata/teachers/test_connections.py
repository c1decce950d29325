"""The HTTP client of endpoints: every way in which a response may be framed, packed, cut or wrong; reuse, TLS, proxies.

`localhost.pem`: a certificate for localhost that it signed itself, valid until 2126, with its key.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from dqdata.errors import TeacherError
from dqdata.teachers import connection
from dqdata.teachers.addresses import alternating, first_connected
from dqdata.teachers.connection import UNPACKED_HERE, BrokenError, TooLongError, unpacked
from dqdata.teachers.connections import Server
from dqdata.teachers.endpoint import AddressParams, HttpEndpoint
from dqdata.teachers.proxies import is_excepted, proxy_of

PEM = Path(__file__).with_name("localhost.pem")
BODY = b'{"answer": "' + b"4" * 500 + b'"}'
MOST = 100_000
Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """What a server of raw bytes saw: connections, heads and bodies of requests."""

    def __init__(self) -> None:
        self.connections = 0
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@asynccontextmanager
async def peer(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """A server that gives each request to `answer`, which writes what it likes."""
    seen = Peer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                seen.heads.append(head)
                length = next((x.split(":")[1] for x in head.split("\r\n") if x.startswith("Content-Length")), "0")
                seen.bodies.append(await reader.readexactly(int(length)))
                await answer(seen.bodies[-1], writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return  # the other end closed it, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()


def sends(*parts: bytes, close: bool = False) -> Answer:
    """Writes the parts, each as a packet of its own as far as the system lets it."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            if len(parts) > 1:
                await asyncio.sleep(0)
        if close:
            writer.close()

    return answer


def response(
    *headers: str, body: bytes = b"", status: str = "200 OK", version: str = "1.1", length: bool = True
) -> bytes:
    lines = [f"HTTP/{version} {status}", *headers, *([f"Content-Length: {len(body)}"] if length else [])]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(body: bytes, size: int, *, extra: bytes = b"", trailers: bytes = b"") -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extra, part) for part in parts)
    return response("Transfer-Encoding: chunked", length=False) + framed + b"0\r\n" + trailers + b"\r\n"


def each_byte(raw: bytes) -> tuple[bytes, ...]:
    return tuple(raw[at : at + 1] for at in range(len(raw)))


RAW_DEFLATE = zlib.compressobj(wbits=-15)
WHOLE = {
    "length": sends(response(body=BODY)),
    "length in single bytes": sends(*each_byte(response(body=BODY))),
    "chunks": sends(chunked(BODY, 7)),
    "chunks in single bytes": sends(*each_byte(chunked(BODY, 100))),
    "chunks with extensions and trailers": sends(chunked(BODY, 64, extra=b";a=b", trailers=b"X-Sum: 1\r\n")),
    "until the end": sends(response(body=BODY, length=False), close=True),
    "HTTP/1.0": sends(response(body=BODY, version="1.0"), close=True),
    "100 before it": sends(b"HTTP/1.1 100 Continue\r\n\r\n" + response(body=BODY)),
    "103 before it, apart": sends(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", response(body=BODY)),
    "line feeds alone": sends(response(body=BODY).replace(b"\r\n", b"\n", 2)),
    "names in another case": sends(b"HTTP/1.1 200\r\ncontent-LENGTH:%d\r\n\r\n" % len(BODY) + BODY),
    "gzip": sends(response("Content-Encoding: gzip", body=gzip.compress(BODY))),
    "gzip of two members": sends(
        response("Content-Encoding: x-gzip", body=gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]))
    ),
    "deflate": sends(response("Content-Encoding: deflate", body=zlib.compress(BODY))),
    "bare deflate": sends(response("Content-Encoding: DEFLATE", body=RAW_DEFLATE.compress(BODY) + RAW_DEFLATE.flush())),
    "identity": sends(response("Content-Encoding: identity", body=BODY)),
}


@pytest.mark.parametrize("how", list(WHOLE))
async def test_a_whole_response_is_read_and_its_connection_serves_the_next(how: str) -> None:
    async with peer(WHOLE[how]) as seen:
        server = Server(seen.url, {"X-Own": "1"})
        for n in range(3):
            body = f'{{"n": {n}}}'.encode()
            answer = await server.post(body, MOST)
            assert (answer.status, answer.body, seen.bodies[n]) == (200, BODY, body)
        await server.close()
        closes = how in ("until the end", "HTTP/1.0")
        assert seen.connections == (3 if closes else 1)
        head = seen.heads[0]
        assert head.startswith(f"POST /v1 HTTP/1.1\r\nHost: 127.0.0.1:{seen.port}\r\n") and "X-Own: 1\r\n" in head


BROKEN = {
    "cut in its length": (sends(response(body=BODY)[:-1], close=True), "cut"),
    "cut between chunks": (sends(chunked(BODY, 7)[:-5], close=True), "cut"),
    "cut in the headers": (sends(response(body=BODY)[:20], close=True), "disconnected"),
    "nothing": (sends(b"", close=True), "disconnected"),
    "no HTTP": (sends(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), "disconnected"),
    "another protocol": (sends(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "disconnected"),
    "informed without an end": (sends(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000), "disconnected"),
    "chunks that are packed besides": (
        sends(chunked(BODY, 7).replace(b"chunked", b"gzip, chunked", 1)), "cut",
    ),
    "headers without an end": (sends(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 60_000), "disconnected"),
    "a length that is none": (sends(response("Content-Length: 4e2", length=False)), "cut"),
    "a negative length": (sends(response("Content-Length: -4", length=False)), "cut"),
    "two lengths": (sends(response("Content-Length: 3", body=BODY)), "cut"),
    "a chunk's size that is none": (
        sends(response("Transfer-Encoding: chunked", length=False) + b"0x10\r\n" + BODY), "cut",
    ),
    "a chunk longer than its size": (
        sends(response("Transfer-Encoding: chunked", length=False) + b"3\r\n12345\r\n0\r\n\r\n"), "cut",
    ),
    "brotli": (sends(response("Content-Encoding: br", body=BODY)), "cut"),
    "damaged gzip": (sends(response("Content-Encoding: gzip", body=gzip.compress(BODY)[:-9])), "cut"),
    "no gzip": (sends(response("Content-Encoding: gzip", body=b"\x1f\x8b" + BODY)), "cut"),
}  # fmt: skip


@pytest.mark.parametrize("how", list(BROKEN))
async def test_what_is_no_whole_response_is_an_error_and_ends_its_connection(how: str) -> None:
    answer, reason = BROKEN[how]
    async with peer(answer) as seen:
        server = Server(seen.url, {})
        for n in (1, 2):
            with pytest.raises(BrokenError) as broken:
                await asyncio.wait_for(server.post(b"{}", MOST), 60)
            assert (broken.value.reason, seen.connections) == (reason, n)
        await server.close()


@pytest.mark.parametrize(
    "answer",
    [
        sends(response(f"Content-Length: {MOST + 1}", length=False)),  # refused before a byte of it came
        sends(response("Transfer-Encoding: chunked", length=False) + b"%x\r\n" % (MOST + 1)),
        sends(response(length=False) + b"a" * (MOST + 1)),
        sends(response("Content-Encoding: gzip", body=gzip.compress(b"a" * (MOST + 1)))),
    ],
    ids=["length", "chunks", "until the end", "gzip"],
)
async def test_a_body_over_the_limit_is_not_waited_for(answer: Answer) -> None:
    async with peer(answer) as seen:
        server = Server(seen.url, {})
        with pytest.raises(TooLongError):
            await asyncio.wait_for(server.post(b"{}", MOST), 60)
        await server.close()


async def test_a_long_body_that_is_packed_is_unpacked_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes may unpack to megabytes; other calls go on meanwhile."""
    body = b"4" * (UNPACKED_HERE + 1)
    threads: list[bool] = []

    def noted(packed: bytes, coding: str, most: int) -> bytes:
        threads.append(threading.current_thread() is threading.main_thread())
        return unpacked(packed, coding, most)

    monkeypatch.setattr(connection, "unpacked", noted)
    async with peer(sends(response("Content-Encoding: gzip", body=gzip.compress(body)))) as seen:
        server = Server(seen.url, {})
        assert [(await server.post(b"{}", 2 * UNPACKED_HERE)).body == body for _ in range(2)] == [True, True]
        assert (threads, seen.connections) == ([True, False] * 2, 1)
        with pytest.raises(TooLongError):
            await server.post(b"{}", UNPACKED_HERE)
        await server.close()


async def test_a_response_that_never_ends_is_given_up_at_the_deadline_of_its_caller() -> None:
    async def drip(_: bytes, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"a" if seen.bodies[1:] else b"HTTP/1.1 200 OK\r\na: b\r\n")
            await writer.drain()
            await asyncio.sleep(0.001)

    async with peer(drip) as seen:
        server = Server(seen.url, {})
        for n in (1, 2):
            call = asyncio.create_task(server.post(b"{}", MOST))
            while len(seen.bodies) < n:
                await asyncio.sleep(0.001)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call, 0.02)
            assert (seen.connections, server._idle) == (n, [])
        await server.close()


async def test_a_connection_is_not_kept_longer_than_its_server_says() -> None:
    for said, connections in (("timeout=1", 3), ("timeout=60, max=9", 1), ("max=9", 1)):
        async with peer(sends(response(f"Keep-Alive: {said}", body=BODY))) as seen:
            server = Server(seen.url, {})
            for _ in range(3):
                await server.post(b"{}", MOST)
            assert seen.connections == connections
            await server.close()


async def test_a_kept_connection_that_breaks_is_no_reason_to_send_a_request_twice_in_silence() -> None:
    """Whoever pays decides: the server may have begun."""

    async def answer(body: bytes, writer: asyncio.StreamWriter) -> None:
        if body == b"first":
            writer.write(response(body=BODY))
        else:
            writer.close()

    async with peer(answer) as seen:
        endpoint = HttpEndpoint(AddressParams(base_url=seen.url), "")
        assert (await endpoint.post(b"first", MOST))[0] == BODY
        with pytest.raises(TeacherError) as broken:
            await endpoint.post(b"second", MOST)
        assert (broken.value.kind, broken.value.usage_unknown) == ("retryable", True)
        assert (seen.bodies, seen.connections) == ([b"first", b"second"], 1)
        await endpoint.close()


@pytest.mark.parametrize(
    ("charset", "sent"),
    [
        ("GBK", "数".encode("gbk")),
        ('"gb18030"', "数".encode("gbk")),
        ("utf-16", "数".encode("utf-16")),
        ("iso-8859-1", "数".encode()),  # what it says is wrong
        ("utf-8", "数".encode()),
        ("none-such", b"\xca\xfd"),
    ],
)
async def test_the_charset_of_a_body(charset: str, sent: bytes) -> None:
    said = f"Content-Type: application/json; Charset={charset}"
    async with peer(sends(response(said, body=sent))) as seen:
        endpoint = HttpEndpoint(AddressParams(base_url=seen.url), "")
        raw, _ = await endpoint.post(b"{}", MOST)
        assert raw == (sent if charset == "none-such" else "数".encode())
        await endpoint.close()


async def test_a_connection_that_may_hold_another_response_is_not_used_again() -> None:
    spare = response(body=b"planted")
    both = chunked(BODY, 99).replace(b"Transfer", b"Content-Length: 3\r\nTransfer", 1)
    for answer in (sends(response(body=BODY) + spare), sends(both), sends(response("Connection: close", body=BODY))):
        async with peer(answer) as seen:
            server = Server(seen.url, {})
            assert [(await server.post(b"{}", MOST)).body for _ in range(3)] == [BODY] * 3
            assert seen.connections == 3
            await server.close()


async def test_bytes_that_nobody_asked_for_close_an_idle_connection() -> None:
    held: list[asyncio.StreamWriter] = []

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        writer.write(response(body=BODY))

    async with peer(answer) as seen:
        server = Server(seen.url, {})
        await server.post(b"{}", MOST)
        held[0].write(response(body=b"planted"))
        await held[0].drain()
        await until_idle_is_closed(server)
        assert (await server.post(b"{}", MOST)).body == BODY
        assert seen.connections == 2
        await server.close()


async def test_a_server_that_closed_an_idle_connection_is_connected_to_again() -> None:
    async with peer(sends(response(body=BODY), close=True)) as seen:
        server = Server(seen.url, {})
        for n in (1, 2, 3):
            assert (await server.post(b"{}", MOST)).body == BODY
            await until_idle_is_closed(server)
            assert seen.connections == n
        await server.close()


async def until_idle_is_closed(server: Server) -> None:
    async with asyncio.timeout(60):
        while any(one.reusable for one in server._idle):
            await asyncio.sleep(0.001)


async def test_a_call_that_is_given_up_closes_its_connection_and_no_other() -> None:
    free = asyncio.Event()

    async def answer(body: bytes, writer: asyncio.StreamWriter) -> None:
        if body == b"slow":
            await free.wait()
        writer.write(response(body=body))

    async with peer(answer) as seen:
        server = Server(seen.url, {})
        slow, other = (asyncio.create_task(server.post(body, MOST)) for body in (b"slow", b"slow"))
        while len(seen.bodies) < 2:
            await asyncio.sleep(0.001)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        free.set()
        assert (await other).body == b"slow"
        answers = [(await server.post(str(n).encode(), MOST)).body for n in range(4)]
        assert (answers, seen.connections) == ([b"0", b"1", b"2", b"3"], 2)
        await server.close()


async def test_many_at_once_get_their_own_answers() -> None:
    async def answer(body: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(int(body) % 7 / 1000)
        writer.write(response(body=body * 3))

    async with peer(answer) as seen:
        server = Server(seen.url, {})
        for _ in range(3):
            answers = await asyncio.gather(*(server.post(str(n).encode(), MOST) for n in range(100)))
            assert [one.body for one in answers] == [str(n).encode() * 3 for n in range(100)]
        assert seen.connections == 100
        await server.close()


def trusting() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(PEM)
    return made


async def refused(url: str, headers: dict[str, SecretStr] | None = None) -> TeacherError:
    endpoint = HttpEndpoint(AddressParams(base_url=url, headers=headers or {}), "/chat/completions")
    with pytest.raises(TeacherError) as error:
        await endpoint.post(b"{}", MOST)
    await endpoint.close()
    return error.value


async def test_tls_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(sends(response(body=BODY)), trusting()) as seen:
        url = seen.url.replace("http://127.0.0.1", "https://localhost")
        error = await refused(url)
        assert (error.kind, error.reason, seen.heads) == ("fatal", "certificate", [])
        assert "SSL_CERT_FILE" in str(error)
        monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
        server = Server(url, {})
        for _ in range(3):
            assert (await server.post(b"{}", MOST)).body == BODY
        assert (seen.connections, len(seen.heads)) == (1, 3)
        await server.close()

    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response(status="400 Bad Request"))
        writer.close()

    no_tls = await asyncio.start_server(plain, "127.0.0.1", 0)
    assert (await refused(f"https://127.0.0.1:{no_tls.sockets[0].getsockname()[1]}/v1")).reason == "certificate"
    no_tls.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_proxy_of_the_environment(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(sends(response(body=b"by the proxy"))) as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://me:pa%40ss@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        if scheme == "http":
            server = Server("http://api.example.com/v1/x?a=b c", {"Authorization": "Bearer key"})
            assert (await server.post(b"{}", MOST)).body == b"by the proxy"
            assert proxy.heads[0].startswith("POST http://api.example.com:80/v1/x?a=b%20c HTTP/1.1\r\n")
            await server.close()
        else:  # it grants the tunnel and answers by itself: the key must not have been sent
            error = await refused("https://api.example.com/v1", {"Authorization": SecretStr("Bearer key")})
            assert (error.reason, error.usage_unknown) == ("unreachable", False)
            assert proxy.heads == [proxy.heads[0]] and proxy.heads[0].startswith("CONNECT api.example.com:443 HTTP/1.1")
            assert "Bearer" not in proxy.heads[0]
        assert "Proxy-Authorization: Basic bWU6cGFAc3M=" in proxy.heads[0]


async def test_a_tunnel_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    monkeypatch.setenv("no_proxy", "")
    pipes: list[asyncio.Task[None]] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async with peer(sends(response(body=BODY)), trusting()) as seen:

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            there, to = await asyncio.open_connection("127.0.0.1", seen.port)
            writer.write(b"HTTP/1.0 200 Connection established\r\nVia: 1.1 p\r\n\r\n")
            pipes.extend(map(asyncio.create_task, (pipe(reader, to), pipe(there, writer))))

        proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        server = Server("https://localhost/v1", {})
        for _ in range(3):
            assert (await server.post(b"{}", MOST)).body == BODY
        assert (seen.connections, seen.heads[0].split("\r\n")[:2]) == (1, ["POST /v1 HTTP/1.1", "Host: localhost"])
        await server.close()
        await asyncio.wait_for(asyncio.gather(*pipes, return_exceptions=True), 60)
        proxy.close()


async def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    async with peer(sends(response(status="407 Proxy Authentication Required", body=b"who?"))) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        error = await refused("https://api.example.com/v1")
        assert (error.kind, error.reason, error.usage_unknown) == ("retryable", "unreachable", False)
        assert "407" in str(error)
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
    error = await refused("https://api.example.com/v1")
    assert (error.kind, error.reason) == ("fatal", "address") and "socks5" in str(error)
    monkeypatch.setenv("https_proxy", "http://me:planted@proxy.example:80a")
    error = await refused("https://api.example.com/v1")
    assert (error.kind, error.reason) == ("fatal", "address")
    assert "the proxy proxy.example has a port" in str(error) and "planted" not in str(error)


async def test_a_server_that_is_an_address_of_ipv6_behind_the_proxy_of_all_schemes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with peer(sends(response(body=BODY))) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"127.0.0.1:{proxy.port}")
        server = Server("http://[2001:db8::1]:8000/v1", {})
        assert (await server.post(b"{}", MOST)).body == BODY
        lines = proxy.heads[0].split("\r\n")
        assert lines[:2] == ["POST http://[2001:db8::1]:8000/v1 HTTP/1.1", "Host: [2001:db8::1]:8000"]
        await server.close()
        monkeypatch.setenv("NO_PROXY", "[2001:db8::]/32, example.com")
        assert proxy_of("http", "2001:db8::1", 8000) is not None  # no network is written so
        monkeypatch.setenv("NO_PROXY", "2001:db8::/32, example.com")
        assert proxy_of("http", "2001:db8::1", 8000) is None and proxy_of("https", "api.example.com", 443) is None


@pytest.mark.parametrize(
    ("host", "exceptions", "excepted"),
    [
        ("example.com", "other, example.com", True),
        ("API.example.com", "Example.com", True),
        ("api.example.com.", ".example.com", True),
        ("example.com", ".example.com", True),
        ("api.example.com", "*.example.com", True),
        ("badexample.com", "example.com", False),
        ("example.com", "api.example.com", False),
        ("example.com", "example.com:8000 other", True),
        ("example.com", "example.com:80", False),
        ("anything", " * ", True),
        ("anything", ", ,.", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("10.1.2.3", "localhost,10.0.0.0/8", True),
        ("10.1.2.3", "10.0.0.0/33,x/8", False),
        ("10.1.2.3", "2.3", False),
        ("::1", "::1", True),
        ("::1", "[::1]:8000", True),
        ("::1", "[::1]:80", False),
        ("fd00::7", "fd00::/8", True),
        ("fd00::7", "[fd00:0::7]", True),
    ],
)
def test_servers_that_no_proxy_serves(host: str, exceptions: str, excepted: bool) -> None:
    assert is_excepted(host, 8000, exceptions) is excepted


async def test_headers_that_would_be_several_are_refused_without_their_value() -> None:
    for name, value in (("X-Key", "sk-planted\r\nX-More: 1"), ("X-Key", "sk-planted\n"), ("X Key", "sk-planted")):
        error = await refused("http://127.0.0.1:9/v1", {name: SecretStr(value)})
        assert (error.kind, error.reason) == ("fatal", "address")
        assert name in str(error) and "planted" not in str(error)


async def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first address that accepts is used, and used first from then on; a name without one is unreachable."""
    async with peer(sends(response("Connection: close", body=BODY))) as seen:
        server = Server(f"http://several.example:{seen.port}", {"host": "own.example"})
        looked_up = 0

        async def addresses(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
            nonlocal looked_up
            looked_up += 1
            return [(2, 1, 6, "", ("127.0.0.1", 1)), (2, 1, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses)
        answers = await asyncio.gather(*(server.post(b"{}", MOST) for _ in range(4)))
        assert [one.body for one in answers] == [BODY] * 4 and looked_up == 1
        assert server._addresses._known[0][4] == ("127.0.0.1", seen.port)
        assert "host: own.example\r\n" in seen.heads[0] and "Host:" not in seen.heads[0]
        await server.close()
    monkeypatch.undo()
    with socket.socket() as deaf, socket.socket() as waits:  # its queue is full: who connects hears nothing
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        waits.setblocking(False)
        waits.connect_ex(deaf.getsockname())
        silent = (2, 1, 6, "", deaf.getsockname())
        async with peer(sends(response(body=BODY))) as seen:
            good = (2, 1, 6, "", ("127.0.0.1", seen.port))
            for order in ([silent, good], [silent, (2, 1, 6, "", ("127.0.0.1", 1)), silent, good]):
                made, address = await asyncio.wait_for(first_connected(order), 60)
                assert address is good and made.getpeername() == good[4]
                made.close()
    six = [(10, 1, 6, "", (name,)) for name in "ab"]
    four = [(2, 1, 6, "", (name,)) for name in "cde"]
    assert [one[4][0] for one in alternating(six + four)] == ["a", "c", "b", "d", "e"]
    error = await refused("http://nowhere.invalid/v1")
    assert (error.kind, error.reason) == ("retryable", "unreachable")
