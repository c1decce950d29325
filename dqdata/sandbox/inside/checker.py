"""The process that tests a candidate: it forks the candidate's process, then reads the tests and runs them.

The order is what keeps the verdict safe: the candidate's process is made before any test text is in memory, and all it
shares with this one is a socket. The report goes into a descriptor that only this process has.
"""

from __future__ import annotations

import _socket
import marshal
import os
from typing import Any, NoReturn

from . import candidate, cases, clock, jail, libc, plain, program
from .link import Link
from .stops import Starved, Stop, TooLong


def start(setup: jail.Setup, limits: dict[str, Any], home: jail.Home, given: list[int]) -> NoReturn:
    """In a process that has entered its jail. Descriptors: candidate, tests, output, report, failure."""
    of_candidate, tests, output, report, failure = given
    mine, its = (end.detach() for end in _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM))
    null = os.open("/dev/null", os.O_RDWR)
    libc.prctl(libc.PR_SET_DUMPABLE, 0)
    pid = libc.fork()
    if pid == 0:
        be_candidate(setup, limits, home, [output, output, its, of_candidate, failure])
    jail.descriptors(null, null, null, mine, tests, report, failure)
    channel, tests, report, failure = 3, 4, 5, 6
    wanted = cases.read(tests)
    os.close(tests)  # a file that tests open by name may be a link of the candidate's to a descriptor
    watched = clock.Watched.of(pid, others_stop=False)
    if wanted["style"] == "pytest" and not wanted["inside"]:
        jail.hide_private(setup)
    jail.lock(setup, limits, home, "checker")
    os.close(failure)
    wanted["folder"] = home.scratch if wanted["inside"] else home.private
    link = Link(channel, pid, wanted["seconds"], watched, stops=wanted.get("stops", False))
    found = _inside(wanted, link) if wanted["inside"] else cases.run(wanted, link)
    found["ending"] = _ending(channel, pid)
    os.ftruncate(report, 0)
    os.write(report, plain.dumps(found))
    os._exit(0)


def _inside(tests: dict[str, Any], link: Link) -> dict[str, Any]:
    """Hands the tests to the candidate's process, after its module has run."""
    nothing = cases.Cases(tests)
    link.seconds *= max(1, nothing.total)
    try:
        link.loaded()
        link.channel.send(["inside", marshal.dumps(tests).hex()])
        found = link.reply()
        if type(found) is dict and found.get("token") == tests["token"]:
            return found
        nothing.error = "the tests in the candidate's process gave no report"
    except (TooLong, Starved) as error:
        nothing.broke_off(error)
        return {**nothing.report(), "stop": type(error).__name__}
    except (Stop, OSError, Exception) as error:
        nothing.broke_off(error)
    return nothing.report()


def _ending(channel: int, pid: int) -> dict[str, Any]:
    """How the candidate's process ended, once nobody asks it anything."""
    os.close(channel)
    ended, status, usage = os.wait4(pid, os.WNOHANG)
    code = os.waitstatus_to_exitcode(status) if ended else 0
    return {"code": code, "cpu": usage.ru_utime + usage.ru_stime if ended else clock.cpu_of(pid)}


def be_candidate(setup: jail.Setup, limits: dict[str, Any], home: jail.Home, keep: list[int]) -> NoReturn:
    """In a process of its own: locks it and answers. Descriptors: output, errors, channel, candidate, failure."""
    failure = keep[-1]
    try:
        libc.prctl(libc.PR_SET_PDEATHSIG, libc.SIGKILL)
        jail.descriptors(os.open("/dev/null", os.O_RDONLY), *keep)
        failure = 5
        jail.lock(setup, limits, home, "candidate")
        job = program.read(4)
        os.close(4)
        os.close(failure)
        failure = -1
        candidate.serve(job, 3)
    except BaseException as error:
        if failure >= 0:
            os.write(failure, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(1)
