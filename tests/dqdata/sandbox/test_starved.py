"""Wall time counts only where the machine let the program run: one that gets no core, or that somebody stops, is not at
fault; one that sleeps is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dqdata.sandbox import Check, Limits, Result, Sandbox, Tests
from dqdata.sandbox.beside import check_beside, runs_of
from dqdata.sandbox.inside import clock
from dqdata.sandbox.inside.clock import EXCUSED, Clock, Scheduled

from .conftest import descendants, namespaces, started

SPIN = "import time\ndef f():\n    while time.process_time() < {}: pass\n    return 7\n"
SLEEP = "import time\ndef f():\n    time.sleep(99)\n    return 7\n"


def counts_delays() -> bool:
    return (
        len(Path("/proc/self/schedstat").read_text().split()) == 3 if Path("/proc/self/schedstat").exists() else False
    )


pytestmark = pytest.mark.skipif(
    not counts_delays(), reason="the kernel does not count how long threads wait for a core"
)


@pytest.fixture(scope="module", params=["bwrap", "landlock"])
def own(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox with one server, so that its programs are the only new processes."""
    with started(request.param) as made:
        made.workers = 1
        yield made


def newest(before: set[int], *, of_init: bool) -> int:
    """A process that was started since: the init of its pid namespace, or whichever computes."""
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        for pid in sorted(descendants() - before):
            with contextlib.suppress(OSError, IndexError):
                own = namespaces(pid)[-1] == 1 if of_init else True
                if own and cpu_of(pid) > 0.05:
                    return pid
        time.sleep(0.01)
    raise AssertionError("no program began")


def cpu_of(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


class Hogs:
    """A process that computes on the core that a program is bound to, with all the weight that the kernel gives. A
    kernel that shares cores among sessions, or a user who may not lower a priority, leaves the program a part of it:
    `used` is what new processes had, as the kernel counts it."""

    def __init__(self, core: int) -> None:
        self.core = core
        self._cpu: dict[int, float] = {}
        self._ended = threading.Event()
        self._watch: threading.Thread | None = None
        self.process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        os.sched_setaffinity(self.process.pid, {core})

    @property
    def used(self) -> float:
        return sum(self._cpu.values())

    def _look(self, before: set[int]) -> None:
        while not self._ended.wait(0.01):
            for pid in descendants() - before - {self.process.pid}:
                with contextlib.suppress(OSError, IndexError):
                    self._cpu[pid] = cpu_of(pid)

    def starve(self, pid: int, before: set[int]) -> None:
        """Gives the core of a process away. before: processes that do not count as new."""
        self._watch = threading.Thread(target=self._look, args=[before])
        self._watch.start()
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, {self.core})
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))

    def spare(self, pid: int) -> None:
        self.process.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))

    def end(self) -> None:
        self._ended.set()
        if self._watch is not None:
            self._watch.join()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def hogs() -> Iterator[Hogs]:
    made = Hogs(max(os.sched_getaffinity(0)))
    yield made
    made.end()


def blamed(result: Result | Check, seconds: float, hogs: Hogs) -> bool:
    """Whether a program was blamed for a time limit that it did not have: `wall` is right for one that had a core. Half
    of the time is enough for that: a virtual machine whose host takes its core away sees no difference."""
    assert result.why in ("starved", "wall"), result
    return result.why == "wall" and hogs.used < 0.5 * seconds


@pytest.mark.slow  # takes a whole core for seconds, from other tests as well
def test_a_program_without_a_core_is_starved(own: Sandbox, hogs: Hogs) -> None:
    before = descendants()
    future = own.submit(SPIN.format(60) + "f()", limits=Limits(wall=0.3, cpu=60))
    hogs.starve(newest(before, of_init=False), before)
    result = future.result(120)
    assert not blamed(result, 0.3, hogs), result
    assert (result.ok, result.cpu_seconds < 2.4) == (False, True)


@pytest.mark.slow  # takes a whole core for seconds, from other tests as well
@pytest.mark.parametrize("code", ["assert f() == 7", "import ast\nassert f() == ast.literal_eval('7')"])
def test_a_candidate_without_a_core_is_starved(own: Sandbox, hogs: Hogs, code: str) -> None:
    """Beside a judge, and beside a checker of its own."""
    before = descendants()
    future = own.submit_check(SPIN.format(60), Tests(code, seconds=60), limits=Limits(wall=0.3, cpu=60))
    hogs.starve(newest(before, of_init=False), before)
    check = future.result(120)
    assert not blamed(check, 0.3, hogs), check


@pytest.mark.slow  # takes a whole core for seconds, from other tests as well
def test_a_call_without_a_core_is_starved(own: Sandbox, hogs: Hogs) -> None:
    before = descendants()
    future = own.submit_check(SPIN.format(60), Tests("assert f() == 7", seconds=0.3), limits=Limits(wall=60, cpu=60))
    hogs.starve(newest(before, of_init=False), before)
    check = future.result(120)
    assert not blamed(check, 0.3, hogs), check
    assert check.stop == ("Starved" if check.why == "starved" else "TooLong")


