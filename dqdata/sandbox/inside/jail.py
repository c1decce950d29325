"""What a fresh process gives up before it runs anything it was given.

    enter(setup, limits, home)           namespaces, an empty scratch folder
    lock(setup, limits, home, "run")     capabilities, limits, system calls: no way back

Between the two a checker forks its candidate, so that both live in one scratch folder and one set of namespaces.
"""

from __future__ import annotations

import fcntl
import math
import os
import resource
from typing import Any, NamedTuple

from . import landlock, libc, seccomp

SCRATCH = "/scratch"
PRIVATE = "/private"
"""Where a checker keeps test files that its candidate must not see, inside bwrap."""
SHARED_MEMORY = 8 << 20
OPEN_FILES = 128
STACK = 8 << 20
THREADS = 1024
"""Threads and processes of all programs of a server together."""


class Setup(NamedTuple):
    """How this server isolates. isolation: bwrap, landlock or none. read: paths a program may read under Landlock.
    homes: folder for scratch folders outside bwrap. keep: capabilities (a bit mask) that programs keep.
    counts_processes: the user of this server has no other processes, so that their number can be limited."""

    isolation: str
    read: tuple[str, ...] = ()
    homes: str = ""
    keep: int = 0
    counts_processes: bool = True

    @property
    def namespaces(self) -> bool:
        return self.isolation == "bwrap"


class Home(NamedTuple):
    """Folders of one job: `scratch` for all its processes, `private` for its checker alone."""

    scratch: str
    private: str


def prepare(setup: Setup) -> None:
    """Once, in the server: nothing of it can be traced, and its children can't become more than they are."""
    libc.prctl(libc.PR_SET_DUMPABLE, 0)
    os.umask(0o077)
    os.environ["HOME"] = os.environ["TMPDIR"] = SCRATCH
    os.environ.pop("LD_BIND_NOW", None)
    for kind, soft, hard in (
        (resource.RLIMIT_NPROC, THREADS, THREADS),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_STACK, STACK, resource.RLIM_INFINITY),
    ):
        if kind != resource.RLIMIT_NPROC or setup.counts_processes:
            _set_limit(kind, soft, hard)
    if setup.isolation != "none":
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    if not setup.namespaces:
        libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)
        return
    libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
    with open("/proc/sys/user/max_user_namespaces", "w") as limit:
        limit.write("0")
    with open("/proc/sys/kernel/cap_last_cap") as last:
        for capability in range(int(last.read()) + 1):
            libc.prctl(libc.PR_CAPBSET_DROP, capability)
    libc.prctl(libc.PR_SET_SECUREBITS, libc.SECURE_NO_ROOT_LOCKED)


def enter(setup: Setup, limits: dict[str, Any], home: Home) -> None:
    """Fresh mounts for this process and those it forks. With bwrap it is pid 1 of its own pid namespace already."""
    libc.prctl(libc.PR_SET_PDEATHSIG, libc.SIGKILL)
    os.setpgid(0, 0)
    if setup.namespaces:
        libc.unshare(libc.CLONE_NEWNS)
        flags = libc.MS_NOSUID | libc.MS_NODEV
        libc.mount("tmpfs", SCRATCH, "tmpfs", flags, f"size={limits['disk']},nr_inodes=4096,mode=0777")
        if limits["processes"]:
            libc.mount("tmpfs", "/dev/shm", "tmpfs", flags, f"size={SHARED_MEMORY},nr_inodes=256,mode=1777")
        _mount_proc()
    else:
        os.environ["HOME"] = os.environ["TMPDIR"] = home.scratch
    os.chdir(home.scratch)


def _mount_proc() -> None:
    flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
    try:
        libc.mount("proc", "/proc", "proc", flags, "subset=pid,hidepid=ptraceable")
    except OSError:  # kernels before 5.8
        libc.mount("proc", "/proc", "proc", flags)


def hide_private(setup: Setup) -> None:
    """In a checker: mounts its private folder where no process forked earlier can see it."""
    if setup.namespaces:
        libc.unshare(libc.CLONE_NEWNS)
        libc.mount(None, "/", None, libc.MS_REC | libc.MS_PRIVATE)
        libc.mount("tmpfs", PRIVATE, "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, "size=16m,mode=0700")


def lock(setup: Setup, limits: dict[str, Any], home: Home, role: str) -> None:
    """Gives up everything that `limits` doesn't grant; `role` is run, candidate, checker or judge."""
    _limit(limits)
    libc.prctl(libc.PR_SET_DUMPABLE, 0 if role in ("checker", "judge") else 1)
    if setup.isolation == "none":
        return
    libc.capabilities(setup.keep)
    walled = setup.isolation == "landlock"
    if walled:
        write = [home.scratch, home.private] if role == "checker" else [home.scratch]
        landlock.restrict(read=[*setup.read, "/dev/urandom", "/dev/zero"], write=[*write, "/dev/null"])
    processes = bool(limits["processes"])
    if walled:
        seccomp.made(processes=processes, landlock=True, pid=os.getpid()).install()
    else:
        seccomp.made(processes=processes, landlock=False).install()


def _limit(limits: dict[str, Any]) -> None:
    # The server watches the exact limit; this is for when it can't, and twice as much: the kernel counts whole ticks
    # here, stolen ones too, and what it ends early looks like a lack of memory. A judge works on, job after job.
    cpu = math.ceil(2 * limits["cpu"]) + 1 if limits["cpu"] else resource.RLIM_INFINITY
    file = max(limits["disk"], limits["output"])
    _set_limit(resource.RLIMIT_AS, limits["memory"], limits["memory"])
    _set_limit(resource.RLIMIT_CPU, cpu, cpu)
    _set_limit(resource.RLIMIT_FSIZE, file, file)
    _set_limit(resource.RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES)


def _set_limit(kind: int, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(kind, (soft, hard))
    except ValueError:  # this process was started with less
        _, most = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if soft == resource.RLIM_INFINITY else min(soft, most), most))


def descriptors(*keep: int) -> None:
    """Makes the given descriptors 0, 1, 2, ... in that order and closes all others."""
    high = [_above(number) for number in keep]
    for target, number in enumerate(high):
        os.dup2(number, target)
    os.closerange(len(keep), 1 << 20)


def _above(number: int) -> int:
    return fcntl.fcntl(number, fcntl.F_DUPFD, 64)
