"""Keeps results of batches on disk until they are requested, since a file of them may exceed memory.

results = Results()
keys = await results.add(chunks)       # lines of JSON, each with a custom_id
results.take(keys[0])                  # {"custom_id": ..., "response": {...}}
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from typing import Any

MOST_LINE_BYTES = 64 << 20
"""A longer line is no result."""


class Results:
    """Lines of result files by their `custom_id`. Each is given out once."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="dqdata-batch-")  # noqa: SIM115 - lives as long as its owner
        self._at: dict[str, tuple[int, int]] = {}
        self._adding = asyncio.Lock()

    async def add(self, chunks: AsyncIterator[bytes]) -> list[str]:
        """Writes a file's bytes down and finds its lines, in a thread: a file has some hundred megabytes of JSON.
        Returns their keys; a line that isn't a result is left out: whoever waits for it gets the error that its
        batch ended without it."""
        async with self._adding:
            start = self._file.seek(0, 2)
            async for chunk in chunks:
                self._file.write(chunk)
            self._file.flush()
            found = await asyncio.to_thread(self._lines_from, start)
        self._at.update(found)
        return list(found)

    def _lines_from(self, start: int) -> dict[str, tuple[int, int]]:
        """Place and length of each result's line, from a byte of the file on."""
        found = {}
        self._file.seek(start)
        while line := self._file.readline(MOST_LINE_BYTES):
            length = len(line)
            while not line.endswith(b"\n") and (rest := self._file.readline(MOST_LINE_BYTES)):
                length, line = length + len(rest), rest
            key = _key(line) if length == len(line) else None
            if key is not None:
                found[key] = (start, length)
            start += length
        return found

    def take(self, key: str) -> dict[str, Any] | None:
        if key not in self._at:
            return None
        start, length = self._at.pop(key)
        result: dict[str, Any] = json.loads(os.pread(self._file.fileno(), length, start))
        return result

    def close(self) -> None:
        self._file.close()


def _key(line: bytes) -> str | None:
    try:
        key = json.loads(line)["custom_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return key if isinstance(key, str) else None
