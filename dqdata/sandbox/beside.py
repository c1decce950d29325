"""Runs tests in the candidate's own process and decides whether their result can be believed.

The candidate can read and change all that is in its process, tests and report included. So the tests run several
times, each in a process of its own, in random order: as they are, and with other expected values in half of the cases
(`lookalike.py`), and in the other half. Nothing that is sent says which run is which. A candidate is right if the tests
as they are pass, and in each control the cases whose value was changed fail and the others pass. One that can't tell
right values from wrong ones guesses that with a probability of 2 to the power of -9 or less.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from dqdata.sandbox.limits import Check, Tests

PAIRS = 4
"""Pairs of controls: a candidate that guessed which runs are controls would have to guess right this often, twice."""
Start = Callable[[Tests], "Future[Check]"]


def check_beside(tests: Tests, start: Start) -> Future[Check]:
    """The verdict over all runs. Raises SyntaxError where the tests are no Python."""
    plain = replace(tests, changed=frozenset())
    cases = plain.changeable()
    controls = [replace(tests, changed=chosen) for chosen in _halves(cases)]
    weak = replace(tests, control=True)
    runs: list[Tests] = [plain, *controls, weak]
    order = list(range(len(runs)))
    random.Random(secrets.randbits(64)).shuffle(order)
    futures: dict[int, Future[Check]] = {}
    for number in order:
        futures[number] = start(runs[number])
    return _joined([futures[number] for number in range(len(runs))], lambda checks: _verdict(runs, checks))


def _halves(cases: Sequence[str]) -> list[frozenset[str]]:
    """Random halves, and what each leaves over."""
    halves = []
    for _ in range(PAIRS):
        half = frozenset(case for case in cases if secrets.randbits(1))
        halves += [half, frozenset(cases) - half]
    return halves if cases else []


def _verdict(runs: Sequence[Tests], checks: Sequence[Check]) -> Check:
    found, weak = checks[0], checks[-1]
    if not found.ok:
        return found
    for run, check in zip(runs[1:-1], checks[1:-1], strict=True):
        failed = {name.rpartition("::")[2].partition("[")[0] for name in check.failed}
        if run.changed - failed:  # includes a control that broke off without a report of its cases
            return replace(found, passed=0, forged=True)
        if failed - run.changed:
            why = "a case that passed failed in another run of the same tests"
            return replace(found, passed=0, stop="unstable", error=why)
    if weak.forged or weak.stop:
        return replace(found, passed=0, forged=True)
    return found


def _joined(futures: Sequence[Future[Any]], join: Callable[[list[Any]], Any]) -> Future[Any]:
    """A future of what `join` makes of all results, or of the first error."""
    made: Future[Any] = Future()
    made.set_running_or_notify_cancel()
    left = len(futures)
    lock = threading.Lock()

    def one_done(_: Future[Any]) -> None:
        nonlocal left
        with lock:
            left -= 1
            if left:
                return
        try:
            made.set_result(join([future.result() for future in futures]))
        except BaseException as error:
            made.set_exception(error)

    for future in futures:
        future.add_done_callback(one_done)
    return made
