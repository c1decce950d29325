"""Keeps results of batches on disk until they are requested, since a file of them may exceed memory.

results = Results()
keys = await results.add(chunks)       # lines of JSON, each with a custom_id
results.take(keys[0])                  # {"custom_id": ..., "response": {...}}
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from typing import Any


class Results:
    """Lines of result files by their `custom_id`. Each is given out once."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="dqdata-batch-")  # noqa: SIM115 - lives as long as its owner
        self._at: dict[str, tuple[int, int]] = {}

    async def add(self, chunks: AsyncIterator[bytes]) -> list[str]:
        """Writes a file's bytes down and finds its lines. Returns their keys; a line that isn't a result is left out:
        whoever waits for it gets the error that its batch ended without it."""
        start = self._file.seek(0, 2)
        async for chunk in chunks:
            self._file.write(chunk)
        self._file.seek(start)
        keys = []
        for line in iter(self._file.readline, b""):
            try:
                key = json.loads(line)["custom_id"]
            except (ValueError, KeyError, TypeError):
                key = None
            if isinstance(key, str):
                self._at[key] = (start, len(line))
                keys.append(key)
            start += len(line)
        return keys

    def take(self, key: str) -> dict[str, Any] | None:
        if key not in self._at:
            return None
        start, length = self._at.pop(key)
        self._file.seek(start)
        result: dict[str, Any] = json.loads(self._file.read(length))
        return result

    def close(self) -> None:
        self._file.close()
