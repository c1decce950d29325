"""The wall time that counts against a program: not the time in which the machine did not let it run.

    clock = Clock(10.0, time.monotonic(), lambda: scheduled(pid), lambda: is_stopped(pid))
    while (left := clock.left()) > 0:
        poll.poll(1000 * left)
    clock.starved

The kernel counts how long each thread was ready to run and had no core (the second number of /proc/PID/schedstat, in
nanoseconds). A program that sleeps or waits for input is not ready, so that time counts in full. Where the kernel does
not count, all wall time counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

EXCUSED = 8
"""Past this many times the limit a process has ended its time, however little of it it could use."""
LOOK_SECONDS = 0.25
SHORTEST = 0.05
"""Seconds between two looks: at most, so that a stop is seen, and at least once the limit is near."""


class Scheduled(NamedTuple):
    """What the kernel says of a process. delay: seconds without a core although it was ready; a wait that has not ended
    is not in it. ready: its threads that have a core or wait for one now, each with the nanoseconds that it has run."""

    delay: float
    ready: Mapping[str, int]

    def plus(self, other: Scheduled) -> Scheduled:
        return Scheduled(self.delay + other.delay, {**self.ready, **other.ready})

    def since(self, before: Scheduled) -> Scheduled:
        return Scheduled(self.delay - before.delay, self.ready)


class Clock:
    """The wall time of one process under a limit in seconds.

    scheduled: what the kernel counted since it began. stopped: whether a signal from outside has stopped it. starved:
    its time has ended, and it did not have the time that the limit grants.
    """

    def __init__(
        self,
        limit: float,
        began: float,
        scheduled: Callable[[], Scheduled],
        stopped: Callable[[], bool] | None = None,
    ) -> None:
        self.limit, self.scheduled, self.is_stopped = limit, scheduled, stopped
        self.began = self.looked = began
        self.due: float | None = None
        self.stopped = self.late = 0.0
        self.last: Scheduled | None = None
        self.starved = False

    def left(self) -> float:
        """Seconds until the next look; 0 where the time is used up."""
        now = time.monotonic()
        if self.is_stopped is not None and self.is_stopped():
            self.stopped += now - self.looked
        if self.due is not None:  # who looks didn't run either, as where a whole machine was suspended
            self.late += max(0.0, now - self.due)
        self.looked = now
        left = self.limit - (now - self.began)
        if left <= 0:
            left = self._excused(left)
            self.starved = now - self.began >= EXCUSED * self.limit and left > 0
            if left <= 0 or self.starved:
                return 0.0
        left = max(SHORTEST, min(left, LOOK_SECONDS))
        self.due = now + left
        return left

    def _excused(self, left: float) -> float:
        """Seconds left with what doesn't count. A process that is ready, and may be waiting for a core this very
        moment, has another look; it is waiting if it has not run until then."""
        before, self.last = self.last, self.scheduled()
        left += self.stopped + self.late + self.last.delay
        known = self.last.ready if before is None else before.ready
        waits = any(known.get(thread) == ran for thread, ran in self.last.ready.items())
        return SHORTEST if waits and left <= 0 else left


def scheduled(pid: int) -> Scheduled:
    """Of a process and all that it started; of each process the delay of its most delayed thread."""
    total, todo = Scheduled(0.0, {}), [str(pid)]
    while todo:
        tasks = f"/proc/{todo.pop()}/task"
        try:
            threads = os.listdir(tasks)
        except OSError:
            continue
        longest = 0.0
        for thread in threads:
            found = _scheduled(thread, _read(f"{tasks}/{thread}/schedstat"), _read(f"{tasks}/{thread}/stat"))
            longest = max(longest, found.delay)
            total = total.plus(found._replace(delay=0.0))
            todo += _read(f"{tasks}/{thread}/children").decode().split()
        total = total._replace(delay=total.delay + longest)
    return total


def cpu_of(pid: int) -> float:
    """CPU seconds that a process has used."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped a process."""
    return _state(_read(f"/proc/{pid}/stat")) in STOPPED


class Watched:
    """The main thread of a process, through files of /proc that were opened before the caller lost the right to.
    schedstat, stat: descriptors, or -1. others_stop: nothing inside the process can stop it."""

    def __init__(self, pid: int, schedstat: int, stat: int, *, others_stop: bool) -> None:
        self.pid, self.schedstat, self.stat, self.others_stop = pid, schedstat, stat, others_stop

    @classmethod
    def of(cls, pid: int, *, others_stop: bool) -> Watched:
        return cls(pid, _opened(f"/proc/{pid}/schedstat"), _opened(f"/proc/{pid}/stat"), others_stop=others_stop)

    def scheduled(self) -> Scheduled:
        return _scheduled(str(self.pid), _reread(self.schedstat), _reread(self.stat))

    def is_stopped(self) -> bool:
        return self.others_stop and _state(_reread(self.stat)) in STOPPED

    def descriptors(self) -> list[int]:
        """Both, or none."""
        return [self.schedstat, self.stat] if min(self.schedstat, self.stat) >= 0 else []

    def close(self) -> None:
        for descriptor in (self.schedstat, self.stat):
            if descriptor >= 0:
                os.close(descriptor)
        self.schedstat = self.stat = -1


STOPPED, READY = (b"T", b"t"), b"R"


def _scheduled(thread: str, schedstat: bytes, stat: bytes) -> Scheduled:
    numbers = schedstat.split()
    if len(numbers) < 2:
        return Scheduled(0.0, {})
    return Scheduled(int(numbers[1]) / 1e9, {thread: int(numbers[0])} if _state(stat) == READY else {})


def _state(stat: bytes) -> bytes:
    return stat.rpartition(b") ")[2][:1]


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _read(path: str) -> bytes:
    descriptor = _opened(path)
    if descriptor < 0:
        return b""
    try:
        return _reread(descriptor)
    finally:
        os.close(descriptor)


def _reread(descriptor: int) -> bytes:
    try:
        return os.pread(descriptor, 4096, 0) if descriptor >= 0 else b""
    except OSError:  # the process has ended
        return b""
