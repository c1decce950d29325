"""Sockets to a name: its addresses, looked up once for all calls, and the race between them (RFC 8305).

addresses = Addresses("api.example.com", 443)
sock = await addresses.connected()
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
import time
from collections.abc import Sequence
from typing import Any

STAGGER = 0.25
"""Seconds that an address has to itself before the next one is tried beside it."""
HOLD = 300.0
"""Seconds for which the addresses of a name are taken to hold."""

Address = tuple[Any, ...]


class Addresses:
    """The addresses of one name. Of one event loop."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._known: list[Address] = []
        self._looked_up_at = 0.0
        self._looking_up: asyncio.Task[None] | None = None

    async def connected(self) -> socket.socket:
        """A socket to the first address that accepts, which is tried first from then on. Raises the OSError of the last
        one where none does."""
        await self._look_up()
        try:
            made, address = await first_connected(self._known)
        except OSError:
            self._looked_up_at = 0.0  # the name may have moved
            raise
        if self._known[0] is not address:
            self._known = [address, *(other for other in self._known if other is not address)]
        return made

    async def _look_up(self) -> None:
        """Looks the name up unless that was done lately; those who come meanwhile wait for the same answer."""
        if self._known and time.monotonic() - self._looked_up_at < HOLD:
            return
        if self._looking_up is None or self._looking_up.done():
            self._looking_up = asyncio.get_running_loop().create_task(self._ask())
        await asyncio.shield(self._looking_up)

    async def _ask(self) -> None:
        found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        if not found:
            raise OSError(errno.EADDRNOTAVAIL, f"{self._host} has no address")
        self._known, self._looked_up_at = alternating(found), time.monotonic()


def alternating(addresses: Sequence[Address]) -> list[Address]:
    """In the system's order, but families take turns: where one leads nowhere, the next address is of another."""
    families: dict[Any, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    return [one for turn in itertools.zip_longest(*families.values()) for one in turn if one is not None]


async def first_connected(addresses: Sequence[Address]) -> tuple[socket.socket, Address]:
    """The first socket that is connected. The next address is tried as soon as one refuses, or STAGGER seconds later
    beside it. Raises the OSError of the one that failed last."""
    if len(addresses) == 1:
        return await _connected(addresses[0]), addresses[0]
    waiting = list(addresses)
    trying: dict[asyncio.Task[socket.socket], Address] = {}
    failed = OSError(errno.EADDRNOTAVAIL, "no address")
    try:
        while waiting or trying:
            if waiting:
                address = waiting.pop(0)
                trying[asyncio.create_task(_connected(address))] = address
            ended, _ = await asyncio.wait(
                trying, timeout=STAGGER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in ended:
                if (error := task.exception()) is None:
                    return task.result(), trying.pop(task)
                if not isinstance(error, OSError):
                    raise error
                del trying[task]
                failed = error
        raise failed
    finally:
        for task in trying:
            task.cancel()
            task.add_done_callback(_close)


def _close(task: asyncio.Task[socket.socket]) -> None:
    """Of a race that is over."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _connected(address: Address) -> socket.socket:
    """A socket that notices within minutes that the other end is gone, in a call that may rightly take an hour."""
    made = socket.socket(*address[:3])
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 6)):
            if hasattr(socket, name):
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        await asyncio.get_running_loop().sock_connect(made, address[4])
    except BaseException:
        made.close()
        raise
    return made
