"""Parameters of `verify_code`.

>>> VerifyCodeParams().seconds
10.0
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dqdata.operator import Params


class VerifyCodeParams(Params):
    response: str = "response"
    """Column with the answer that holds the program."""
    tests: str = "tests"
    """Column with the tests: text, or any type that becomes JSON."""
    entry_point: str = ""
    """Function under test, for tests and rows that don't name it."""
    entry_points: str = "entry_point"
    """Column with the function under test; used where it exists."""
    prompt: str = "prompt"
    """Column with the beginning of the program, which a response may go on with; used where it exists and is Python."""
    checker: str = "checker"
    """Column with a program that says whether an output is right, for problems with several right ones; used where it
    exists."""
    salvage: bool = True
    """Judge what is left of a broken answer (its fence never closes, or lines of it are no Python); else such an answer
    is incorrect, for `broken`."""
    module: str = "solution"
    """Name by which a pytest file imports the program."""
    prelude: Literal["auto", "always", "never"] = "auto"
    """Put LeetCode's imports before the program; auto: where the tests use Solution."""
    seconds: float = Field(10.0, gt=0)
    """CPU seconds of one test: one run, or one call of a function."""
    total_seconds: float = Field(60.0, gt=0)
    """CPU seconds of all calls together."""
    memory_mb: int = Field(512, ge=64)
    """MiB of address space of a program; past it the verdict is incorrect, for `memory`."""
    output_kb: int = Field(1024, ge=1)
    """KiB that a program may write to stdout and stderr together; past it the verdict is incorrect, for `output`."""
    processes: int = Field(0, ge=0)
    """Processes that a program may start; threads are always allowed."""
    tolerance: float = Field(1e-6, ge=0)
    """Distance, relative or absolute, at which decimals still match."""
    inside: bool = True
    """Run tests that need it beside the program; else such rows are unverifiable."""
