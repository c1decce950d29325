"""What `verify_code` reads of a row before anything runs: answer, tests, checker. A worker does it, within a deadline.

>>> work = read_row(VerifyCodeParams(), {"response": "def f(n): return n", "tests": "assert f(1) == 1"})
>>> work.program, work.state.needed
('def f(n): return n\\n', '')
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dqdata.operator import Row
from dqdata.sandbox import State, Wired, process_state, tested_names, wired
from dqdata.sandbox import Tests as SandboxTests
from dqdata_operators.verify._blocks import with_definitions
from dqdata_operators.verify._checker import BadChecker, checker_function, checker_program
from dqdata_operators.verify._code_params import VerifyCodeParams
from dqdata_operators.verify._code_verdicts import judged
from dqdata_operators.verify._modules import module_of
from dqdata_operators.verify._program import program_in
from dqdata_operators.verify._rows import BESIDE, CODE_PROMPTS, tests_of
from dqdata_operators.verify._tests import CodeTests, Io, UnreadableTests

NO_STATE = State("", "")
READING_SECONDS = 10.0
"""CPU seconds of reading one row."""
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


@dataclass(frozen=True)
class Work:
    """What is to be run. runs, script: of the whole program, and the checker of its output. tests: else, with what they
    take (`state`) and, where that is clear already, what is sent of them."""

    program: str
    salvaged: bool
    runs: tuple[Io, ...] = ()
    script: str = ""
    tests: SandboxTests | None = None
    state: State = NO_STATE
    wires: tuple[Wired, ...] = ()


def read_row(params: VerifyCodeParams, row: Row) -> Work | dict[str, Any]:
    """What is to be run, or the columns of a verdict where nothing is."""
    entry_point = row.get(params.entry_points) or params.entry_point
    try:
        tests = tests_of(row, params.tests, entry_point, params.prompt)
    except UnreadableTests as error:
        return judged("unverifiable", "tests_unreadable", error=str(error))
    if tests is None:
        return judged("unverifiable", "no_tests")
    program = program_in(row[params.response] or "", _names(tests, params.module), tests.prompt)
    total = len(tests.runs) or None
    if program is None:
        return judged("incorrect", "no_code", total=total)
    if program.salvaged and not params.salvage:
        return {**judged("incorrect", "broken", total=total), "salvaged": True}
    try:
        return _work(params, program.code, program.salvaged, tests, row.get(params.checker) or "")
    except BadChecker as error:
        return {**judged("unverifiable", "checker_failed", error=str(error)), "salvaged": program.salvaged}
    except (SyntaxError, RecursionError, MemoryError) as error:
        why = str(error) if isinstance(error, SyntaxError) else "the tests nest too deep to be read"
        return {**judged("unverifiable", "tests_unreadable", error=why), "salvaged": program.salvaged}


def _names(tests: CodeTests, module: str) -> tuple[str, ...]:
    """What the tests take from the program."""
    if tests.check is None:
        return ()
    if not tests.check.code:
        return (tests.entry_point,)
    return tested_names(tests.check.code, module, tests.entry_point)


def _work(params: VerifyCodeParams, program: str, salvaged: bool, tests: CodeTests, checker: str) -> Work:
    check = tests.check
    if check is None:
        return Work(program, salvaged, tests.runs, checker_program(checker) if checker else "")
    if checker:
        if check.style != "calls":
            raise BadChecker("a checker needs cases of input and output, and the tests are Python")
        check = replace(check, checker=checker_function(checker))
    code = _with_prelude(params.prelude, program, check)
    module = module_of(check.code, params.module, code)
    made = replace(check, module=module, seconds=params.seconds, tolerance=params.tolerance)
    state = process_state(made.code)
    if state.needed and not params.inside:
        return Work(code, salvaged, tests=made, state=state)
    first = replace(made, inside=bool(state.needed))
    return Work(code, salvaged, tests=made, state=state, wires=tuple(wired(first)))


def _with_prelude(prelude: str, program: str, check: SandboxTests) -> str:
    wanted = prelude == "always" or (
        prelude == "auto" and (re.search(r"\bSolution\b", check.code) or check.style == "calls")
    )
    program = with_definitions(program, check.code)
    return PRELUDE + program if wanted and "__future__" not in program else program


def columns_read(params: VerifyCodeParams, row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a row that reading looks at."""
    wanted = {params.response, params.tests, params.entry_points, params.prompt, params.checker, *BESIDE, *CODE_PROMPTS}
    return {name: row[name] for name in wanted if name in row}
