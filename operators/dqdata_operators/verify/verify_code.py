"""verify_code: does the program in a response pass its tests?

    tests                       response                              tests_passed  verdict    verdict_reason  checked
    assert add(2, 3) == 5       ```python                             1 of 1        correct    passed          outside
                                def add(a, b): return a + b ```
    assert add(2, 3) == 5       def add(a, b): return 5               1 of 1        correct    passed          outside
    assert add(2, 3) == 5       import os; os._exit(0)                0 of 1        incorrect  failed          outside
    [{"input": "2", "output":   while True: pass                      0 of 1        incorrect  timeout         outside
      "4"}]

`tests` holds Python or JSON: HumanEval, MBPP, LeetCode, APPS, LiveCodeBench and pytest forms, listed in
`code_tests.py`. Programs run in `run.sandbox`. What they print is compared here; what their functions return is
compared by a checker, in a process of its own that sees plain data of exact types and nothing else. Only where a test
hands its own objects to the candidate does it run beside it, `checked = "inside"`: then a second run in which every
expected value is wrong must fail, or the verdict is `forged`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from dqdata.columns import Columns
from dqdata.errors import RowError
from dqdata.operator import CallOperator, Outcome, Params, Row, Run
from dqdata.sandbox import Check, Limits, Result, Sandbox, process_state, tested_names
from dqdata.sandbox import Tests as SandboxTests
from dqdata_operators.verify._blocks import with_definitions
from dqdata_operators.verify._checker import BadChecker, checker_function, checker_program, ruled
from dqdata_operators.verify._modules import missing_module, module_of
from dqdata_operators.verify._output import same_output
from dqdata_operators.verify._program import program_in
from dqdata_operators.verify._rows import tests_of
from dqdata_operators.verify._tests import CodeTests, Io, UnreadableTests

COLUMNS = {
    "tests_passed": "BIGINT",
    "tests_total": "BIGINT",
    "verdict": "VARCHAR",
    "verdict_reason": "VARCHAR",
    "correct": "BOOLEAN",
    "error": "VARCHAR",
    "checked": "VARCHAR",
    "salvaged": "BOOLEAN",
}
PRELUDE = """from typing import *
from collections import *
from itertools import *
from functools import *
from heapq import *
from bisect import *
from math import *
from string import *
from builtins import pow
import bisect, collections, copy, functools, heapq, itertools, math, operator, random, re, string
"""
"""What LeetCode puts before a solution; its `pow` is the one that takes a modulus."""
WAITING = 4
"""A program may wait on the machine this many times as long as it may compute."""
LONGEST_ERROR = 2000


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


class VerifyCode(CallOperator[VerifyCodeParams]):
    """Runs the program in a response against its tests, in the sandbox."""

    name = "verify_code"
    Params = VerifyCodeParams

    def columns(self, have: Columns) -> Columns:
        have.require(self.params.response, "VARCHAR").require(self.params.tests)
        for name in (self.params.entry_points, self.params.checker):
            if name in have:
                have.require(name, "VARCHAR")
        return have.add(**COLUMNS)

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        return [{**row, **await self._judged(row, run.sandbox)}]

    async def _judged(self, row: Row, sandbox: Sandbox) -> dict[str, Any]:
        entry_point = row.get(self.params.entry_points) or self.params.entry_point
        try:
            tests = tests_of(row, self.params.tests, entry_point, self.params.prompt)
        except UnreadableTests as error:
            return judged("unverifiable", "tests_unreadable", error=str(error))
        if tests is None:
            return judged("unverifiable", "no_tests")
        names = self._names(tests)
        program = program_in(row[self.params.response] or "", names, tests.prompt)
        total = len(tests.runs) or None
        if program is None:
            return judged("incorrect", "no_code", total=total)
        if program.salvaged and not self.params.salvage:
            return {**judged("incorrect", "broken", total=total), "salvaged": True}
        try:
            made = await self._run(program.code, tests, row.get(self.params.checker) or "", sandbox)
        except BadChecker as error:
            made = judged("unverifiable", "checker_failed", error=str(error))
        return {**made, "salvaged": program.salvaged}

    def _names(self, tests: CodeTests) -> tuple[str, ...]:
        """What the tests take from the program."""
        if tests.check is None:
            return ()
        if not tests.check.code:
            return (tests.entry_point,)
        return tested_names(tests.check.code, self.params.module, tests.entry_point)

    async def _run(self, program: str, tests: CodeTests, checker: str, sandbox: Sandbox) -> dict[str, Any]:
        if tests.check is None:
            return await self._run_all(program, tests.runs, checker, sandbox)
        check = tests.check
        if checker:
            if check.style != "calls":
                raise BadChecker("a checker goes with cases of input and output, and the tests are Python")
            check = replace(check, checker=checker_function(checker))
        return await self._check(self._with_prelude(program, tests), check, sandbox)

    def _with_prelude(self, program: str, tests: CodeTests) -> str:
        assert tests.check is not None
        wanted = self.params.prelude == "always" or (
            self.params.prelude == "auto"
            and (re.search(r"\bSolution\b", tests.check.code) or tests.check.style == "calls")
        )
        program = with_definitions(program, tests.check.code)
        return PRELUDE + program if wanted and "__future__" not in program else program

    async def _run_all(self, program: str, runs: tuple[Io, ...], checker: str, sandbox: Sandbox) -> dict[str, Any]:
        """One process a case. After a case that used up its time the rest isn't tried: it would take as long."""
        limits = self._limits(self.params.seconds)
        script = checker_program(checker) if checker else ""
        passed, failure, reason = 0, "", ""
        for start in range(0, len(runs), sandbox.workers):
            some = runs[start : start + sandbox.workers]
            results = await asyncio.gather(*(sandbox.run(program, stdin=io.stdin, limits=limits) for io in some))
            for number, (io, result) in enumerate(zip(some, results, strict=True), start):
                right, said = result.ok and same_output(result.stdout, io.stdout, self.params.tolerance), ""
                if result.ok and not right and script:
                    right, said = await ruled(script, io.stdin, io.stdout, result.stdout, sandbox, limits)
                passed += right
                if not right and not reason:
                    reason, failure = _reason(result.why), said or _run_failure(number, io, result)
            if reason == "timeout":
                break
        return judged("incorrect" if reason else "correct", reason or "passed", passed, len(runs), failure, "outside")

    async def _check(self, program: str, tests: SandboxTests, sandbox: Sandbox) -> dict[str, Any]:
        module = module_of(tests.code, self.params.module, program)
        tests = replace(tests, module=module, seconds=self.params.seconds, tolerance=self.params.tolerance)
        limits = self._limits(self.params.total_seconds)
        state = process_state(tests.code)
        needed = state.needed
        if not needed:
            check = await sandbox.check(program, tests, limits=limits)
            if check.stop == "pytest":
                raise RowError("no_pytest", "the tests are a pytest file; `pip install 'dqdata[code]'`")
            if check.stop == "inside":
                needed = check.error
            elif name := missing_module(check.error, tests.code + tests.prompt):
                return judged("unverifiable", "missing_module", error=f"the tests need the module {name!r}")
            elif check.ok or check.stop or not state.possible:
                return _of_check(check, "outside")
            else:
                needed = state.possible
        if not self.params.inside:
            return judged("unverifiable", "needs_inside", error=f"the tests use {needed}")
        return await self._check_inside(program, replace(tests, inside=True), limits, sandbox)

    async def _check_inside(
        self, program: str, tests: SandboxTests, limits: Limits, sandbox: Sandbox
    ) -> dict[str, Any]:
        check = await sandbox.check(program, tests, limits=limits)
        if name := missing_module(check.error, tests.code + tests.prompt):
            return judged("unverifiable", "missing_module", error=f"the tests need the module {name!r}")
        if check.stop == "unstable":
            return judged("unverifiable", "unstable", total=check.total, error=check.error, checked="inside")
        if check.forged:
            return judged("incorrect", "forged", 0, check.total, "wrong expected values passed too", "inside")
        return _of_check(check, "inside")

    def _limits(self, seconds: float) -> Limits:
        return Limits(
            wall=WAITING * seconds,
            cpu=seconds,
            memory=self.params.memory_mb << 20,
            output=self.params.output_kb << 10,
            processes=self.params.processes,
        )


