"""Progress of a training: a bar with the time left on a terminal, occasional plain lines elsewhere.

progress = StepProgress("slow_sft", sys.stderr)
progress.step(12, 40)              # slow_sft  [######..............]  12/40 steps  1:10 left
progress.say("step 12/40 loss 0.7")  # a line of its own, above the bar
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from typing import TextIO

LIVE_SECONDS, PLAIN_SECONDS = 0.1, 15.0
"""Least time between two drawings on a terminal, and elsewhere."""
MARK = "\x1edqdata-progress "
WIDTH = 20
"""Characters inside the bar."""


class StepProgress:
    """Draws `out`; nothing where it is None. Ranks report from threads."""

    def __init__(self, title: str, out: TextIO | None) -> None:
        self._title, self._out = title, out
        self._live = out is not None and out.isatty()
        self._lock = threading.Lock()
        self._unit, self._done, self._total = "", 0, 0
        self._first: tuple[int, float] = (0, 0.0)
        self._shown = float("-inf")
        self._drawn = ""

    def step(self, done: int, total: int, unit: str = "steps") -> None:
        """`done` of `total` are through. The time left is that of the steps since the first report, so that work of an
        earlier, interrupted run doesn't count."""
        now = time.monotonic()
        with self._lock:
            if (unit, total) != (self._unit, self._total) or done < self._done:
                self._first, self._shown = (done, now), now if not self._live else float("-inf")
            self._unit, self._done, self._total = unit, done, total
            if now - self._shown < (LIVE_SECONDS if self._live else PLAIN_SECONDS) and done < total:
                return
            self._shown = now
            self._write(self.line(now))

    def say(self, message: str) -> None:
        """A line that stays."""
        if self._out is None:
            return
        with self._lock:
            self._clear()
            self._out.write(message + "\n")
            if self._live and self._drawn:
                self._out.write(self._drawn)
            self._out.flush()

    def close(self) -> None:
        """Removes the bar."""
        with self._lock:
            self._clear()
            self._drawn = ""
            if self._out is not None:
                self._out.flush()

    def line(self, now: float) -> str:
        """`slow_sft  [######..............]  12/40 steps  1:10 left`"""
        filled = WIDTH * self._done // max(self._total, 1)
        bar = f"[{'#' * filled}{'.' * (WIDTH - filled)}]"
        parts = [self._title, bar, f"{self._done:,}/{self._total:,} {self._unit}"]
        before, began = self._first
        if before < self._done < self._total:
            left = (now - began) / (self._done - before) * (self._total - self._done)
            parts.append(f"{duration(left)} left")
        return "  ".join(parts)

    def _write(self, line: str) -> None:
        if self._out is None:
            return
        if not self._live:
            self._out.write(line + "\n")
        else:
            columns = shutil.get_terminal_size().columns
            self._drawn = line if len(line) < columns else line[: max(columns - 2, 1)] + "…"
            self._out.write(f"\r\x1b[K{self._drawn}")
        self._out.flush()

    def _clear(self) -> None:
        if self._live and self._drawn and self._out is not None:
            self._out.write("\r\x1b[K")


def progress_line(done: int, total: int, unit: str) -> str:
    """What a rank prints for the process that started it, which reads it with `progress_of`."""
    return MARK + json.dumps([done, total, unit])


def progress_of(line: str) -> tuple[int, int, str] | None:
    """(done, total, unit) of a line that a rank printed; None for any other line."""
    if not line.startswith(MARK):
        return None
    done, total, unit = json.loads(line.removeprefix(MARK))
    return int(done), int(total), str(unit)


def duration(seconds: float) -> str:
    """Minutes and seconds, `2:10`, from an hour on with hours, `1:02:10`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
