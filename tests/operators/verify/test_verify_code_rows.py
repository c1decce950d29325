"""Rows in the layouts of published sets are judged as they are."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dqdata_operators.verify.verify_code import VerifyCode

from dqdata.columns import Columns
from dqdata.operator import Schema
from dqdata.sandbox import Sandbox


@dataclass
class Run:
    sandbox: Sandbox


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with Sandbox(workers=2) as sandbox:
        yield Run(sandbox)


def judged(run: Run, row: dict[str, Any], **params: Any) -> dict[str, Any]:
    operator = VerifyCode(VerifyCode.Params(**params))
    [made] = asyncio.run(operator.process(row, run))  # type: ignore[arg-type]
    assert isinstance(made, dict)
    return made


def packed(cases: list[dict[str, str]]) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()


HUMANEVAL = {
    "prompt": (
        "from typing import List\n\n\ndef shift(x: int) -> int:\n    return x + 1\n\n\n"
        'def total(xs: List[int]) -> int:\n    """ Sum.\n    """\n'
    ),
    "entry_point": "total",
    "test": "METADATA = {}\n\n\ndef check(candidate):\n    assert candidate([1, 2]) == shift(2)\n",
}
FUNCTIONAL = [{"input": "3\n[1, 2]", "output": "6", "testtype": "functional"}]
STDIN = [{"input": "2 3\n", "output": "5\n", "testtype": "stdin"}]
BIGCODEBENCH = (
    "import unittest\nfrom unittest.mock import patch\nclass TestCases(unittest.TestCase):\n"
    "    def test_case_1(self):\n        with patch('builtins.print') as shown:\n"
    "            self.assertEqual(task_func([3, 1]), [1, 3])\n        shown.assert_called_once_with(2)\n"
)
KODCODE = (
    "from solution import total\n\ndef test_one():\n    assert total([1, 2]) == 3\n\n"
    "def test_two():\n    assert total([]) == 0\n"
)
NONE = {"response": "x"}
# name: row, parameters, right response, wrong response
LAYOUTS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "humaneval": (HUMANEVAL, {"tests": "test"}, "    return sum(xs)\n", "    return len(xs)\n"),
    "humaneval, whole function": (
        HUMANEVAL,
        {"tests": "test"},
        "```python\ndef total(xs: List[int]) -> int:\n    return shift(sum(xs)) - 1\n```",
        "```python\ndef total(xs: List[int]) -> int:\n    return shift(sum(xs))\n```",
    ),
    "mbpp": (
        {
            "test_list": ["assert total([1, 2]) == START + 3"],
            "test_setup_code": "START = 0",
            "challenge_test_list": ["assert total([]) == 0"],
            "prompt": "Write a function to sum numbers.",
        },
        {"tests": "test_list"},
        "def total(xs):\r\n    return sum(xs)\r\n",
        "def total(xs):\n    return sum(xs) or 1\n",
    ),
    "livecodebench, functional": (
        {"private_test_cases": packed(FUNCTIONAL), "metadata": '{"func_name": "total"}', "public_test_cases": "[]"},
        {"tests": "private_test_cases"},
        "```python\nclass Solution:\n    def total(self, a: int, b: List[int]) -> int:\n        return a + sum(b)\n```",
        "```python\nclass Solution:\n    def total(self, a: int, b: List[int]) -> int:\n        return a\n```",
    ),
    "livecodebench, stdin": (
        {"private_test_cases": packed(STDIN), "metadata": "{}", "public_test_cases": json.dumps(STDIN)},
        {"tests": "private_test_cases"},
        "```python\nprint(sum(map(int, input().split())))\n```",
        "```python\nprint(5 if input() == '2 3' else 0, 1)\n```",
    ),
    "bigcodebench": (
        {"test": BIGCODEBENCH, "entry_point": "task_func", "code_prompt": "import math\ndef task_func(xs):\n"},
        {"tests": "test"},
        "    print(math.floor(2.5))\n    return sorted(xs)\n",
        "    print(3)\n    return sorted(xs)\n",
    ),
    "kodcode": (
        {"test": KODCODE},
        {"tests": "test"},
        "```python\ndef total(xs):\n    return sum(xs)\n```",
        "```python\ndef total(xs):\n    return sum(xs) + 1\n```",
    ),
    "another name of the module": (
        {"tests": KODCODE.replace("solution", "my_code_xyz")},
        {},
        "```python\ndef total(xs):\n    return sum(xs)\n```",
        "```python\ndef total(xs):\n    return sum(xs) + 1\n```",
    ),
    "apps": (
        {"input_output": json.dumps({"inputs": ["1\n"], "outputs": ["2\n"]})},
        {"tests": "input_output"},
        "print(int(input()) + 1)",
        "print(int(input()) + 2)",
    ),
    "a list of cases": (
        {"tests": [{"input": "1\n", "output": "2\n"}]},
        {},
        "print(int(input()) + 1)",
        "print(int(input()) + 2)",
    ),
    "integers of 5,000 digits": (
        {"tests": f"assert f() == {'7' * 5000}"},
        {},
        f"def f(): return {'7' * 5000}",
        f"def f(): return {'7' * 4999}8",
    ),
    "integers of 5,000 digits, printed": (
        {"tests": json.dumps({"inputs": ["5000"], "outputs": ["1" * 5000]})},
        {},
        "print(int('1' * int(input())))",
        "print(int('1' * int(input())) + 1)",
    ),
    "integers of 5,000 digits in JSON": (
        {"tests": '{"fn_name": "f", "inputs": [[1]], "outputs": [' + "7" * 5000 + "]}"},
        {},
        f"def f(n): return {'7' * 5000}",
        f"def f(n): return {'7' * 4999}8",
    ),
    "decimals in asserts": (
        {"tests": "assert f(2) == [0.666666666667, {'a': 1.5}]"},
        {},
        "def f(x): return [x / 3, {'a': 1.5}]",
        "def f(x): return [x / 3 + 1e-3, {'a': 1.5}]",
    ),
    "classes of the tests": (
        {"tests": (
            "class Node:\n    def __init__(self, v, n=None): self.v, self.n = v, n\n"
            "assert size(Node(1, Node(2))) == 2"
        )},
        {},
        "def size(n: Node) -> int:\n    return 1 + size(n.n) if n else 0",
        "def size(n: Node) -> int:\n    return 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_right_and_wrong(name: str, run: Run) -> None:
    row, params, right, wrong = LAYOUTS[name]
    made = judged(run, {**row, "response": right}, **params)
    assert (made["verdict"], made["error"]) == ("correct", None)
    assert judged(run, {**row, "response": wrong}, **params)["verdict"] == "incorrect"


PRIME = (
    "def check(input, output, expected):\n    n = int(output)\n    "
    "return n > int(input) and all(n % d for d in range(2, n))"
)
SCRIPT = (
    "import sys\ngiven, expected, found = (open(name).read() for name in sys.argv[1:4])\n"
    "print(1 if sorted(found.split()) == sorted(expected.split()) else 0)"
)
EXITS = "import sys\nfound = open(sys.argv[3]).read().split()\nsys.exit(0 if set(found) == {'a', 'b'} else 1)"


@pytest.mark.parametrize(
    ("checker", "tests", "program", "verdict"),
    [
        (PRIME, [{"input": "7", "output": "11"}], "print(13)", "correct"),
        (PRIME, [{"input": "7", "output": "11"}], "print(11)", "correct"),
        (PRIME, [{"input": "7", "output": "11"}], "print(15)", "incorrect"),
        (PRIME, [{"input": "7", "output": "11"}], "print('many')", "incorrect"),
        (PRIME, [{"input": "7", "output": "9"}], "print(15)", "unverifiable"),
        (SCRIPT, [{"input": "", "output": "1 2 3"}], "print(3, 1, 2)", "correct"),
        (SCRIPT, [{"input": "", "output": "1 2 3"}], "print(3, 1, 1)", "incorrect"),
        (EXITS, [{"input": "", "output": "a b"}], "print('b a')", "correct"),
        (EXITS, [{"input": "", "output": "a b"}], "print('b c')", "incorrect"),
        ("def check(", [{"input": "", "output": "a b"}], "print('b c')", "unverifiable"),
        ("def check(x, y): return True", [{"input": "", "output": "a b"}], "print('b c')", "unverifiable"),
        (
            "def check(args, found): return sorted(found) == sorted(args[0])",
            {"entry_point": "f", "cases": [{"args": [[2, 1]], "expected": None}]},
            "def f(x): return x[::-1]",
            "correct",
        ),
        (
            "def check(args, found): return sorted(found) == sorted(args[0])",
            {"entry_point": "f", "cases": [{"args": [[2, 1]], "expected": None}]},
            "def f(x): return [1]",
            "incorrect",
        ),
        (
            "def check(args, found): return found == 3",
            {"entry_point": "f", "cases": [{"args": [], "expected": None}]},
            "class X:\n    def __eq__(self, o): return True\ndef f(): return X()",
            "incorrect",
        ),
        (
            "def check(args, found): return True" + " " * 200_000,
            {"entry_point": "f", "cases": [{"args": [], "expected": None}]},
            "def f(): return 3",
            "unverifiable",
        ),
    ],
)
def test_checkers(checker: str, tests: Any, program: str, verdict: str, run: Run) -> None:
    made = judged(run, {"response": program, "tests": json.dumps(tests), "checker": checker})
    assert made["verdict"] == verdict
    assert verdict != "unverifiable" or made["verdict_reason"] == "checker_failed"


def test_a_salvaged_program_is_marked_and_can_be_refused(run: Run) -> None:
    row = {"response": "```python\ndef f(x):\n    return x + 1\n\nprint(f(", "tests": "assert f(1) == 2"}
    made = judged(run, row)
    assert (made["verdict"], made["salvaged"]) == ("correct", True)
    made = judged(run, row, salvage=False)
    assert (made["verdict"], made["verdict_reason"], made["salvaged"]) == ("incorrect", "broken", True)
    assert judged(run, {**row, "response": row["response"] + "1))\n```"})["salvaged"] is False


def test_a_module_that_is_not_installed_decides_nothing(run: Run) -> None:
    tests = (
        "import no_such_library_xyz\nfrom solution import f\ndef test_a():\n    assert f(no_such_library_xyz.a) == 1"
    )
    made = judged(run, {"response": "def f(x): return 1", "tests": tests})
    assert (made["verdict"], made["verdict_reason"]) == ("unverifiable", "missing_module")
    made = judged(run, {"response": "import no_such_library_xyz\ndef f(): return 1", "tests": "assert f() == 1"})
    assert made["verdict"] == "incorrect"


@pytest.mark.parametrize(
    "tests",
    ['{"inputs": ["1"], "outputs": []}', '{"inputs": 3, "outputs": 4}', '{"private_test_cases": "x"}', "[1, 2]", "[[]]",
     '{"cases": [{}]}', '{"test_list": [1]}', '{"fn_name": "f", "inputs": [1], "outputs": [1]}', "def f(", "\x00"],
)  # fmt: skip
def test_tests_that_can_not_be_read(tests: str, run: Run) -> None:
    made = judged(run, {"response": "def f(): pass", "tests": tests})
    assert (made["verdict"], made["verdict_reason"]) == ("unverifiable", "tests_unreadable")


DEEP = ["not ", "1 + ", "- ", "(lambda: ", "1 if 1 else ", "f(1) and ", "2 ** ", "[", "x = "]


@pytest.mark.parametrize("times", [700, 3_000, 30_000])
@pytest.mark.parametrize("piece", DEEP)
def test_tests_that_nest_deep_get_a_verdict(piece: str, times: int, run: Run) -> None:
    """In a short row, which is read on the event loop, and in a long one."""
    made = judged(run, {"response": "def f(n): return 0", "tests": f"assert f(1) == 1\nassert {piece * times}f(1)"})
    assert made["verdict"] in ("unverifiable", "incorrect"), made


def test_columns_of_other_types_are_taken() -> None:
    have = Columns({"response": "VARCHAR", "tests": "VARCHAR[]", "prompt": "VARCHAR", "entry_point": "VARCHAR"})
    assert VerifyCode(VerifyCode.Params()).columns(have, Schema())["salvaged"] == "BOOLEAN"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tests", "response"), [("humaneval", "test", "canonical_solution"), ("mbpp", "test_list", "code")]
)
def test_published_rows(name: str, tests: str, response: str, run: Run, shared_data: Path) -> None:
    rows = [json.loads(line) for line in (shared_data / f"{name}.jsonl").read_text().splitlines()]
    operator = VerifyCode(VerifyCode.Params(tests=tests, response=response, seconds=60))  # for busy machines

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(operator.process(row, run) for row in rows))  # type: ignore[arg-type]

    made = [outcome for [outcome] in asyncio.run(all_of_them())]
    wrong = [row for row in made if (row["verdict"], row["checked"]) != ("correct", "outside")]
    assert [(row["verdict_reason"], row["error"]) for row in wrong] == []
