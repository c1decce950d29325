"""Limits of one teacher: concurrency, requests and tokens per minute, back-off, one cool-down for all callers.

    await gate.enter(tokens=1_200)
    try: ...
    finally: gate.leave()

All steps that use the teacher go through the same gate, in the order in which they came.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque

from dqdata.calls.stall import clock
from dqdata.teacher import Limits

CANARY = 0.5
"""Seconds that the very first request goes alone, unless it is answered sooner: a wrong key costs one request, not as
many as may be in flight."""
GROWTH = 0.05
"""Room that each answer wins back after overload, in calls: a round of answers gives 5%."""
TOLERATED = 0.15
"""Share of refused calls in a round that takes no room away: a limit on requests a minute refuses a few calls, and the
cool-down is the answer to that; an endpoint with too much to do refuses many."""
LONGEST = 60.0
"""Seconds of the longest cool-down that an endpoint didn't ask for itself."""
SHORTEST = 0.05
"""Seconds of the shortest cool-down, where patience is at its end."""
NOTICED = 1.0
"""Seconds from which on a wait is worth a word."""
MEANT = 1.0
"""Seconds from which on a Retry-After is taken as it is. Endpoints that write 0 or a time in the past don't mean that
hundreds of calls should come back at once: what is shorter never shortens the cool-down."""


class Gate:
    """Admits calls. Everything happens on the event loop, so nothing is locked.

    Overload (429, 503) stops all callers for the time the endpoint asks for, or for an exponentially growing one. A
    round of calls of which many were refused takes room away in proportion, at most half; each answer gives a little
    back. An endpoint that can't be reached is probed by one call at a time.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.room = float(limits.concurrency)
        self.in_use = 0
        self.down_since: float | None = None
        self.reached = False
        self.cool_until = 0.0
        # Up to then one call at a time: the first of all until it is sent and a moment after, or while nobody is there.
        self._alone_until = math.inf
        self._first = True
        self._strikes = 0
        self._refused_since: float | None = None
        self._answers = self._refusals = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._requests = _Bucket(limits.requests_per_minute)
        self._tokens = _Bucket(limits.tokens_per_minute)
        self._pace = _Pace()

    async def enter(self, tokens: int) -> None:
        """Waits for a place. tokens: what the call is expected to take of the tokens a minute."""
        if not self._waiting and self._takes(time.monotonic(), tokens):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((tokens, future))
        self._admit()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.leave()
            else:
                self._admit()
            raise

    def leave(self) -> None:
        self.in_use -= 1
        self._admit()

    def sent(self) -> None:
        """A call is on its way; the others follow the first after a moment, if nothing is heard of it by then."""
        if self._first:
            self._first = False
            self._alone_until = time.monotonic() + CANARY
            self._admit()

    def answered(self, seconds: float, output_tokens: int, expected_tokens: int, tokens: int) -> None:
        """A call was answered: the endpoint is up; some room comes back; the token bucket is corrected."""
        self.reached = True
        self.down_since = None
        self._alone_until = 0.0
        self._refused_since = None
        self._strikes = 0
        self._answers += 1
        self._tokens.level += expected_tokens - tokens
        self.room = min(self.limits.concurrency, self.room + GROWTH)
        if self._pace.slower(time.monotonic(), seconds, output_tokens, full=self.in_use >= int(self.room)):
            self.room = max(1.0, self.room * 0.75)

    def overloaded(self, retry_after: float | None) -> float:
        """The endpoint refused for load. Returns the seconds of the cool-down that all callers now wait: as many as it
        asks for, but never none, and no more than is left of the teacher's patience."""
        now = time.monotonic()
        self.reached = True
        self.down_since = None
        self._refusals += 1
        if self._refused_since is None:
            self._refused_since = now
        if now >= self.cool_until:
            self._strikes += 1
        # Refused again after a cool-down, without an answer in between: one call at a time asks whether it is over.
        self._alone_until = math.inf if self._strikes > 1 else 0.0
        wait = min(LONGEST, 0.5 * 2.0**self._strikes) * _jitter()
        if retry_after is not None:
            wait = retry_after if retry_after >= MEANT else max(wait, retry_after)
        left = self._refused_since + self.limits.patience - now
        wait = min(wait, max(left, SHORTEST))
        self.cool_until = max(self.cool_until, now + wait)
        if self._answers + self._refusals >= self.room:
            refused = self._refusals / (self._answers + self._refusals)
            if refused > TOLERATED:
                self.room = max(1.0, self.room * (1 - refused / 2))
            self._answers = self._refusals = 0
        return wait

    @property
    def refused_for(self) -> float:
        """Seconds since the first of the refusals for load that no answer came after; 0 before the second cool-down."""
        since = self._refused_since
        return 0.0 if since is None or self._strikes < 2 else time.monotonic() - since

    def unreachable(self) -> float:
        """Nobody answers at the address. Returns the seconds for which that has been so."""
        now = time.monotonic()
        if self.down_since is None:
            self.down_since = now
            self._strikes = 0
        if now >= self.cool_until:
            self._strikes += 1
            self.cool_until = now + min(10.0, 0.25 * 2.0**self._strikes) * _jitter()
        self._alone_until = math.inf
        return now - self.down_since

    def waiting(self, name: str) -> str:
        """For how long, and why, calls to the teacher of this name are not sent: `0:08 more, r1 is overloaded`. Empty
        where that is less than a second."""
        now = time.monotonic()
        if self.down_since is not None:
            return f"{clock(now - self.down_since)} for {name}, which can't be reached"
        if self.cool_until - now >= NOTICED:
            return f"{clock(self.cool_until - now)} more, {name} is overloaded"
        ready = min((self._ready(now, tokens) for tokens, _ in self._waiting), default=now)
        return f"{clock(ready - now)} more, limit per minute of {name}" if ready - now >= NOTICED else ""

    def refresh(self) -> None:
        """Lets everyone who waits look again: something happened that ends all calls."""
        for _, future in self._waiting:
            if not future.done():
                self.in_use += 1
                future.set_result(None)
        self._waiting.clear()

    def _admit(self) -> None:
        if not self._waiting:
            return
        now = time.monotonic()
        while self._waiting:
            tokens, future = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            if not self._takes(now, tokens):
                return
            self._waiting.popleft()
            future.set_result(None)

    def _takes(self, now: float, tokens: int) -> bool:
        """Whether a call has its place from now on. If not, the timer is set, or whoever leaves admits the next."""
        alone = now < self._alone_until
        if self.in_use >= (1 if alone else max(1, int(self.room))):
            if alone and self._alone_until != math.inf:
                self._wake_at(now, self._alone_until)
            return False
        ready = self._ready(now, tokens)
        if ready > now:
            self._wake_at(now, ready)
            return False
        self._requests.level -= 1
        self._tokens.level -= tokens
        self.in_use += 1
        return True

    def _ready(self, now: float, tokens: int) -> float:
        """When cool-down and limits per minute let a call go."""
        return max(self.cool_until, self._requests.ready(now, 1), self._tokens.ready(now, tokens))

    def _wake_at(self, now: float, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0.001, when - now), self._admit)


