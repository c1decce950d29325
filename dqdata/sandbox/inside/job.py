"""One job of the fork server: its process, its limits, and, where a judge is at work, what it said.

A job is over when its process has ended and its judge, if it has one, has reported.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from . import clock, folders, jail, libc, unlinked
from .judge import Judge

CORES = os.cpu_count() or 1
DISK_SECONDS = 0.02
"""How often the scratch of a program is measured where no mount bounds it: what is written meanwhile comes on top."""
MOST_ENTRIES = 4096
GRACE = 2.0
"""Seconds that a judge has to notice that its candidate is gone."""


class Job:
    """unjudged: its judge died. process: a pidfd. failure: read end of a pipe that says why the jail could not be set
    up."""

    def __init__(self, request: dict[str, Any], pid: int, failure: int, home: jail.Home, started: float) -> None:
        self.id, self.kind, self.limits = request["id"], request["kind"], request["limits"]
        self.pid, self.process, self.failure = pid, os.pidfd_open(pid), failure
        self.home, self.started = home, started
        self.killed = ""
        self.answered = False
        self.unjudged = False
        self.judge: Judge | None = None
        self.judge_cpu = 0.0
        self.code: int | None = None
        self.cpu = self.seconds = 0.0
        self.watched = home.scratch != jail.SCRATCH
        self.look = started
        init = not self.watched  # of its pid namespace, where nothing can stop it
        self.wall = clock.Clock(
            self.limits["wall"],
            started,
            lambda: clock.scheduled(pid),
            (lambda: clock.is_stopped(pid)) if init else None,
        )

    def wait_for(self, judge: Judge) -> None:
        """The process waits for its judge, which may have no core either."""
        before, own = judge.watched.scheduled(), self.wall.scheduled
        self.judge, self.judge_cpu = judge, clock.cpu_of(judge.pid)
        self.wall.scheduled = lambda: own().plus(judge.watched.scheduled().since(before))

    def watch(self) -> float | None:
        """Kills what has used up a limit. Seconds until the next look, before which none can be used up however many
        cores its threads have; None where nothing is left to watch."""
        now = time.monotonic()
        if self.code is not None or self.killed:
            if self.judge is None:
                return None
            left = self.started + self.seconds + GRACE - now if self.code is not None else GRACE
            if left <= 0:
                self.judge.kill()
            return max(0.01, float(left))
        if now < self.look:
            return self.look - now
        if self.watched and self._fills_the_disk():
            self.killed = "disk"
            self.kill()
            return GRACE
        wall = self.wall.left()
        cpu = self.limits["cpu"] - self._cpu_used()
        if wall <= 0 or cpu <= 0:
            self.killed = "cpu" if cpu <= 0 else "starved" if self.wall.starved else "wall"
            self.kill()
            return GRACE
        left = max(0.01, float(min(wall, cpu / CORES)))
        if self.watched:  # as long again as the look took, so that a scratch of many files costs half a core at most
            left = min(left, max(DISK_SECONDS, 2 * (time.monotonic() - now)))
        self.look = now + left
        return left

    def _cpu_used(self) -> float:
        """Seconds of its process or, for this job, of its judge: of the one that used more."""
        judged = clock.cpu_of(self.judge.pid) - self.judge_cpu if self.judge is not None else 0.0
        return max(clock.cpu_of(self.pid), judged)

    def _fills_the_disk(self) -> bool:
        """Whether its folders, or files that it has deleted and holds, take more than it may have."""
        most = self.limits["disk"]
        written = [self.home.scratch, self.home.private] if self.kind == "check" else [self.home.scratch]
        return any(folders.exceeds(folder, most, MOST_ENTRIES) for folder in written) or unlinked.exceeds(
            self.pid, self.home.scratch, most
        )

    def kill(self) -> None:
        """Its pid is its own until `wait4` has returned it."""
        if self.code is None:
            os.kill(self.pid, libc.SIGKILL)

    def reap(self, *, alone: bool) -> None:
        """Collects the ended process. alone: nothing outlives it, as it was the init of a pid namespace; else what is
        left of its process group, which nobody in it can leave, ends here too."""
        if not alone:
            with contextlib.suppress(ProcessLookupError):  # it ended before it had a group
                os.killpg(self.pid, libc.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        self.seconds = time.monotonic() - self.started
        self.cpu = usage.ru_utime + usage.ru_stime
        self.code = os.waitstatus_to_exitcode(status)
        if self.code == -libc.SIGKILL and not self.killed and self.cpu >= self.limits["cpu"]:
            self.killed = "cpu"
        os.close(self.process)
        if not alone:
            with contextlib.suppress(ChildProcessError):
                while True:
                    os.waitpid(-self.pid, 0)

    def answer(self) -> dict[str, Any]:
        """The reply to the client. Of a process that is still there, because nobody needs it any more, code 0."""
        if self.code is None:
            self.seconds, self.cpu = time.monotonic() - self.started, clock.cpu_of(self.pid)
        self.answered = True
        os.set_blocking(self.failure, False)
        try:
            failure = os.read(self.failure, 4096).decode("utf-8", "replace")
        except BlockingIOError:
            failure = ""
        os.close(self.failure)
        return {
            "id": self.id,
            "kind": self.kind,
            "killed": self.killed,
            "code": self.code or 0,
            "seconds": self.seconds,
            "cpu": self.cpu,
            "failure": failure,
            "unjudged": self.unjudged,
        }