@pytest.mark.slow  # takes a whole core for seconds, from other tests as well
def test_a_program_that_waits_for_a_core_and_then_has_it_is_right(own: Sandbox, hogs: Hogs) -> None:
    before = descendants()
    future = own.submit_check(SPIN.format(0.3), Tests("assert f() == 7", seconds=9), limits=Limits(wall=2, cpu=9))
    pid = newest(before, of_init=False)
    hogs.starve(pid, before)
    time.sleep(2.5)
    hogs.spare(pid)
    check = future.result(120)
    assert (check.ok, check.why) == (True, "exit"), check


def test_a_program_that_is_stopped_and_goes_on_is_right() -> None:
    """Under bwrap nothing inside can stop a program, so whoever stopped it was outside."""
    with started("bwrap") as sandbox:
        before = descendants()
        future = sandbox.submit(SPIN.format(0.3) + "print(f())", limits=Limits(wall=2, cpu=9))
        pid = newest(before, of_init=True)
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(2.5, os.kill, (pid, signal.SIGCONT)).start()
        result = future.result(120)
        assert (result.why, result.stdout) == ("exit", "7\n"), result


def test_a_program_that_stays_stopped_is_starved() -> None:
    with started("bwrap") as sandbox:
        before = descendants()
        future = sandbox.submit_check(
            SPIN.format(9), Tests("assert f() == 7", seconds=9), limits=Limits(wall=0.3, cpu=9)
        )
        os.kill(newest(before, of_init=True), signal.SIGSTOP)
        assert future.result(120).why == "starved"


def test_a_whole_sandbox_that_is_stopped_for_a_while_blames_nobody(own: Sandbox) -> None:
    before = descendants()
    future = own.submit(SPIN.format(0.3) + "print(f())", limits=Limits(wall=2, cpu=9))
    newest(before, of_init=False)
    tree = sorted(descendants())
    for pid in tree:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2.5)
    for pid in reversed(tree):
        os.kill(pid, signal.SIGCONT)
    result = future.result(120)
    assert (result.why, result.stdout) == ("exit", "7\n"), result


@pytest.mark.parametrize("beside", [False, True])
def test_a_program_that_sleeps_has_used_its_time(own: Sandbox, beside: bool) -> None:
    tests = Tests("assert f() == 7", seconds=0.2, inside=beside)
    assert own.submit_check(SLEEP, tests, limits=Limits(wall=1, cpu=9)).result(120).why == "wall"
    assert own.submit(SLEEP + "f()", limits=Limits(wall=0.4)).result(120).why == "wall"


@pytest.mark.parametrize(
    "wait",
    [
        "import threading\nthreading.Event().wait(99)",
        "import select\nselect.select([], [], [], 99)",
        "import os\nr, w = os.pipe()\nos.read(r, 1)",
        "import threading\nl = threading.Lock()\nl.acquire()\nl.acquire()",
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(99)",
    ],
)
def test_waiting_of_every_kind_counts(own: Sandbox, hogs: Hogs, wait: str) -> None:
    """Also beside a process that has the core."""
    assert own.submit(wait, limits=Limits(wall=0.5)).result(120).why == "wall"


def test_a_control_run_without_time_accuses_nobody() -> None:
    """A control that broke off says nothing of its cases: it must not count as passed."""
    from concurrent.futures import Future

    runs = runs_of(Tests("assert f(1) == 2\nassert f(2) == 3", inside=True))

    def start(number: int) -> Future[Check]:
        plain = Check(2, 2, "", "", "exit", 0.1, 0.1, "")
        done: Future[Check] = Future()
        done.set_result(plain if number == 0 else Check(0, 0, "ended", "", "starved", 4.0, 0.0, ""))
        return done

    verdict = check_beside(runs, start).result(5)
    assert (verdict.forged, verdict.ok, verdict.why) == (False, False, "starved")


class Times:
    """A clock that a test moves."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("delay", "stops", "ready", "runs", "step", "end"),
    [
        (0, [], False, False, 0.25, (2.0, False)),  # it waited of its own will
        (99, [], False, True, 0.25, (16.0, True)),  # no core at all
        (1, [], False, True, 0.25, (3.0, False)),  # no core for a second, then it slept
        (0, [], True, False, 0.25, (16.0, True)),  # one wait for a core that has not ended yet
        (0, [], True, True, 0.25, (2.25, False)),  # it had a core all the time
        (0, [True] * 4, False, False, 0.25, (3.0, False)),  # stopped for a second
        (0, [True] * 99, False, False, 0.25, (16.0, True)),  # stopped for good
        (0, [], False, False, 5.0, (20.0, True)),  # who looks was suspended
    ],
)
def test_what_counts(
    delay: float,
    stops: list[bool],
    ready: bool,
    runs: bool,
    step: float,
    end: tuple[float, bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = Times()
    monkeypatch.setattr(clock, "time", times)
    stopped = iter([*stops[:1], *stops])
    watch = Clock(
        2.0,
        times.now,
        lambda: Scheduled(delay, {"1": int(4 * times.now) if runs else 0} if ready else {}),
        lambda: next(stopped, False),
    )
    while watch.left() > 0 and times.now < 150:
        times.now += step
    assert (times.now - 100, watch.starved) == end
    assert EXCUSED == 8
