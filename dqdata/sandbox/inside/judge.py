"""A checker that lives as long as its server and judges one candidate after another: for simple tests alone.

What a simple test can do (see `pure.py`) leaves nothing behind, so that the process can be used again, and a check
costs one fork instead of two. After each candidate the built-ins and modules here are compared with what they were: a
judge that differs ends without a report, and its last check is done again by a checker of its own. Everything else is
as in `checker.py`: the candidate is another process, with namespaces of its own, and sees of this one a socket.
"""

from __future__ import annotations

import _socket
import array
import os
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from . import cases, clock, jail, libc, plain, pure
from .link import Link

FINISHED, BROKE_OFF = b"1", b"2"
OWN = ("builtins", "sys", "inside", "json", "marshal")


class Judge:
    """The server's end. busy: the job it is at, by its pidfd."""

    def __init__(self, setup: jail.Setup, memory: int) -> None:
        ours, its = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self.memory = memory
        self.socket = ours
        self.pid = libc.fork()
        if self.pid == 0:
            _be_judge(setup, memory, its.fileno())
        its.close()
        self.watched = clock.Watched.of(self.pid, others_stop=False)

    def judge(self, pid: int, channel: int, tests: int, report: int, watched: clock.Watched) -> None:
        """Hands over a candidate; the judge reports the outcome when its report is written."""
        descriptors = array.array("i", (channel, tests, report, *watched.descriptors()))
        self.socket.sendmsg([str(pid).encode()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)])

    def done(self) -> bytes:
        """FINISHED or BROKE_OFF once the report is written; nothing where it has died."""
        try:
            return self.socket.recv(8)
        except OSError:
            return b""

    def kill(self) -> None:
        os.kill(self.pid, libc.SIGKILL)

    def end(self) -> None:
        self.kill()
        os.waitpid(self.pid, 0)
        self.watched.close()
        self.socket.close()


def _be_judge(setup: jail.Setup, memory: int, control: int) -> NoReturn:
    try:
        libc.prctl(libc.PR_SET_PDEATHSIG, libc.SIGKILL)
        null = os.open("/dev/null", os.O_RDWR)
        jail.descriptors(null, null, null, control)
        limits = {"memory": memory, "cpu": 0, "disk": 1, "output": 1 << 20, "processes": 0}
        jail.lock(setup, limits, jail.Home("/nowhere", "/nowhere"), "judge")
        server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, 3)
        before = _state()
        while True:
            message, extra, _, _ = server.recvmsg(64, _socket.CMSG_LEN(20))
            if not message:
                break
            channel, tests, report, *files = array.array("i", extra[0][2])
            watched = clock.Watched(int(message), *(files or (-1, -1)), others_stop=setup.namespaces)
            found = _judged(int(message), channel, tests, watched)
            if _state(before) != before:
                break
            os.write(report, plain.dumps(found))
            for descriptor in (channel, tests, report, *files):
                os.close(descriptor)
            server.send(BROKE_OFF if found["stop"] else FINISHED)
    finally:
        os._exit(1)


def _judged(pid: int, channel: int, tests: int, watched: clock.Watched) -> dict[str, Any]:
    wanted = cases.read(tests)
    link = Link(channel, pid, wanted["seconds"], watched, stops=wanted.get("stops", False))
    return cases.run(wanted, link)


def _state(names: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """What is in the built-ins and in the modules that tests are run with, by name; of those named, or all."""
    kept = names or [name for name in sys.modules if name in pure.MODULES or name.partition(".")[0] in OWN]
    return {name: dict(vars(sys.modules[name])) for name in kept if name in sys.modules}
