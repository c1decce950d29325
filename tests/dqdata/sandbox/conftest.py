"""One sandbox of each isolation for all tests, and the bait that attacks are after."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from dqdata.errors import SandboxError
from dqdata.sandbox import Limits, Sandbox

REPOSITORY = Path(__file__).resolve().parents[3]
KEY = "DQDATA_TEST_API_KEY"


def started(mode: str) -> Sandbox:
    """A sandbox that has run a program; the test skips where this isolation doesn't work."""
    sandbox = Sandbox(mode, workers=2, limits=Limits(wall=20, cpu=5, memory=256 << 20))  # type: ignore[arg-type]
    try:
        sandbox.submit("pass").result(300)
    except SandboxError as error:
        sandbox.close()
        pytest.skip(f"{mode} doesn't work here: {error}")
    return sandbox


@pytest.fixture(scope="session", params=["bwrap", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with started(request.param) as made:
        yield made


@dataclass(frozen=True)
class Bait:
    """What an attack would find, or harm. port, unix, abstract: servers that count who connects."""

    canary: str
    secret: str
    folder: str
    home: str
    repository: str
    key: str
    parent: int
    victim: int
    port: int
    unix: str
    abstract: str


@dataclass
class Trap:
    """The bait as it was laid, and whether anyone touched it."""

    bait: Bait
    servers: list[socket.socket]
    victim: subprocess.Popen[bytes]

    def fill(self, program: str) -> str:
        return program.format(**asdict(self.bait))

    def touched(self) -> str:
        """What was done to it, or nothing."""
        bait = self.bait
        canary = Path(bait.canary)
        if canary.read_text() != bait.secret or canary.stat().st_mode & 0o777 != 0o666 or canary.stat().st_mtime < 2:
            return "the canary was changed"
        if sorted(os.listdir(bait.folder)) != ["canary", "unix"]:
            return f"files were made: {os.listdir(bait.folder)}"
        if self.victim.poll() is not None:
            return "the victim was killed"
        for server in self.servers:
            with contextlib.suppress(BlockingIOError):
                if server.type == socket.SOCK_DGRAM:
                    return f"somebody sent {server.recv(99)!r}"
                server.accept()
                return f"somebody connected to {server.getsockname()!r}"
        return ""


@pytest.fixture(scope="session")
def trap() -> Iterator[Trap]:
    """Bait that any user of this machine could take: world-readable, world-writable."""
    secret = f"canary-{secrets.token_hex(16)}"
    name = f"\0dqdata-{secrets.token_hex(8)}"
    os.environ[KEY] = secret
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dqdata-trap-")))
        folder.chmod(0o777)
        canary = folder / "canary"
        canary.write_text(secret)
        canary.chmod(0o666)
        servers = []
        for family, kind, address in (
            (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            (socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "unix")),
            (socket.AF_UNIX, socket.SOCK_STREAM, name),
            (socket.AF_UNIX, socket.SOCK_DGRAM, name + "d"),
        ):
            server = stack.enter_context(socket.socket(family, kind))
            server.bind(address)
            server.setblocking(False)
            if kind == socket.SOCK_STREAM:
                server.listen()
            servers.append(server)
        (folder / "unix").chmod(0o777)
        victim = subprocess.Popen(
            ["sleep", "3600"], cwd="/", env={KEY: secret, "PATH": "/usr/bin:/bin"}, **_unprivileged()
        )
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        yield Trap(
            Bait(
                canary=str(canary),
                secret=secret,
                folder=str(folder),
                home=str(Path.home()),
                repository=str(REPOSITORY),
                key=KEY,
                parent=os.getpid(),
                victim=victim.pid,
                port=servers[0].getsockname()[1],
                unix=str(folder / "unix"),
                abstract=name,
            ),
            servers,
            victim,
        )


def _unprivileged() -> dict[str, int]:
    """The victim runs as the user that programs in the sandbox are, so that only the sandbox protects it."""
    return {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}


def descendants(of: int = 0) -> set[int]:
    """Every process that this one, or the one given, or a child of it has started."""
    found: set[int] = set()
    todo = [of or os.getpid()]
    while todo:
        for children in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            try:
                pids = {int(pid) for pid in children.read_text().split()}
            except (FileNotFoundError, ProcessLookupError):
                continue
            found |= pids
            todo += pids
    return found


def namespaces(pid: int) -> list[int]:
    """Its pid in each pid namespace, outermost first."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return [int(part) for part in line.split()[1:]]
    return []
