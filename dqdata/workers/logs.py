"""Logs of processes that have no terminal of their own, and what plug-ins print there: lines of standard error without
secrets. Those of other machines Ray brings to the driver with where they come from, and what plug-ins print there.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import sys
import threading

from dqdata.masking import masker

LONGEST_LINE = 1 << 16
"""Characters of an unfinished line that are kept."""


class Lines(logging.Formatter):
    """Log records as lines of standard error: without secrets, and those with a `code` as `warning[CODE]: ...`."""

    def format(self, record: logging.LogRecord) -> str:
        code = getattr(record, "code", None)
        kind = "error" if record.levelno > logging.WARNING else "warning"
        head = f"{record.levelname} {record.name}" if code is None else f"{kind}[{code}]"
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return masker.hide(f"{head}: {record.getMessage()}{trace}")


class Printed(io.TextIOBase):
    """In place of `sys.stdout` or `sys.stderr`: each line without secrets, on a descriptor, once it is whole.

    `flush` keeps an unfinished line, since it may hold half a secret; `finish` writes it.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.RLock()
        self._line: list[str] = []
        self._length = 0

    @property
    def buffer(self) -> io.FileIO:
        """Bytes, which are written as they are."""
        return io.FileIO(self._descriptor, "w", closefd=False)

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._lock:
            self._line.append(text)
            self._length += len(text)
            if "\n" in text or self._length > LONGEST_LINE:
                held = "".join(self._line)
                at = held.rfind("\n") + 1 or len(held)
                self._line, self._length = [held[at:]], len(held) - at
                self._emit(held[:at])
        return len(text)

    def finish(self) -> None:
        with self._lock:
            held, self._line, self._length = "".join(self._line), [], 0
            self._emit(held)

    def _emit(self, text: str) -> None:
        left = memoryview(masker.hide(text).encode(self.encoding, self.errors))
        while left:
            left = left[os.write(self._descriptor, left) :]


def hide_prints() -> Printed:
    """What this process prints from now on goes to standard error, without secrets."""
    printed = Printed(2)
    sys.stdout = sys.stderr = printed
    return printed


def show_logs(level: int = logging.WARNING) -> None:
    """What this process logs goes to standard error. level: of dqdata's loggers."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("dqdata").setLevel(level)
    atexit.register(logging.disable)  # Ray ends workers at any moment: what is not closed then is no news
