"""The fork server: one warm interpreter that forks a fresh, jailed process for each job.

    python -I -S -c "...; from inside import server; server.main(4, {...})"

A request is a small JSON message on a unix socket with descriptors beside it: what a job reads and writes goes through
those, never through the memory of this process, so that no program finds another's tests or output in what it
inherits. The reply says how the job ended.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any, NoReturn

from . import checker, jail, libc, program, remote

MOST_DESCRIPTORS = 8
LARGEST_MESSAGE = 1 << 16


@dataclass
class Job:
    id: int
    pid: int
    process: int  # a pidfd
    failure: int  # read end of a pipe: why the jail could not be set up
    limits: dict[str, Any]
    home: jail.Home
    started: float
    killed: str = ""

    def cpu(self) -> float:
        """CPU seconds so far."""
        return remote.cpu_of(self.pid)

    def over(self) -> str:
        """Name of the limit that is used up, or nothing."""
        if time.monotonic() - self.started >= self.limits["wall"]:
            return "wall"
        return "cpu" if self.cpu() >= self.limits["cpu"] else ""

    def patience(self) -> float:
        """Seconds until a limit can be used up by one busy thread."""
        wall = self.started + self.limits["wall"] - time.monotonic()
        return max(0.01, min(wall, self.limits["cpu"] - self.cpu()))


class Server:
    def __init__(self, control: int, setup: jail.Setup) -> None:
        self.control, self.setup = socket.socket(fileno=control), setup
        self.jobs: dict[int, Job] = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(control, selectors.EVENT_READ)
        self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC) if setup.namespaces else -1

    def serve(self) -> NoReturn:
        self.control.send(json.dumps({"ready": os.getpid()}).encode())
        while True:
            patience = min((job.patience() for job in self.jobs.values()), default=None)
            for key, _ in self.selector.select(patience):
                if key.fd == self.control.fileno():
                    self.accept()
                else:
                    self.finish(self.jobs[key.fd])
            for job in [job for job in self.jobs.values() if not job.killed]:
                if limit := job.over():
                    job.killed = limit
                    self.kill(job)

    def accept(self) -> None:
        message, descriptors, _, _ = socket.recv_fds(self.control, LARGEST_MESSAGE, MOST_DESCRIPTORS)
        if not message:
            self.end()
        request = json.loads(message)
        try:
            job = self.start(request, descriptors)
        except OSError as error:
            self.reply({"id": request["id"], "failure": f"can't start a process: {error}"})
        else:
            self.jobs[job.process] = job
            self.selector.register(job.process, selectors.EVENT_READ)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def end(self) -> NoReturn:
        """The other end is gone: so is everything here."""
        for job in self.jobs.values():
            self.kill(job)
        if self.setup.homes:
            for job in self.jobs.values():
                os.waitpid(job.pid, 0)
            _remove(self.setup.homes)
        os._exit(0)

    def start(self, request: dict[str, Any], descriptors: list[int]) -> Job:
        home = self.home(request["id"])
        failure, tell = os.pipe2(os.O_CLOEXEC)
        started = time.monotonic()
        if self.setup.namespaces:
            libc.setns(self.own_pids, libc.CLONE_NEWPID)
            libc.unshare(libc.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            self.become(request, descriptors, home, tell)
        os.close(tell)
        return Job(request["id"], pid, os.pidfd_open(pid), failure, request["limits"], home, started)

    def home(self, number: int) -> jail.Home:
        if self.setup.namespaces:
            return jail.Home(jail.SCRATCH, jail.PRIVATE)
        home = jail.Home(f"{self.setup.homes}/{number}", f"{self.setup.homes}/{number}-private")
        os.mkdir(home.scratch, 0o700)
        os.mkdir(home.private, 0o700)
        return home

    def become(self, request: dict[str, Any], descriptors: list[int], home: jail.Home, tell: int) -> NoReturn:
        """In the child: the job. It never returns to the server's code."""
        try:
            limits = request["limits"]
            jail.enter(self.setup, limits, home)
            if request["kind"] == "check":
                checker.start(self.setup, limits, home, [*descriptors, tell])
            given, stdin, stdout, stderr, report = descriptors
            jail.descriptors(stdin, stdout, stderr, given, report, tell)
            jail.lock(self.setup, limits, home, "run")
            job = program.read(3)
            os.close(3)
            program.write_files(job["files"])
            os.close(5)
            program.run(job, 4)
        except BaseException as error:
            for descriptor in (tell, 5):
                try:
                    os.write(descriptor, f"{type(error).__name__}: {error}".encode())
                except OSError:
                    continue
                break
        finally:
            os._exit(1)

    def kill(self, job: Job) -> None:
        try:
            signal.pidfd_send_signal(job.process, signal.SIGKILL)
        except ProcessLookupError:
            return

    def finish(self, job: Job) -> None:
        self.selector.unregister(job.process)
        del self.jobs[job.process]
        _, status, usage = os.wait4(job.pid, 0)
        seconds = time.monotonic() - job.started
        failure = os.read(job.failure, 4096).decode("utf-8", "replace") if _readable(job.failure) else ""
        os.close(job.process)
        os.close(job.failure)
        if not self.setup.namespaces:
            _remove(job.home.scratch)
            _remove(job.home.private)
        cpu = usage.ru_utime + usage.ru_stime
        code = os.waitstatus_to_exitcode(status)
        killed = job.killed or ("cpu" if code == -signal.SIGKILL and cpu >= job.limits["cpu"] else "")
        self.reply({"id": job.id, "killed": killed, "code": code, "seconds": seconds, "cpu": cpu, "failure": failure})

    def reply(self, answer: dict[str, Any]) -> None:
        self.control.send(json.dumps(answer).encode())


def _readable(descriptor: int) -> bool:
    import select

    return bool(select.select([descriptor], [], [], 0)[0])


def _remove(folder: str) -> None:
    """Removes a scratch folder whatever its owner did to the modes of folders in it."""

    def open_up(function: Any, path: str, error: Any) -> None:
        os.chmod(os.path.dirname(path), 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)

    shutil.rmtree(folder, onerror=open_up)


def main(control: int, config: dict[str, Any]) -> NoReturn:
    """Isolates this process as `config` says, tells the other end of `control`, and serves until it closes."""
    try:
        uid = config.pop("become", None)
        packages = config.pop("packages")
        setup = jail.Setup(**{**config, "read": tuple(config["read"])})
        if uid is not None:
            _become(uid, setup.keep)
        jail.prepare(setup)
        sys.path += packages
        _warm()
        server = Server(control, setup)
    except BaseException as error:
        os.write(control, json.dumps({"failure": f"{type(error).__name__}: {error}"}).encode())
        raise
    gc.collect()
    gc.freeze()
    server.serve()


def _become(uid: int, keep: int) -> None:
    libc.prctl(libc.PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    libc.capabilities(keep)


def _warm() -> None:
    """Imports what programs usually import, so that each finds it loaded."""
    import bisect, cmath, collections, copy, dataclasses, datetime, decimal, enum, fractions, functools  # noqa: E401, F401, I001
    import hashlib, heapq, itertools, math, operator, queue, random, re, statistics, string, textwrap, typing  # noqa: E401, F401, I001
