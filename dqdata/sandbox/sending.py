"""What a check sends to its processes, made of test texts: the one step of a check that reads what nobody trusts.

    >>> [run] = wired(Tests("assert half(10) == 5.0"))
    >>> run.simple
    True

It is a function of a module's own, so that `Sandbox.aside` can run it where it may take long, or die.
"""

from __future__ import annotations

from typing import NamedTuple

from dqdata.sandbox.beside import runs_of
from dqdata.sandbox.limits import Tests


class Wired(NamedTuple):
    """One run of a check. simple: a process may run it that ran others. sent: the tests as they are sent."""

    tests: Tests
    simple: bool
    sent: bytes


def wired(tests: Tests) -> list[Wired]:
    """The runs of a check: one, or several beside the candidate. Raises SyntaxError where the tests are no Python."""
    try:
        return [Wired(run, *run.wire()) for run in (runs_of(tests) if tests.inside else [tests])]
    except (RecursionError, MemoryError):
        raise SyntaxError("the tests nest too deep to be read") from None
