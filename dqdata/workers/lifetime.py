"""Ends helper processes when the process that started them ends, in whatever way.

    end_with(parent)                          in a process of our own, first thing, with the id of its parent
    guarded(["vllm", ...])                    a command that runs another program and ends it in time

Linux tells a process of its parent's death (`PR_SET_PDEATHSIG`). Elsewhere, and for the moment before that is set, the
id of the parent is compared: an orphan has another one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

POLL_SECONDS = 0.5
GRACE_SECONDS = 1.0
"""What a guarded program has between SIGTERM and SIGKILL; with POLL_SECONDS it stays below the two seconds promised."""
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def end_with(parent: int, number: signal.Signals = signal.SIGKILL, *, watch: bool = True) -> None:
    """Ends this process with a signal when process `parent`, which started it, ends; at once where it has ended.

    watch: elsewhere than on Linux, start a thread that looks; false for a process that calls `orphaned` itself.
    """
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, number)
    elif watch:
        threading.Thread(target=_watch, args=(parent, number), name="dqdata-parent", daemon=True).start()
    if orphaned(parent):
        os.kill(os.getpid(), number)


def orphaned(parent: int) -> bool:
    """Whether the process that started this one, `parent`, has ended."""
    return os.getppid() != parent


def guarded(command: Sequence[str], patience: float = float("inf")) -> list[str]:
    """The command behind a guard of this process's own: when this process ends, the program and all that it started
    get SIGTERM and, a second later, SIGKILL. The guard passes SIGTERM and SIGINT on and, `patience` seconds after the
    first, ends the program; it ends as the program ends, and leaves nothing of it."""
    return [sys.executable, "-m", "dqdata.workers.lifetime", str(os.getpid()), str(patience), *command]


def _watch(parent: int, number: int) -> None:
    while not orphaned(parent):
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), number)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def _guard(parent: int, patience: float, command: Sequence[str]) -> int:
    """Runs the program in a process group of its own until it or the parent ends. Its exit code; where a signal ended
    it, that signal ends this process too."""
    until = float("inf")

    def pass_on(number: int, frame: object) -> None:
        nonlocal until
        until = min(until, time.monotonic() + patience)
        _signal_group(child, number)

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    if sys.platform == "linux":
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    own, child = os.getpid(), os.fork()
    if child == 0:
        _become(command, own)
    with contextlib.suppress(OSError):  # whichever of the two comes first
        os.setpgid(child, child)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    status = None
    while status is None and not orphaned(parent) and time.monotonic() < until:
        _wait_for(reading, POLL_SECONDS)
        status = _reaped(child)
    deadline = time.monotonic() + GRACE_SECONDS
    _signal_group(child, signal.SIGTERM)
    while status is None and time.monotonic() < deadline:
        _wait_for(reading, POLL_SECONDS / 10)
        status = _reaped(child)
    _signal_group(child, signal.SIGKILL)
    _end_adopted()
    code = -signal.SIGKILL if status is None else os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # SIGKILL needs no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(own, -code)
    return code


def _become(command: Sequence[str], guard: int) -> None:
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.setpgid(0, 0)
        end_with(guard, watch=False)
        os.execvp(command[0], list(command))
    except OSError as error:
        os.write(2, f"can't start {command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _wait_for(descriptor: int, seconds: float) -> None:
    if select.select([descriptor], [], [], seconds)[0]:
        os.read(descriptor, 4096)


def _reaped(child: int) -> int | None:
    """Status of the program where it has ended; others that were left to this process are collected on the way."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while (pair := os.waitpid(-1, os.WNOHANG))[0]:
            if pair[0] == child:
                found = pair[1]
    return found


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _end_adopted() -> None:
    """Linux: whoever the program started and left behind is this process's child by now, whatever its group is."""
    deadline = time.monotonic() + GRACE_SECONDS / 2
    while sys.platform == "linux" and (children := _children()) and time.monotonic() < deadline:
        for child in children:
            os.kill(child, signal.SIGKILL)  # a child of ours: its id is its own until it is waited for
        _reaped(0)
        time.sleep(0.01)


def _children() -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(_guard(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
