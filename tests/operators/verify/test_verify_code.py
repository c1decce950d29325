"""Right programs pass, wrong ones fail, in every form of tests, and the verdict says why."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dqdata_operators.verify.verify_code import COLUMNS, VerifyCode

from dqdata.columns import Columns
from dqdata.errors import ColumnError
from dqdata.operator import Schema
from dqdata.sandbox import Check, Result, Sandbox


@dataclass
class Run:
    """What `verify_code` uses of a run: the real sandbox."""

    sandbox: Sandbox


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with Sandbox(workers=2) as sandbox:
        yield Run(sandbox)


def verdict(run: Run, response: str | None, tests: Any, **params: Any) -> dict[str, Any]:
    operator = VerifyCode(VerifyCode.Params(**params))
    text = tests if isinstance(tests, str) or tests is None else json.dumps(tests)
    given = {"problem_id": "p", "response": response, "tests": text}
    [row] = asyncio.run(operator.process(given, run))  # type: ignore[arg-type]
    assert isinstance(row, dict)
    assert row["problem_id"] == "p"
    return row


ADD = "```python\ndef add(a, b):\n    return a + b\n```"
SUM = "```python\nprint(sum(int(x) for x in open(0).read().split()))\n```"
CLASS = (
    "```python\nclass Solution:\n    def add(self, a: int, b: Optional[int]) -> List[int]:\n        return a + b\n```"
)
BOX = (
    "```python\nclass Box:\n    def __init__(self, n):\n        self.n = n\n"
    "    def grow(self):\n        self.n += 1\n        return self\n```"
)
PYTEST = (
    "from solution import add\n\ndef test_one():\n    assert add(2, 3) == 5\n\n"
    "def test_two():\n    assert add(1, 1) == 2"
)
UNITTEST = (
    "import unittest\nfrom solution import *\nclass T(unittest.TestCase):\n"
    "    def test_add(self):\n        self.assertEqual(add(2, 3), 5)"
)
FORMS = {
    "asserts": (ADD, "assert add(2, 3) == 5\nassert add(-1, 1) == 0", 2),
    "list": (ADD, ["assert add(2, 3) == 5"], 1),
    "check": (ADD, {"test": "def check(candidate):\n    assert candidate(2, 3) == 5\n", "entry_point": "add"}, 1),
    "calls": (ADD, {"fn_name": "add", "inputs": [[2, 3], [0, 0]], "outputs": [5, 0]}, 2),
    "leetcode": (CLASS, "def check(candidate):\n    assert candidate(a=2, b=3) == 5\n\ncheck(Solution().add)", 1),
    "method_calls": (CLASS, {"fn_name": "add", "inputs": [[2, 3]], "outputs": [5]}, 1),
    "pytest": (ADD, PYTEST, 2),
    "unittest": (ADD, UNITTEST, 1),
    "stdio": (SUM, [{"input": "2 3\n", "output": "5\n"}, {"input": "1\n1\n", "output": "2"}], 2),
    "objects": (BOX, "b = Box(2)\nb.n = 5\nassert b.grow().n == 6\nassert b.grow() == b\nassert b.n > 6", 3),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_right_programs_pass(form: str, run: Run) -> None:
    response, tests, total = FORMS[form]
    row = verdict(run, response, tests)
    assert row["error"] is None
    assert (row["verdict"], row["verdict_reason"], row["correct"]) == ("correct", "passed", True)
    assert (row["tests_passed"], row["tests_total"], row["checked"]) == (total, total, "outside")


@pytest.mark.parametrize("form", FORMS)
def test_wrong_programs_fail(form: str, run: Run) -> None:
    response, tests, total = FORMS[form]
    wrong = response.replace("a + b", "a + b + 1").replace("print(sum", "print(1 + sum").replace("+= 1", "-= 9")
    row = verdict(run, wrong, tests)
    assert (row["verdict"], row["correct"]) == ("incorrect", False)
    assert row["tests_passed"] < row["tests_total"] == total
    assert row["error"]


REASONS = {
    "no_code": ("I don't know.", "assert add(2, 3) == 5", "incorrect"),
    "failed": ("```python\ndef add(a, b): return 5\n```", "assert add(2, 3) == 5\nassert add(1, 1) == 2", "incorrect"),
    "timeout": ("```python\ndef add(a, b):\n    while True: pass\n```", "assert add(2, 3) == 5", "incorrect"),
    "memory": ("```python\ndef add(a, b):\n    x = [0]\n    while True: x += x\n```", "assert add(2, 3)", "incorrect"),
    "output": ("```python\nwhile True: print('x' * 9999)\n```", [{"input": "", "output": ""}], "incorrect"),
    "no_tests": (ADD, None, "unverifiable"),
    "tests_unreadable": (ADD, "nothing to see", "unverifiable"),
}  # fmt: skip


@pytest.mark.parametrize("reason", REASONS)
def test_the_reason_is_told(reason: str, run: Run) -> None:
    response, tests, expected = REASONS[reason]
    row = verdict(run, response, tests, seconds=1.0, output_kb=64)
    assert (row["verdict_reason"], row["verdict"]) == (reason, expected)
    assert row["correct"] is (None if expected == "unverifiable" else False)


def test_each_failing_run_is_counted_and_a_hanging_one_ends_the_rest(run: Run) -> None:
    program = "```python\nn = int(input())\nwhile n > 2: pass\nprint(n)\n```"
    cases = [{"input": str(n), "output": str(n)} for n in (1, 2, 3, 4, 5, 6, 7, 8)]
    row = verdict(run, program, cases, seconds=0.5)
    assert (row["tests_passed"], row["tests_total"], row["verdict_reason"]) == (2, 8, "timeout")


@pytest.mark.parametrize(
    ("printed", "expected", "same"),
    [
        ("1 2 3", "1 2 3\n\n", True),
        ("1  2\t3", "1 2 3", True),
        ("3.0000001", "3.0", True),
        ("0.333333333", "0.3333333333333333", True),
        ("3.1", "3.2", False),
        ("1000000", "1000001", False),
        ("12345678901234567890", "12345678901234567891", False),
        ("YES", "NO", False),
        ("1 2", "1 2 3", False),
        ("", "1", False),
        ("nan", "1.0", False),
    ],
)
def test_output_is_compared_with_tolerance(printed: str, expected: str, same: bool, run: Run) -> None:
    row = verdict(run, f"```python\nprint({printed!r})\n```", [{"input": "", "output": expected}])
    assert row["correct"] is same


class TestInside:
    """A test that hands its own objects to the program can only run beside it."""

    TESTS = (
        "class Pair:\n    def __init__(self, a):\n        self.a = a\n\n"
        "assert first(Pair(3)) == 3\nassert first(Pair(4)) == 4"
    )
    RIGHT = "```python\ndef first(pair):\n    return pair.a\n```"

    def test_it_says_so(self, run: Run) -> None:
        row = verdict(run, self.RIGHT, self.TESTS)
        assert (row["verdict"], row["checked"], row["tests_passed"]) == ("correct", "inside", 2)

    def test_functions_as_arguments(self, run: Run) -> None:
        row = verdict(run, "```python\ndef twice(f, x): return f(f(x))\n```", "assert twice(lambda x: x + 1, 3) == 5")
        assert (row["verdict"], row["checked"]) == ("correct", "inside")

    def test_a_wrong_program_fails(self, run: Run) -> None:
        row = verdict(run, self.RIGHT.replace("pair.a", "pair.a + 1"), self.TESTS)
        assert (row["verdict"], row["checked"]) == ("incorrect", "inside")

    def test_an_object_that_equals_everything_is_found_out(self, run: Run) -> None:
        program = "class X:\n    def __eq__(self, other): return True\ndef first(pair): return X()"
        row = verdict(run, f"```python\n{program}\n```", self.TESTS)
        assert (row["verdict"], row["verdict_reason"]) == ("incorrect", "forged")

    def test_it_can_be_forbidden(self, run: Run) -> None:
        row = verdict(run, self.RIGHT, self.TESTS, inside=False)
        assert (row["verdict"], row["verdict_reason"], row["correct"]) == ("unverifiable", "needs_inside", None)


def test_columns_are_planned_as_made(run: Run) -> None:
    have = Columns({"problem_id": "VARCHAR", "response": "VARCHAR", "tests": "VARCHAR"})
    made = VerifyCode(VerifyCode.Params()).columns(have, Schema())
    assert {name: made[name] for name in COLUMNS} == COLUMNS
    assert set(verdict(run, ADD, "assert add(2, 3) == 5")) == set(made)
    with pytest.raises(ColumnError, match="tests"):
        VerifyCode(VerifyCode.Params()).columns(have.drop("tests"), Schema())


def wrong_everywhere(code: str) -> str:
    """The program with every returned value made another of its kind."""
    helper = (
        "\ndef _wrong(x):\n"
        "    if isinstance(x, bool): return not x\n"
        "    if isinstance(x, (int, float, complex)): return x * 3 + 17\n"
        "    if isinstance(x, str): return x + '!'\n"
        "    if isinstance(x, (list, tuple)): return x + type(x)(['!'])\n"
        "    if isinstance(x, (set, frozenset)): return x | {'!'}\n"
        "    if isinstance(x, dict): return {**x, '!': 1}\n"
        "    return '!'\n"
    )

    class Wrong(ast.NodeTransformer):
        def visit_Return(self, node: ast.Return) -> ast.Return:
            call = ast.Call(ast.Name("_wrong", ast.Load()), [node.value or ast.Constant(None)], [])
            return ast.copy_location(ast.Return(call), node)

    return ast.unparse(ast.fix_missing_locations(Wrong().visit(ast.parse(code)))) + helper


def problems(folder: Path, name: str) -> list[tuple[str, str, str]]:
    """Name, reference program and tests of each problem of a set."""
    rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    if name == "humaneval":
        return [(row["task_id"], row["prompt"] + row["canonical_solution"], json.dumps(row)) for row in rows]
    if name == "mbpp":
        return [(f"MBPP/{row['task_id']}", row["code"], json.dumps(row)) for row in rows]
    return [(row["id"], row["solution"], row["test"]) for row in rows]


async def judge_all(run: Run, pairs: list[tuple[str, str]], **params: Any) -> list[dict[str, Any]]:
    operator = VerifyCode(VerifyCode.Params(**params))
    rows = [{"response": f"```python\n{code}\n```", "tests": tests} for code, tests in pairs]
    outcomes = await asyncio.gather(*(operator.process(row, run) for row in rows))  # type: ignore[arg-type]
    return [outcome for [outcome] in outcomes]  # type: ignore[misc]


def check_references(run: Run, found: list[tuple[str, str, str]]) -> None:
    right = asyncio.run(judge_all(run, [(code, tests) for _, code, tests in found], seconds=60))  # for busy machines
    failed = {name: row["error"] for (name, _, _), row in zip(found, right, strict=True) if row["correct"] is not True}
    assert failed == {}
    assert {row["checked"] for row in right} == {"outside"}
    wrong = asyncio.run(judge_all(run, [(wrong_everywhere(code), tests) for _, code, tests in found]))
    passed = [name for (name, _, _), row in zip(found, wrong, strict=True) if row["correct"] is not False]
    assert set(passed) <= EQUIVALENT


EQUIVALENT = {"MBPP/6"}
"""Its helper and itself return booleans, and what is negated twice is as it was."""

SETS = ["humaneval", "mbpp", "leetcode_functional"]


@pytest.mark.parametrize("name", SETS)
def test_a_sample_of_reference_solutions_passes_and_of_mutants_fails(name: str, run: Run, shared_data: Path) -> None:
    found = problems(shared_data, name)
    check_references(run, found[:: max(1, len(found) // 25)])


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_all_reference_solutions_pass_and_all_mutants_fail(name: str, run: Run, shared_data: Path) -> None:
    check_references(run, problems(shared_data, name))


@pytest.mark.parametrize(
    ("tests", "passed"),
    [
        ("assert f() == 7", 0),
        ('{"entry_point": "f", "cases": [{"args": [], "expected": 7}]}', 0),
        ('[{"input": "1", "output": "7"}, {"input": "2", "output": "7"}]', 0),
    ],
)
def test_a_program_that_the_machine_does_not_run_is_unverifiable(
    tests: str, passed: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its verdict with a sandbox that says so; tests/dqdata/sandbox/test_starved.py shows when the real one does."""

    async def run_starved(program: str, **_: Any) -> Result:
        return Result("starved", -9, False, "", "", 8.0, 0.1)

    async def check_starved(candidate: str, runs: Any, **_: Any) -> Check:
        return Check(0, 1, "Starved", "no time to run", "starved", 8.0, 0.1, "")

    monkeypatch.setattr(run.sandbox, "run", run_starved)
    monkeypatch.setattr(run.sandbox, "check_wired", check_starved)
    row = verdict(run, "```python\ndef f():\n    return 7\nprint(f())\n```", tests)
    assert (row["verdict"], row["verdict_reason"], row["correct"]) == ("unverifiable", "starved", None)
    assert row["tests_passed"] == passed


def test_one_wrong_output_decides_whatever_else_had_no_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def some(program: str, *, stdin: str, **_: Any) -> Result:
        if stdin == "1":
            return Result("starved", -9, False, "", "", 8.0, 0.1)
        return Result("exit", 0, True, "8\n", "", 0.1, 0.1)

    monkeypatch.setattr(run.sandbox, "run", some)
    tests = '[{"input": "1", "output": "7"}, {"input": "2", "output": "7"}]'
    row = verdict(run, "```python\nprint(input())\n```", tests)
    assert (row["verdict"], row["verdict_reason"]) == ("incorrect", "failed")
