"""A connection of HTTP/1.1 that sends a request and receives its response whole.

    response = await connection.ask(head + body, most=64 << 20)

A response is one piece of bytes for all callers here, so nothing streams: a call takes a fifth of the processor time of
a client that does (`bench/calls.py`).
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, cast

MOST_HEAD = 256 << 10
"""Bytes of the headers of one response, of its trailers, and of the line before a chunk."""
_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(r"HTTP/(\d)\.(\d) (\d{3})(?: |$)")
UNPACKED_HERE = 1 << 20
"""Bytes of a packed body that are unpacked on the event loop; one that holds more is unpacked in a thread."""
_GZIP_OR_ZLIB, _DEFLATE = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS
"""Window sizes by which zlib tells formats apart."""


class BrokenError(Exception):
    """No whole response came. reason: "disconnected" where none began, "cut" where one began."""

    def __init__(self, cause: str, reason: Literal["cut", "disconnected"]) -> None:
        super().__init__(cause)
        self.reason = reason


class TooLongError(Exception):
    """The body has more bytes than the caller takes; the rest was not read."""


class Headers(Mapping[str, str]):
    """Headers of a response by name in any case; of several of one name the first."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, str]) -> None:
        """values: by name in lower case."""
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Response(NamedTuple):
    status: int
    headers: Headers
    body: bytes


