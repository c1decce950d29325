"""Messages over a stream socket: a length, then JSON.

>>> Channel(3).send(["call", [1, 2]])
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from typing import Any

from . import plain

LARGEST = 64 << 20
AT_ONCE = 1 << 16


class Channel:
    """One end. `wait` is called before each read and may raise, so that a reader needn't wait for ever."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._rest = b""

    def send(self, message: Any) -> None:
        body = plain.dumps(message)
        data = struct.pack("=I", len(body)) + body
        sent = os.write(self.descriptor, data)
        while sent < len(data):
            sent += os.write(self.descriptor, memoryview(data)[sent:])

    def receive(self, wait: Callable[[], None] | None = None) -> Any:
        """The next message, or None at the end. Raises ValueError where it is too large or no JSON."""
        parts, have, size = [self._rest], len(self._rest), 4
        whole_size = False
        while True:
            if have >= 4 and not whole_size:
                parts = [b"".join(parts)]
                (body,) = struct.unpack_from("=I", parts[0])
                if body > LARGEST:
                    raise ValueError(f"a message of {body} bytes")
                size, whole_size = 4 + body, True
            if whole_size and have >= size:
                data = b"".join(parts)
                self._rest = data[size:]
                return json.loads(data[4:size])
            if wait is not None:
                wait()
            part = os.read(self.descriptor, max(AT_ONCE, min(size - have, 1 << 20)))
            if not part:
                return None
            parts.append(part)
            have += len(part)
