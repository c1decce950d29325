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
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dqdata.columns import Columns
from dqdata.errors import DeadlineExceeded, RowError
from dqdata.operator import CallOperator, Outcome, Row, Run, Schema
from dqdata.sandbox import Check, Limits, Result, Sandbox, Wired, wired
from dqdata.sandbox import Tests as SandboxTests
from dqdata_operators.verify._checker import BadChecker, ruled
from dqdata_operators.verify._code_params import VerifyCodeParams
from dqdata_operators.verify._code_verdicts import COLUMNS as COLUMNS
from dqdata_operators.verify._code_verdicts import judged
from dqdata_operators.verify._modules import missing_module
from dqdata_operators.verify._output import same_output
from dqdata_operators.verify._reading import READING_SECONDS, Work, columns_read, read_row
from dqdata_operators.verify._tests import Io

SHORT = 16_000
"""Characters of output that are compared at once; more are compared in a worker."""
WAITING = 4
"""A program may wait on the machine this many times as long as it may compute."""


class VerifyCode(CallOperator[VerifyCodeParams]):
    """Runs the program in a response against its tests, in the sandbox."""

    name = "verify_code"
    Params = VerifyCodeParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require(self.params.response, "VARCHAR").require(self.params.tests)
        for name in (self.params.entry_points, self.params.checker):
            if name in have:
                have.require(name, "VARCHAR")
        return have.add(**COLUMNS)

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        return [{**row, **await self._judged(row, run.sandbox)}]

    async def _judged(self, row: Row, sandbox: Sandbox) -> dict[str, Any]:
        try:
            work = await sandbox.aside(read_row, self.params, columns_read(self.params, row), deadline=READING_SECONDS)
        except DeadlineExceeded:
            why = f"reading the answer and its tests took more than {READING_SECONDS:g} s"
            return judged("unverifiable", "timeout", error=why)
        if isinstance(work, dict):
            return work
        try:
            made = await self._run(work, sandbox)
        except BadChecker as error:
            made = judged("unverifiable", "checker_failed", error=str(error))
        return {**made, "salvaged": work.salvaged}

    async def _run(self, work: Work, sandbox: Sandbox) -> dict[str, Any]:
        if work.tests is None:
            return await self._run_all(work.program, work.runs, work.script, sandbox)
        return await self._check(work, work.tests, sandbox)

    async def _run_all(self, program: str, runs: tuple[Io, ...], script: str, sandbox: Sandbox) -> dict[str, Any]:
        """One process a case. After a case that used up its time the rest isn't tried: it would take as long."""
        limits = self._limits(self.params.seconds)
        passed, failure, reason, starved = 0, "", "", ""
        for start in range(0, len(runs), sandbox.workers):
            some = runs[start : start + sandbox.workers]
            results = await asyncio.gather(*(sandbox.run(program, stdin=io.stdin, limits=limits) for io in some))
            for number, (io, result) in enumerate(zip(some, results, strict=True), start):
                if result.why == "starved":
                    starved = starved or _run_failure(number, io, result)
                    continue
                right, said = result.ok and await self._same(result.stdout, io.stdout, sandbox), ""
                if result.ok and not right and script:
                    right, said = await ruled(script, io.stdin, io.stdout, result.stdout, sandbox, limits)
                passed += right
                if not right and not reason:
                    reason, failure = _reason(result.why), said or _run_failure(number, io, result)
            if reason == "timeout":
                break
            if starved:
                break
        if starved and not reason:
            return judged("unverifiable", "starved", passed, len(runs), starved, "outside")
        return judged("incorrect" if reason else "correct", reason or "passed", passed, len(runs), failure, "outside")

    async def _same(self, found: str, expected: str, sandbox: Sandbox) -> bool:
        if len(found) + len(expected) <= SHORT:
            return same_output(found, expected, self.params.tolerance)
        return await sandbox.aside(same_output, found, expected, self.params.tolerance, deadline=READING_SECONDS)

    async def _check(self, work: Work, tests: SandboxTests, sandbox: Sandbox) -> dict[str, Any]:
        limits = self._limits(self.params.total_seconds)
        needed = work.state.needed
        if not needed:
            check = await sandbox.check_wired(work.program, work.wires, limits=limits)
            if check.stop == "pytest":
                raise RowError("no_pytest", "the tests are a pytest file; `pip install 'dqdata[code]'`")
            if check.stop == "inside":
                needed = check.error
            elif name := await self._missing(check.error, tests, sandbox):
                return judged("unverifiable", "missing_module", error=f"the tests need the module {name!r}")
            elif check.ok or check.stop or not work.state.possible:
                return _of_check(check, "outside")
            else:
                needed = work.state.possible
        if not self.params.inside:
            return judged("unverifiable", "needs_inside", error=f"the tests use {needed}")
        wires = work.wires
        if not work.state.needed:
            wires = tuple(await sandbox.aside(wired, replace(tests, inside=True), deadline=READING_SECONDS))
        return await self._check_inside(work.program, tests, wires, limits, sandbox)

    async def _missing(self, error: str, tests: SandboxTests, sandbox: Sandbox) -> str:
        """The module that a check ended for the want of, or nothing."""
        if "No module named" not in error:
            return ""
        return await sandbox.aside(missing_module, error, tests.code + tests.prompt, deadline=READING_SECONDS)

    async def _check_inside(
        self, program: str, tests: SandboxTests, wires: tuple[Wired, ...], limits: Limits, sandbox: Sandbox
    ) -> dict[str, Any]:
        check = await sandbox.check_wired(program, wires, limits=limits)
        if name := await self._missing(check.error, tests, sandbox):
            return judged("unverifiable", "missing_module", error=f"the tests need the module {name!r}")
        if check.stop == "unstable":
            return judged("unverifiable", "unstable", total=check.total, error=check.error, checked="inside")
        if check.forged and check.why != "starved":
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


def _of_check(check: Check, checked: str) -> dict[str, Any]:
    if check.why == "starved" and not check.ok:
        return judged("unverifiable", "starved", check.passed, check.total, check.error, checked)
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
