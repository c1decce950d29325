"""Logs that a teacher does not answer or cannot be reached, without repetition.

stall = Stall(timeout=3600)
stall.sent("r1", in_flight=1)
...
stall.answered()
"""

from __future__ import annotations

import asyncio
import logging
import time

log = logging.getLogger("dqdata.calls")

QUIET = 120.0
"""Seconds without any answer, with calls in flight, after which the log says so; then at twice the time, and so on."""
SLOW = 10.0
"""Seconds without an answer from which on progress says so."""
AGAIN = 30.0
"""Seconds between two lines about an endpoint that can't be reached."""


def clock(seconds: float) -> str:
    """`0:08`, `2:10`, `1:02:03`."""
    whole = max(0, round(seconds))
    hours = f"{whole // 3600}:{whole // 60 % 60:02}" if whole >= 3600 else str(whole // 60)
    return f"{hours}:{whole % 60:02}"


class Stall:
    """Watches the calls of one teacher. timeout: seconds after which a call is given up, for the message."""

    def __init__(self, timeout: float) -> None:
        self.in_flight = 0
        self._timeout = timeout
        self._teacher = ""
        self._last = time.monotonic()
        self._quiet, self._down_said = QUIET, 0.0
        self._timer: asyncio.TimerHandle | None = None

    def begins(self, in_flight: int) -> None:
        """A call was sent: so many are in flight now."""
        self.in_flight = in_flight
        if in_flight == 1:
            self._last = time.monotonic()

    def sent(self, teacher: str, in_flight: int) -> None:
        """As `begins`; from now on the log says when nobody answers."""
        self._teacher = teacher
        self.begins(in_flight)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(QUIET / 4, self._look)

    def answered(self) -> None:
        self._last, self._quiet = time.monotonic(), QUIET
        if self._down_said:
            log.warning("teacher %s answers again", self._teacher, extra={"code": "teacher-waits"})
            self._down_said = 0.0

    def down(self, teacher: str, problem: str, seconds: float) -> None:
        now = time.monotonic()
        if not self._down_said or now - self._down_said > AGAIN:
            log.warning(
                "teacher %s: %s; waiting for it, %.0f s so far",
                teacher,
                problem,
                seconds,
                extra={"code": "teacher-waits"},
            )
            self._down_said = now

    def quiet(self) -> float:
        """Seconds without an answer while calls are in flight."""
        return time.monotonic() - self._last if self.in_flight else 0.0

    def waiting(self, teacher: str) -> str:
        """For how long, and for how many answers, calls in flight wait; empty where that is a moment."""
        quiet = self.quiet()
        return f"{clock(quiet)} for {self.in_flight:,} answers of {teacher}" if quiet >= SLOW else ""

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        quiet = time.monotonic() - self._last
        if self.in_flight and quiet > self._quiet:
            log.warning(
                "teacher %s: no answer for %.0f s with %d calls in flight; each is given up after %g s (`timeout`)",
                *(self._teacher, quiet, self.in_flight, self._timeout),
                extra={"code": "teacher-waits"},
            )
            self._quiet *= 2
        self._timer = asyncio.get_running_loop().call_later(QUIET / 4, self._look) if self.in_flight else None