def judged(
    verdict: str, reason: str, passed: int = 0, total: int | None = None, error: str = "", checked: str | None = None
) -> dict[str, Any]:
    """The columns of a verdict. A verdict that took no test has null counts."""
    return {
        "tests_passed": passed if total is not None else None,
        "tests_total": total,
        "verdict": verdict,
        "verdict_reason": reason,
        "correct": None if verdict == "unverifiable" else verdict == "correct",
        "error": error[:LONGEST_ERROR] or None,
        "checked": checked,
        "salvaged": None,
    }


def _of_check(check: Check, checked: str) -> dict[str, Any]:
    if check.total == 0:
        return judged("unverifiable", "no_tests_ran", error=check.error, checked=checked)
    if check.ok:
        return judged("correct", "passed", check.passed, check.total, "", checked)
    return judged("incorrect", _reason(check.why), check.passed, check.total, check.error, checked)


def _reason(why: str) -> str:
    return {"wall": "timeout", "cpu": "timeout", "memory": "memory", "output": "output"}.get(why, "failed")


def _run_failure(number: int, io: Io, result: Result) -> str:
    if not result.ok:
        return f"test {number}: {result.why}, exit code {result.code}: {result.stderr[-1000:]}"
    return f"test {number}: expected {io.stdout[:300]!r}, got {result.stdout[:300]!r}"
