"""Admission of rows: bounds rows in progress, open chunks, and the bytes that finished rows of open chunks hold."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dqdata.operator import Row

CHUNKS = 1024


class Admission:
    """rows: at work at once. chunks: open at once; one slow answer keeps its chunk open, so by default there are many,
    and a new one begins whenever fewer than `rows` rows are still to be worked off."""

    def __init__(self, rows: int, chunks: int | None = None, held_bytes: int = 512 << 20) -> None:
        self._held_bytes = held_bytes
        self._rows = asyncio.Semaphore(rows)
        self._room = rows
        self._chunks = chunks
        self._to_do: dict[int, int] = {}
        self._held: defaultdict[int, int] = defaultdict(int)
        self._changed = asyncio.Event()

    async def open_chunk(self, number: int, rows: int) -> None:
        """Waits until another chunk may begin; the first one always may."""
        while self._to_do and not self._may_open():
            self._changed.clear()
            await self._changed.wait()
        self._to_do[number] = rows

    def _may_open(self) -> bool:
        if self._chunks is not None:
            return len(self._to_do) < self._chunks
        if len(self._to_do) >= CHUNKS or sum(self._held.values()) >= self._held_bytes:
            return False
        return sum(self._to_do.values()) < self._room

    @asynccontextmanager
    async def row(self, number: int) -> AsyncIterator[None]:
        try:
            async with self._rows:
                yield
        finally:
            self._to_do[number] -= 1
            self._changed.set()

    def hold(self, number: int, rows: Sequence[Row]) -> None:
        """Rows that are finished and wait for their chunk's others."""
        self._held[number] += sum(_size(value) for row in rows for value in row.values())

    def close_chunk(self, number: int) -> None:
        del self._to_do[number]
        self._held.pop(number, None)
        self._changed.set()


def _size(value: Any) -> int:
    return len(value) + 49 if isinstance(value, str) else 32