class _Bucket:
    """A rate a minute, as a bucket that fills evenly. It holds a second's worth (or one unit), so that a start isn't a
    burst; a call larger than the bucket waits for a full one and leaves a debt."""

    def __init__(self, per_minute: float | None) -> None:
        self.per_second = per_minute / 60 if per_minute else None
        self.size = max(1.0, self.per_second or 1.0)
        self.level = self.size
        self._at = time.monotonic()

    def ready(self, now: float, amount: float) -> float:
        """When this much may be taken."""
        if self.per_second is None:
            return 0.0
        self.level = min(self.size, self.level + (now - self._at) * self.per_second)
        self._at = now
        missing = min(amount, self.size) - self.level
        # A rounding error must not make "ready" forever a moment away.
        return now + missing / self.per_second if missing > 1e-6 * self.size else now


class _Pace:
    """Notices that answers take longer without more of them coming: a queue is growing at the other end.

    Latency alone says nothing: a batching server answers later under load, and much more of it. So a window of answers
    counts as slower when each took twice as long as in the best window and fewer tokens a second came out of them all.
    """

    def __init__(self) -> None:
        self._began = 0.0
        self._answers = self._output = 0
        self._seconds = 0.0
        self._full = True
        self._best_rate = self._best_seconds = 0.0

    def slower(self, now: float, seconds: float, output_tokens: int, *, full: bool) -> bool:
        if self._answers == 0:
            self._began = now - seconds
        self._answers += 1
        self._output += max(1, output_tokens)
        self._seconds += seconds
        self._full = self._full and full
        if self._answers < 200 or now - self._began < 10:
            return False
        rate, each, full = self._output / (now - self._began), self._seconds / self._output, self._full
        self._answers = self._output = 0
        self._seconds, self._full = 0.0, True
        self._best_rate *= 0.99  # what was best long ago counts less
        if rate >= self._best_rate:
            self._best_rate, self._best_seconds = rate, each
            return False
        return full and each > 2 * self._best_seconds and rate < 0.8 * self._best_rate


def _jitter() -> float:
    return 0.75 + random.random() / 2
