"""The fork server: one warm interpreter that forks a fresh, jailed process for each job.

    python -S -c "...; from inside import server; server.main(4, {...})"

A request is a small message on a unix socket with descriptors beside it: what a job reads and writes goes through
those, never through the memory of this process, so that no program finds another's tests or output in what it
inherits. The reply says how the job ended. Few modules are loaded here: each page of memory costs every fork.
"""

from __future__ import annotations

import _socket
import array
import gc
import json
import marshal
import os
import select
import sys
import time
from typing import Any, NoReturn

from . import candidate, checker, clock, jail, libc, program, pytest_style, seccomp
from .folders import remove
from .job import Job
from .judge import FINISHED, Judge

MOST_IDLE = 8
MOST_JOBS = 16
"""Processes at a time, with those that have been judged and are on their way out."""
REHEARSALS = 20
MOST_DESCRIPTORS = 8
LARGEST_MESSAGE = 1 << 16


class Server:
    def __init__(self, control: int, setup: jail.Setup, janitor: Janitor | None) -> None:
        self.setup, self.janitor = setup, janitor
        self.control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, control)
        self.descriptor = control
        self.has_pytest = False
        self.jobs: dict[int, Job] = {}  # by pidfd, until the process has ended
        self.judged: dict[int, Job] = {}  # by socket of the judge, until it has reported
        self.idle: list[Judge] = []
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)
        self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC) if setup.namespaces else -1

    def serve(self) -> NoReturn:
        self.reply({"ready": os.getpid()})
        while True:
            self.poll.modify(self.descriptor, select.POLLIN if len(self.jobs) < MOST_JOBS else 0)
            jobs = {*self.jobs.values(), *self.judged.values()}
            patience = min((left for job in jobs if (left := job.watch()) is not None), default=None)
            for descriptor, _ in self.poll.poll(None if patience is None else 1000 * patience):
                if descriptor == self.descriptor:
                    self.accept()
                elif descriptor in self.judged:
                    self.hear(self.judged.pop(descriptor))
                else:
                    self.reap(self.jobs.pop(descriptor))

    def accept(self) -> None:
        descriptors = array.array("i")
        message, extra, _, _ = self.control.recvmsg(
            LARGEST_MESSAGE, _socket.CMSG_LEN(MOST_DESCRIPTORS * descriptors.itemsize)
        )
        if not message:
            self.end()
        for _, _, data in extra:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        request = marshal.loads(message)
        if request["warm"] == "pytest" and not self.has_pytest:
            self.has_pytest = True
            pytest_style.load()
            gc.collect()
            gc.freeze()
        try:
            job = self.start(request, list(descriptors))
        except OSError as error:
            self.reply({"id": request["id"], "failure": f"can't start a process: {error}"})
        else:
            self.jobs[job.process] = job
            self.poll.register(job.process, select.POLLIN)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def end(self) -> NoReturn:
        """The other end is gone: so is everything here."""
        for job in self.jobs.values():
            job.kill()
            job.reap(alone=self.setup.namespaces)
        if self.janitor is not None:
            self.janitor.end()
        os._exit(0)

    def start(self, request: dict[str, Any], descriptors: list[int]) -> Job:
        home = self.home()
        failure, tell = os.pipe2(os.O_CLOEXEC)
        judge, its, mine = None, -1, -1
        if request["kind"] == "judge":
            judge = self.free_judge(request["limits"]["memory"])
            mine, its = (end.detach() for end in _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM))
        started = time.monotonic()
        if self.setup.namespaces:
            libc.setns(self.own_pids, libc.CLONE_NEWPID)
            libc.unshare(libc.CLONE_NEWPID)
        pid = libc.fork()
        if pid == 0:
            self.become(request, descriptors, home, its, tell)
        os.close(tell)
        job = Job(request, pid, failure, home, started)
        if judge is not None:
            _, tests, _, report = descriptors
            watched = clock.Watched.of(pid, others_stop=self.setup.namespaces)
            judge.judge(pid, mine, tests, report, watched)
            watched.close()
            os.close(mine)
            os.close(its)
            job.wait_for(judge)
            self.judged[judge.socket.fileno()] = job
            self.poll.register(judge.socket, select.POLLIN)
        return job

    def free_judge(self, memory: int) -> Judge:
        """One that isn't busy and has that limit of memory."""
        for judge in self.idle:
            if judge.memory == memory:
                self.idle.remove(judge)
                return judge
        if len(self.idle) >= MOST_IDLE:
            self.idle.pop(0).end()
        if self.setup.namespaces:
            libc.setns(self.own_pids, libc.CLONE_NEWPID)
        return Judge(self.setup, memory)

    def home(self) -> jail.Home:
        """Folders of one job. Their names are random: no program learns how many came before it."""
        if self.setup.namespaces:
            return jail.Home(jail.SCRATCH, jail.PRIVATE)
        name = os.urandom(8).hex()
        home = jail.Home(f"{self.setup.homes}/{name}", f"{self.setup.homes}/{name}-private")
        os.mkdir(home.scratch, 0o700)
        os.mkdir(home.private, 0o700)
        return home

    def become(
        self, request: dict[str, Any], descriptors: list[int], home: jail.Home, channel: int, tell: int
    ) -> NoReturn:
        """In the child: the job. It never returns to the server's code."""
        failure = tell
        try:
            limits = request["limits"]
            jail.enter(self.setup, limits, home)
            if request["kind"] == "check":
                checker.start(self.setup, limits, home, [*descriptors, tell])
            if request["kind"] == "judge":
                given, _, output, _ = descriptors
                checker.be_candidate(self.setup, limits, home, [output, output, channel, given, tell])
            given, stdin, stdout, stderr, report = descriptors
            jail.descriptors(stdin, stdout, stderr, given, report, tell)
            failure = 5
            jail.lock(self.setup, limits, home, "run")
            job = program.read(3)
            os.close(3)
            program.write_files(job["files"])
            os.close(failure)
            failure = -1
            program.run(job, 4)
        except BaseException as error:
            if failure >= 0:
                os.write(failure, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(1)

    def hear(self, job: Job) -> None:
        """The judge has reported, or died of its tests: either way its candidate isn't needed any more."""
        judge = job.judge
        assert judge is not None
        self.poll.unregister(judge.socket)
        said = judge.done()
        if said:
            self.idle.append(judge)
        else:
            judge.end()
            job.unjudged = not job.killed
        job.judge = None
        if said == FINISHED or job.code is not None:
            self.reply(job.answer())
        job.kill()

    def reap(self, job: Job) -> None:
        self.poll.unregister(job.process)
        job.reap(alone=self.setup.namespaces)
        if not self.setup.namespaces:
            remove(job.home.scratch)
            remove(job.home.private)
        if job.judge is None and not job.answered:
            self.reply(job.answer())

    def reply(self, answer: dict[str, Any]) -> None:
        self.control.send(json.dumps(answer).encode())


class Janitor:
    """A child with the rights that the server may give up: when the server has ended, however it did, it removes the
    server's folder from the folder that it lies in."""

    def __init__(self, homes: str) -> None:
        reading, self.alive = os.pipe2(os.O_CLOEXEC)
        self.pid = libc.fork()
        if self.pid == 0:
            self._wait(homes, reading)
        os.close(reading)

    def _wait(self, homes: str, reading: int) -> NoReturn:
        try:
            libc.prctl(libc.PR_SET_PDEATHSIG, libc.SIGCONT)  # where somebody stopped it, it goes on then
            jail.descriptors(reading)
            os.read(0, 1)
            for _ in range(20):
                remove(homes)
                if not os.path.lexists(homes):
                    break
                time.sleep(0.05)
        finally:
            os._exit(0)

    def end(self) -> None:
        os.close(self.alive)
        os.kill(self.pid, libc.SIGCONT)  # any process of a session may send it to another
        os.waitpid(self.pid, 0)


def main(control: int, config: dict[str, Any]) -> NoReturn:
    """Isolates this process as `config` says, tells the other end of `control`, and serves until it closes."""
    try:
        uid = config.pop("become", None)
        packages = config.pop("packages")
        setup = jail.Setup(**{**config, "read": tuple(config["read"])})
        janitor = Janitor(setup.homes) if setup.homes else None
        if uid is not None:
            _become(uid, setup.keep)
        jail.prepare(setup)
        if not setup.namespaces:  # bwrap ends with its parent; a stopped server goes on then
            libc.prctl(libc.PR_SET_PDEATHSIG, libc.SIGCONT)
        sys.path += packages
        sys.set_int_max_str_digits(0)  # the limit of CPU time bounds what this costs
        _warm(setup)
        server = Server(control, setup, janitor)
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


def _warm(setup: jail.Setup) -> None:
    """Imports what most programs import, and runs what every candidate runs: the interpreter rewrites code as it is
    first used, and each page rewritten here needn't be copied in a child."""
    import bisect, collections, copy, functools, heapq, itertools, math, operator, re, string, typing  # noqa: E401, F401, I001

    for _ in range(REHEARSALS):
        module = program.execute("def double(x):\n    return 2 * x\n", "rehearsal")
        held = candidate.Objects()
        candidate.answer(held, module, ["global", "double"])
        candidate.answer(held, module, ["call", [{"ref": [0, "object", ""]}, [1, 2], {"dict": []}]])
    del sys.modules["rehearsal"]
    if setup.namespaces:
        for processes in (False, True):
            seccomp.made(processes=processes, landlock=False)
