"""Messages over a stream socket: a length, then the message.

    >>> Channel(3, marshal.dumps, json.loads).send(["call", [1, 2]])

The checker writes marshal, which is fast, and the candidate JSON, which can be read whoever wrote it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any

LARGEST = 64 << 20
AT_ONCE = 1 << 16
LONGEST_BATCH = 256
"""Items of an iterator that one message holds."""


class Channel:
    """One end. What is held goes out with the next `flush`."""

    def __init__(self, descriptor: int, dump: Callable[[Any], bytes], load: Callable[[bytes], Any]) -> None:
        self.descriptor, self.dump, self.load = descriptor, dump, load
        self._rest = b""
        self._held: list[bytes] = []

    def hold(self, message: Any) -> None:
        body = self.dump(message)
        self._held += (struct.pack("=I", len(body)), body)

    def send(self, message: Any) -> None:
        self.hold(message)
        self.flush()

    def flush(self) -> None:
        if not self._held:
            return
        data = b"".join(self._held)
        self._held = []
        sent = os.write(self.descriptor, data)
        while sent < len(data):
            sent += os.write(self.descriptor, memoryview(data)[sent:])

    def waiting(self) -> bool:
        """Whether another whole message is here already."""
        return len(self._rest) >= 4 and len(self._rest) - 4 >= struct.unpack_from("=I", self._rest)[0]

    def receive(self, wait: Callable[[], None] | None = None) -> Any:
        """The next message, or None at the end. `wait` is called before each read, and may raise.

        Raises ValueError where the message is too large or isn't what `load` reads.
        """
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
                return self.load(data[4:size])
            if wait is not None:
                wait()
            part = os.read(self.descriptor, max(AT_ONCE, min(size - have, 1 << 20)))
            if not part:
                return None
            parts.append(part)
            have += len(part)
