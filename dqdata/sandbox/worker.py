"""Client side of one fork server: a process, a socket, and the jobs in flight.

>>> worker = Worker.start("bwrap")
>>> worker.send(task)
"""

from __future__ import annotations

import contextlib
import functools
import json
import marshal
import os
import socket
import subprocess
import tempfile
import time
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from dqdata.sandbox import launch
from dqdata.sandbox.inside.clock import EXCUSED
from dqdata.sandbox.inside.folders import remove
from dqdata.sandbox.limits import Limits

LARGEST_REPLY = 1 << 16
START_SECONDS = 60.0
SLACK_SECONDS = 60.0
"""How long after the longest wall time of a program its server, which ends it then, may take to say so."""
STOP_SECONDS = 2.0


class Outcome(Protocol):
    """Makes a task's result of the server's reply and what the job wrote, by name of its file."""

    def __call__(self, reply: dict[str, Any], written: dict[str, bytes]) -> Any: ...


@dataclass(eq=False)
class Task:
    """One job. given: what it reads; made: what it writes, with the most bytes wanted back. Order is the protocol's.
    warm: the style of its tests, for which a server may load modules once for all. losses: servers that died while they
    had it, the last at `lost_at`, on the monotonic clock."""

    kind: str
    limits: Limits
    given: list[bytes]
    made: dict[str, int]
    outcome: Outcome
    future: Future[Any] = field(default_factory=Future)
    warm: str = ""
    losses: int = 0
    lost_at: float = 0.0
    descriptors: list[int] = field(default_factory=list)

    def open(self) -> None:
        """Makes the descriptors for the server: files in memory that vanish with their last user."""
        self.close()
        for text in self.given:
            descriptor = os.memfd_create("given", os.MFD_CLOEXEC)
            self.descriptors.append(descriptor)
            os.write(descriptor, text) if len(text) < 1 << 20 else _write_all(descriptor, text)
            os.lseek(descriptor, 0, os.SEEK_SET)
        for name in self.made:
            self.descriptors.append(os.memfd_create(name, os.MFD_CLOEXEC))

    def written(self) -> dict[str, bytes]:
        """What the job wrote, cut one byte past what is wanted."""
        files = zip(self.descriptors[len(self.given) :], self.made.items(), strict=True)
        return {name: os.pread(descriptor, most + 1, 0) for descriptor, (name, most) in files}

    def close(self) -> None:
        while self.descriptors:
            os.close(self.descriptors.pop())


@functools.lru_cache(maxsize=64)
def _limits(limits: Limits) -> dict[str, Any]:
    return asdict(limits)


def _write_all(descriptor: int, text: bytes) -> None:
    rest = memoryview(text)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


class Worker:
    """A server process. `ready` once it has isolated itself and said so; `alone`: it has a suspect, and takes no other
    task meanwhile; `started`: when, on the monotonic clock."""

    def __init__(self, mode: str) -> None:
        """Raises SandboxError where the command can't be made."""
        self.mode, self.ready, self.alone = mode, False, False
        self.started = time.monotonic()
        self.due: dict[int, float] = {}
        self.tasks: dict[int, Task] = {}
        self.number = 0
        self.homes = "" if mode == "bwrap" else tempfile.mkdtemp(prefix="dqdata-sandbox-")
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            start = launch.command(mode, theirs.fileno(), self.homes)
            if mode == "landlock" and os.geteuid() == 0:
                os.chown(self.homes, launch.NOBODY, launch.NOBODY)
            self.process = subprocess.Popen(
                start.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                env=start.env,
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except BaseException:
            self.socket.close()
            self.errors.close()
            self._clean()
            raise
        finally:
            theirs.close()

    def send(self, task: Task) -> None:
        """Hands over a task that is open. Raises OSError where the server is gone."""
        self.number += 1
        request = {"id": self.number, "kind": task.kind, "warm": task.warm, "limits": _limits(task.limits)}
        self.tasks[self.number] = task
        self.due[self.number] = time.monotonic() + EXCUSED * task.limits.wall + SLACK_SECONDS
        socket.send_fds(self.socket, [marshal.dumps(request)], task.descriptors)

    def overdue(self) -> float:
        """Seconds until an answer is late: the first of its tasks, or that it is ready; infinite where none is due."""
        if not self.ready:
            return self.started + START_SECONDS - time.monotonic()
        self.due = {number: when for number, when in self.due.items() if number in self.tasks}
        return min(self.due.values(), default=float("inf")) - time.monotonic()

    def receive(self) -> dict[str, Any] | None:
        """The server's next message, or None where it has ended. Raises ValueError where that is no JSON object."""
        try:
            message = self.socket.recv(LARGEST_REPLY)
        except OSError:
            return None
        reply = json.loads(message) if message else None
        if reply is not None and not isinstance(reply, dict):
            raise ValueError(f"{message[:80]!r}")
        return reply

    def complaint(self) -> str:
        """What the process wrote to stderr."""
        self.errors.seek(0)
        return self.errors.read(1 << 16).decode("utf-8", "replace").strip()[-2000:]

    def stop(self) -> None:
        """Ends the process and everything in it, and removes its folder."""
        self.socket.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # the kernel has it; it can run nothing any more
                self.process.wait(STOP_SECONDS)
        self.errors.close()
        self._clean()

    def _clean(self) -> None:
        if self.homes:
            remove(self.homes)
