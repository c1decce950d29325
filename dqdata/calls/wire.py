"""Messages between a process that calls teachers and the owner of ledger, limits and budget in another one.

A message is a JSON object behind its length, four bytes with the most significant first. The first one of a connection
holds the token; whoever does not know it is cut off before anything else is read. No message is ever executed.

request     {"id": 7, "do": "lookup", "key": "..."}      reply   {"id": 7, "ok": [...]} or {"id": 7, "error": {...}}
notice      {"do": "leave", "lease": "...", ...}         (no reply)
"""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dqdata.errors import BudgetExceeded, DqdataError, InputError, RunError, StoreError, TeacherError

LENGTH = struct.Struct(">I")
LONGEST = 512 << 20
"""Bytes of the longest message: an answer of a model with the probabilities of its tokens."""
GREETING = 4096
"""Bytes of the longest first message."""
CHUNK = 1 << 18
"""Bytes that are read at a time."""
_AS_JSON = json.JSONEncoder(separators=(",", ":")).encode
ERRORS: dict[str, type[DqdataError]] = {
    kind.__name__: kind for kind in (BudgetExceeded, StoreError, InputError, RunError)
}


@dataclass(frozen=True)
class OwnerAddress:
    """Where an owner listens, `unix:///run/x/owner.sock` or `tcp://127.0.0.1:4100`, and the token that it asks for."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"OwnerAddress({self.url!r})"


class WireError(ConnectionError):
    """The other side speaks another language, or sends more than it may."""


async def read(reader: asyncio.StreamReader, longest: int = LONGEST) -> dict[str, Any]:
    """The next message. Raises ConnectionError at the end of the stream and for what is no message."""
    try:
        return _message(await reader.readexactly(_length(await reader.readexactly(LENGTH.size), longest)))
    except asyncio.IncompleteReadError:
        raise ConnectionError("the connection was closed") from None


class Receiver:
    """Messages of a stream: all that have arrived at a time, for a busy owner gets thousands a second."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader, self._arrived, self._wanted = reader, bytearray(), 0

    async def messages(self) -> list[dict[str, Any]]:
        """At least one. Raises as `read`."""
        found: list[dict[str, Any]] = []
        while not found:
            more = await self._reader.read(CHUNK)
            if not more:
                raise ConnectionError("the connection was closed")
            self._arrived += more
            if len(self._arrived) >= self._wanted:
                found = self._complete()
        return found

    def _complete(self) -> list[dict[str, Any]]:
        found, at, arrived = [], 0, self._arrived
        while True:
            start = at + LENGTH.size
            end = start + _length(arrived[at:start], LONGEST) if len(arrived) >= start else start
            if len(arrived) < end:
                break
            found.append(_message(bytes(arrived[start:end])))
            at = end
        del arrived[:at]
        self._wanted = end - at
        return found


class Sender:
    """Writes what is sent during one turn of the event loop at once."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._waiting: list[bytes] = []

    def send(self, message: dict[str, Any]) -> None:
        """Lost where the connection is closed meanwhile."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(frame(message))

    def flush(self) -> None:
        if self._waiting:
            body = b"".join(self._waiting)
            self._waiting.clear()
            if not self._writer.is_closing():
                self._writer.write(body)

    async def close(self) -> None:
        """Waits for what is written. Raises ConnectionError."""
        self.flush()
        self._writer.close()
        await self._writer.wait_closed()


def frame(message: dict[str, Any]) -> bytes:
    """The message as it is sent."""
    body = _AS_JSON(message).encode()
    return LENGTH.pack(len(body)) + body


def _length(head: bytes | bytearray, longest: int) -> int:
    length: int = LENGTH.unpack(head)[0]
    if length > longest:
        raise WireError(f"a message of {length} bytes; {longest} are allowed")
    return length


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body.decode())
    except ValueError as error:
        raise WireError(f"no JSON: {error}") from None
    if not isinstance(message, dict):
        raise WireError("no JSON object")
    return message


async def connect(address: OwnerAddress) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to an owner. Raises OSError."""
    parts = urlsplit(address.url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path)
    return await asyncio.open_connection(parts.hostname, parts.port)


def sent_error(error: DqdataError) -> dict[str, Any]:
    """An error as JSON: one of ERRORS, or the RunError that it is for the other side."""
    kind = next((name for name in ERRORS if type(error).__name__ == name), "RunError")
    return {"type": kind, "text": str(error), "code": error.code}


def received_error(error: dict[str, Any]) -> DqdataError:
    kind = ERRORS.get(str(error.get("type")), RunError)
    return kind(str(error.get("text")), code=str(error.get("code") or ""))


def sent_failure(error: TeacherError) -> dict[str, Any]:
    """A failed call as JSON."""
    return {
        "text": str(error),
        "kind": error.kind,
        "reason": error.reason,
        "status": error.status,
        "retry_after": error.retry_after,
        "usage_unknown": error.usage_unknown,
    }


def received_failure(value: dict[str, Any]) -> TeacherError:
    return TeacherError(
        str(value["text"]),
        kind=value["kind"],
        reason=value["reason"],
        status=value["status"],
        retry_after=value["retry_after"],
        usage_unknown=bool(value["usage_unknown"]),
    )
