"""CPU workers without their start: one process imports the operators, and forks the fork server of each worker.

A run starts a worker a core, and importing is most of what a small run costs. Operators that need Polars import it in
the worker, as ever: it starts threads, and what has threads can't be forked. The fork has the
environment, folder, output and session that a new process would have, and runs the same `dqdata.workers.worker.main`.
Tests marked `cold_workers` start the real process.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from dqdata.workers.pool import ONE_THREAD

LARGEST = 1 << 20
PLACE = Path(__file__).resolve()
_lock = threading.Lock()


class Fork:
    """What a pool uses of `subprocess.Popen`. `ended` reads the process's id, and its end as end of file."""

    def __init__(self, ended: socket.socket) -> None:
        self._ended = ended
        self.pid = int(ended.recv(64))

    def wait(self, timeout: float | None = None) -> None:
        self._ended.settimeout(timeout)
        try:
            self._ended.recv(1)
        except TimeoutError:
            raise subprocess.TimeoutExpired("worker", timeout or 0.0) from None
        self._ended.close()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


@functools.cache
def _imported() -> socket.socket:
    """Where the process that has imported everything takes orders; it ends when this process and its forks have."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, str(PLACE), str(theirs.fileno())]
        subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env={**os.environ, **ONE_THREAD}
        )
    return ours


def fork_server(control: int, beat: int) -> Fork:
    """In place of `dqdata.workers.pool.fork_server`."""
    with _lock:
        orders = _imported()
    ended, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    job = {"folder": str(Path.cwd()), "environment": {**os.environ, **ONE_THREAD}}
    with theirs:
        socket.send_fds(orders, [json.dumps(job).encode()], [1, 2, control, beat, theirs.fileno()])
    return Fork(ended)


def serve(orders: socket.socket) -> None:
    """Forks a process for each order, until nobody is left to give one."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    importlib.import_module("dqdata.workers.worker")
    sys.modules["polars"] = None  # type: ignore[assignment]  # it starts threads, and a fork must have none
    for entry in entry_points(group="dqdata.operators"):
        if entry.value.startswith("dqdata_operators."):
            with contextlib.suppress(ImportError):
                entry.load()
    del sys.modules["polars"]
    gc.collect()
    gc.freeze()
    while (order := socket.recv_fds(orders, LARGEST, 5))[0]:
        if os.fork() == 0:
            _become(orders, json.loads(order[0]), order[1])
        for descriptor in order[1]:
            os.close(descriptor)


def _paths(environment: Mapping[str, str]) -> list[str]:
    return [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]


def _become(orders: socket.socket, job: dict[str, Any], descriptors: list[int]) -> None:
    before = _paths(os.environ)  # of the test that was first: what lies there isn't to be found by the others
    try:
        orders.close()
        out, error, control, beat, ended = descriptors
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.chdir(job["folder"])
        os.environ.clear()
        os.environ.update(job["environment"])
        time.tzset()
        os.dup2(out, 1)
        os.dup2(error, 2)
        sys.path[:] = [job["folder"], *_paths(os.environ), *(path for path in sys.path[1:] if path not in before)]
        importlib.invalidate_caches()
        os.write(ended, str(os.getpid()).encode())
        os._exit(importlib.import_module("dqdata.workers.worker").main(os.getppid(), control, beat))
    finally:
        os._exit(1)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as taken:
        serve(taken)
