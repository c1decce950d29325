"""Runs tests in the candidate's own process and decides whether their result can be believed.

The candidate can read and change all that is in its process, tests and report included. So the tests run several
times, one after another, each in a process of its own, in random order: as they are, and with other expected values in
half of the cases (`lookalike.py`), and in the other half. Nothing that is sent says which run is which. A candidate is
right if the tests as they are pass, and in each control the cases whose value was changed fail and the others pass. One
that can't tell right values from wrong ones has to guess which runs have another value. Of the nine that matter, five
are as they are and four are not, for each case: a guess made anew in each run is right once in 484 times at best
(5/9)^5 (4/9)^4, and one that knows by a clock how many runs came before it once in 126 times (9 over 4). One that
takes a fifth of all values for right ones, by a hash of what it sees, is right where the value as it is falls into that
fifth and four other values don't: once in 12 times, (1/5) (4/5)^4. Further cases that can be changed make all of these
smaller: the last is once in 149 times for two cases, and in 1,800 for three.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

from dqdata.sandbox.limits import Check, Tests

PAIRS = 4
"""Pairs of controls: a candidate that guessed which runs are controls would have to guess right this often, twice."""
Start = Callable[[int], "Future[Check]"]
"""Starts the run of that number."""


def runs_of(tests: Tests) -> list[Tests]:
    """The tests as they are, controls, and last the control that says by a visible call that it is one. Raises
    SyntaxError where the tests are no Python."""
    plain = replace(tests, changed=frozenset())
    controls = [replace(tests, changed=chosen) for chosen in _halves(plain.changeable())]
    return [plain, *controls, replace(tests, control=True)]


def check_beside(runs: Sequence[Tests], start: Start) -> Future[Check]:
    """The verdict over all runs."""
    order = list(range(len(runs)))
    random.Random(secrets.randbits(64)).shuffle(order)
    return _Runs(runs, order, start).verdict


class _Runs:
    """One run after another, so that none finds another at work; no more of them once the verdict is certain."""

    def __init__(self, runs: Sequence[Tests], order: list[int], start: Start) -> None:
        self.runs, self.left, self.start = runs, order, start
        self.checks: dict[int, Check] = {}
        self.verdict: Future[Check] = Future()
        self.verdict.set_running_or_notify_cancel()
        self._next()

    def _next(self) -> None:
        number = self.left.pop()
        self.start(number).add_done_callback(lambda future: self._done(number, future))

    def _done(self, number: int, future: Future[Check]) -> None:
        try:
            self.checks[number] = future.result()
            plain, last = self.checks.get(0), len(self.runs) - 1
            if any(number != last and _ran_out(check) for number, check in self.checks.items()):
                self.left = [] if plain else [0]  # what it says of the tests as they are is all that is missing
            if self.left and (plain is None or plain.ok):
                self._next()
            else:
                self.verdict.set_result(_verdict(self.runs, self.checks))
        except BaseException as error:
            self.verdict.set_exception(error)


def _halves(cases: Sequence[str]) -> list[frozenset[str]]:
    """Random halves, and what each leaves over."""
    halves = []
    for _ in range(PAIRS):
        half = frozenset(case for case in cases if secrets.randbits(1))
        halves += [half, frozenset(cases) - half]
    return halves if cases else []


def _ran_out(check: Check) -> bool:
    """Whether a run broke off at a limit of time."""
    return check.stop == "TooLong" or check.why in ("wall", "cpu", "starved")


def _verdict(runs: Sequence[Tests], checks: Mapping[int, Check]) -> Check:
    """checks: by the number of the run; all of them where the tests as they are pass and no control ran out of time."""
    found = checks[0]
    if not found.ok:
        return found
    if any(check.why == "starved" for check in checks.values()):
        return replace(found, passed=0, stop="Starved", why="starved", error="a control run had no time to run in")
    for number, run in list(enumerate(runs))[1:-1]:
        check = checks.get(number)
        if check is None:
            continue
        failed = {name.rpartition("::")[2].partition("[")[0] for name in check.failed}
        if run.changed - failed:  # includes a control that broke off without a report of its cases
            return replace(found, passed=0, forged=True)
        if failed - run.changed:
            why = "a case that passed failed in another run of the same tests"
            return replace(found, passed=0, stop="unstable", error=why)
    if len(checks) < len(runs):
        why = "the tests passed and ran out of time in another run"
        return replace(found, passed=0, stop="unstable", error=why)
    weak = checks[len(runs) - 1]
    if weak.forged or weak.stop not in ("", "TooLong"):
        return replace(found, passed=0, forged=True)
    return found