class Connection(asyncio.Protocol):
    """Serves one request at a time. `reusable` says after a response whether another request may follow."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.reusable = True
        self.usable_until = 0.0
        self._waiter: asyncio.Future[Response] | None = None
        self._most = 0
        self._only_head = False
        self._reset()

    def _reset(self) -> None:
        self._buffer = bytearray()
        self._interim = 0
        self._status = 0
        self._headers = Headers({})
        self._length: int | None = None
        self._chunks: _Chunks | None = None

    async def ask(self, request: bytes, most: int) -> Response:
        """The response, whose body has `most` bytes or fewer, unpacked. Raises BrokenError and TooLongError; after
        these, and after a cancellation, the connection is closed."""
        self._reset()
        self._most = most
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        try:
            response = await self._waiter
            coding = response.headers.get("content-encoding")
            if coding and response.body:
                response = response._replace(body=await _unpacked_aside(response.body, coding, most))
            return response
        except BaseException:
            self.close()
            raise
        finally:
            self._waiter = None

    async def tunnel(self, request: bytes) -> int:
        """The status of the response to a CONNECT, which has no body where it is granted. Raises BrokenError."""
        self._only_head = True
        try:
            status = (await self.ask(request, MOST_HEAD)).status
        finally:
            self._only_head = False
        if status < 300 and self._buffer:
            raise BrokenError("it sends more than the tunnel", "disconnected")
        self.reusable = True
        return status

    def close(self) -> None:
        """At once: what was not sent yet is dropped."""
        self.reusable = False
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.close()  # nobody asked for this
            return
        searched = max(0, len(self._buffer) - 3)
        self._buffer += data
        try:
            if self._status or self._read_head(searched):
                self._read_body()
        except (BrokenError, TooLongError) as error:
            self._fail(error)

    def connection_lost(self, error: Exception | None) -> None:
        self.reusable = False
        if self._waiter is None or self._waiter.done():
            return
        ends_so = self._status and self._length is None and self._chunks is None
        if ends_so and error is None:
            self._finish(bytes(self._buffer))
            return
        cause = f"{type(error).__name__}: {error}".removesuffix(": ") if error else "the server closed it"
        self._fail(BrokenError(cause, "cut" if self._status else "disconnected"))

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def _read_head(self, searched: int) -> bool:
        """Whether the headers of the final response are there; they are taken off the buffer."""
        while (end := _HEAD_ENDS.search(self._buffer, searched)) is not None:
            lines = self._buffer[: end.start()].decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
            del self._buffer[: end.end()]
            searched = 0
            said = _STATUS_LINE.match(lines[0])
            if said is None:
                raise BrokenError(f"no status line of HTTP but {lines[0][:80]!r}", "disconnected")
            status = int(said[3])
            if status >= 200:
                self._begin(status, old=said[1] == "1" and said[2] == "0", headers=_headers(lines[1:]))
                return True
            if status == 101:
                raise BrokenError("the server changed the protocol", "disconnected")
            self._interim += end.end()
        if len(self._buffer) + self._interim > MOST_HEAD:
            raise BrokenError("headers without an end", "disconnected")
        return False

    def _begin(self, status: int, *, old: bool, headers: dict[str, str]) -> None:
        """old: HTTP/1.0, which closes the connection unless it says otherwise."""
        self._status, self._headers = status, Headers(headers)
        words = headers.get("connection", "").lower()
        self.reusable = "keep-alive" in words if old else "close" not in words
        coding, length = headers.get("transfer-encoding", "").strip().lower(), headers.get("content-length")
        if self._only_head or status in (204, 304):
            self._length = 0
        elif coding not in ("", "identity", "chunked"):
            raise BrokenError(f"Transfer-Encoding {coding[:40]!r}, which was not asked for", "cut")
        elif coding == "chunked":
            self._chunks = _Chunks(self._most)
            self.reusable = self.reusable and length is None  # a response that says both may hide a second one
        elif length is not None:
            if not (length.isascii() and length.isdigit()):
                raise BrokenError(f"a Content-Length of {length[:80]!r}", "cut")
            self._length = int(length)
            if self._length > self._most:
                raise TooLongError
        else:
            self.reusable = False

    def _read_body(self) -> None:
        buffer = self._buffer
        if self._chunks is not None:
            if self._chunks.read(buffer):
                self.reusable = self.reusable and not buffer
                self._finish(bytes(self._chunks.body))
        elif self._length is None:
            if len(buffer) > self._most:
                raise TooLongError
        elif len(buffer) >= self._length:
            self.reusable = self.reusable and len(buffer) == self._length
            self._finish(bytes(buffer[: self._length]))

    def _finish(self, body: bytes) -> None:
        assert self._waiter is not None
        self._waiter.set_result(Response(self._status, self._headers, body))


class _Chunks:
    """The chunked body of one response, as it comes."""

    def __init__(self, most: int) -> None:
        self.body = bytearray()  # not a list of parts: a chunk may be a byte long
        self._most, self._left = most, 0
        self._at: Literal["size", "data", "end", "trailers"] = "size"

    def read(self, buffer: bytearray) -> bool:
        """Takes what it can off the buffer. Whether the body is whole."""
        at = 0
        while True:
            if self._at == "data":
                part = buffer[at : at + self._left]
                at, self._left = at + len(part), self._left - len(part)
                self.body += part
                if self._left:
                    break
                self._at = "end"
            found = buffer.find(b"\n", at)
            if found < 0:
                if len(buffer) - at > MOST_HEAD:
                    raise BrokenError("a line before a chunk without an end", "cut")
                break
            line, at = bytes(buffer[at:found]).strip(), found + 1
            if self._at == "size":
                self._begin(line)
            elif self._at == "end":
                if line:
                    raise BrokenError("a chunk is longer than it says", "cut")
                self._at = "size"
            elif not line:  # the end of the trailers
                del buffer[:at]
                return True
        del buffer[:at]
        return False

    def _begin(self, line: bytes) -> None:
        digits = line.split(b";", 1)[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", digits):
            raise BrokenError(f"a chunk of size {digits[:40]!r}", "cut")
        self._left = int(digits, 16)
        if len(self.body) + self._left > self._most:
            raise TooLongError
        self._at = "data" if self._left else "trailers"


def _headers(lines: list[str]) -> dict[str, str]:
    """By name in lower case. Raises BrokenError for two lengths that differ."""
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name, value = name.lower(), value.strip()
        if not colon or name != name.strip():
            continue  # the second line of a value, which nothing here reads
        if found.setdefault(name, value) != value and name == "content-length":
            raise BrokenError("two lengths of one body", "cut")
    return found


async def _unpacked_aside(body: bytes, coding: str, most: int) -> bytes:
    """`unpacked`; a long one in a thread: a thousand calls share the loop, and a small body may unpack to megabytes."""
    try:
        return unpacked(body, coding, min(most, UNPACKED_HERE))
    except TooLongError:
        if most <= UNPACKED_HERE:
            raise
    return await asyncio.to_thread(unpacked, body, coding, most)


def unpacked(body: bytes, coding: str, most: int) -> bytes:
    """The content of a body. coding: its Content-Encoding. Raises BrokenError where it is none of gzip and deflate or
    damaged, and TooLongError."""
    for name in reversed(coding.lower().split(",")):
        name = name.strip()
        if name in ("gzip", "x-gzip", "deflate"):
            body = _inflated(body, most)
        elif name not in ("", "identity"):
            raise BrokenError(f"Content-Encoding {name[:40]!r}, which was not asked for", "cut")
    return body


def _inflated(body: bytes, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        while body:
            # RFC 9110: deflate is a zlib stream; some servers send it bare
            packed = body[0] & 15 == 8 or body[:2] == b"\x1f\x8b"
            reader = zlib.decompressobj(_GZIP_OR_ZLIB if packed else _DEFLATE)
            part = reader.decompress(body, most - size + 1)
            parts.append(part)
            size += len(part)
            if size > most:
                raise TooLongError
            if not reader.eof:
                raise BrokenError("its packed body ends too early", "cut")
            body = reader.unused_data.lstrip(b"\0")  # gzip may have several members
    except zlib.error as error:
        raise BrokenError(f"its packed body is damaged ({error})", "cut") from None
    return b"".join(parts)
