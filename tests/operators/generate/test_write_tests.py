"""write_tests: cases validated by several programs, mutants that they find out, and what drops a problem."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from dqdata_operators.generate._mutants import mutants
from dqdata_operators.generate._written_tests import read_cases
from dqdata_operators.generate.write_tests import WriteTests, WriteTestsParams
from dqdata_operators.lib.asking.judgement import UnreadableError

from dqdata.errors import ColumnError
from dqdata.testing import Tried, run_operator

QUESTION = "Write clamp(n, low, high): n, but no less than low and no more than high."
RIGHT = "```python\ndef clamp(n, low, high):\n    return max(low, min(n, high))\n```"
OTHER = (
    "```python\ndef clamp(n, low, high):\n    if n < low:\n        return low\n    return high if n > high else n\n```"
)
WRONG = "```python\ndef clamp(n, low, high):\n    return min(n, high)\n```"
CASES = [
    {"args": [5, 1, 9], "expected": 5},
    {"args": [0, 1, 9], "expected": 1},
    {"args": [12, 1, 9], "expected": 9},
    {"args": [3, 3, 3], "expected": 3},
    {"args": [4, 1, 9], "expected": 7},  # wrong
]


def written(cases: Any, entry: str = "clamp") -> str:
    return json.dumps({"tests": {"entry_point": entry, "cases": cases}})


def tried(programs: list[str], cases: Any = CASES, **more: Any) -> Tried:
    params = {"judge": "w", "solvers": ["s"], "solutions": len(programs), "least": 1, **more}
    rows = [{"problem_id": "p", "question": QUESTION}]
    return run_operator("write_tests", rows, params=params, teachers={"w": [written(cases)], "s": programs})


def test_wrong_cases_go_and_wrong_programs_are_found_out() -> None:
    made = tried([RIGHT, OTHER, WRONG])
    [row] = made.rows
    marks = {one["test"]: (one["passes"], one["mark"]) for one in row["test_marks"]}
    assert marks[json.dumps(CASES[4])] == (0, "wrong") and row["tests_written"] == 5 and row["tests_valid"] == 4
    assert row["right_solutions"] == [RIGHT, OTHER]
    assert marks[json.dumps(CASES[1])] == (2, "kept"), "the wrong program fails it"
    kept = json.loads(row["tests"])
    assert kept["entry_point"] == "clamp" and CASES[4] not in kept["cases"] and CASES[1] in kept["cases"]
    assert row["tests_kept"] == len(kept["cases"]) and 0 < row["mutants_found"] <= row["mutants"]
    asked = made.teachers["s"].requests[0].messages[-1].content
    assert "define the function clamp" in asked and "expected" not in asked
    judged = [{"response": text, "tests": row["tests"]} for text in (RIGHT, OTHER, WRONG)]
    assert [one["correct"] for one in run_operator("verify_code", judged).rows] == [True, True, False]


def test_a_case_that_every_wrong_program_passes_is_dropped_or_marked() -> None:
    same = "```python\ndef same(a, b):\n    return a == b\n```"
    cases = [{"args": [1, 1], "expected": True}, {"args": [1, 2], "expected": False}, {"args": [[], []], "expected": 1}]
    params = {"judge": "w", "solvers": ["s"], "least": 1, "mutants": 1}
    rows = [{"question": "Write same(a, b): are they equal?", "solutions": [same, same + "\n"]}]
    for weak, left in (("drop", None), ("mark", 2)):
        teachers = {"w": [written(cases, "same")], "s": [same, same]}
        made = run_operator("write_tests", rows, params={**params, "weak": weak}, teachers=teachers)
        [row] = made.rows
        finds = [one["finds"] for one in row["test_marks"]]
        weak_ones = sum(count == 0 for count in finds if count is not None)
        assert (
            row["tests_kept"]
            == (left if left else row["tests_valid"] - weak_ones)
            == len(json.loads(row["tests"])["cases"])
        )
        assert finds[2] is None, "True is not 1: the case is wrong"


def test_programs_that_differ_and_tests_that_find_nothing() -> None:
    low = "```python\ndef clamp(n, low, high):\n    return low\n```"
    made = tried([RIGHT, WRONG, low], cases=CASES[1:3])
    assert made.reasons == {"p": "solutions_differ"} and made.rejects[0]["row"]["tests_valid"] == 2
    assert tried(["no program", "none here"]).reasons == {"p": "solutions_differ"}
    assert tried([RIGHT, RIGHT]).reasons == {"p": "no_solutions"}, "the same program twice is one"
    weak = tried([RIGHT, OTHER], cases=CASES[3:4], least_found=0.9)
    assert weak.reasons == {"p": "weak_tests"} and weak.rejects[0]["row"]["test_marks"][0]["passes"] == 2


def test_programs_that_read_and_print() -> None:
    cases = [{"input": "2 3", "output": "5"}, {"input": "0 0", "output": "0"}, {"input": "-4 1", "output": "-3"}]
    one = "```python\na, b = map(int, input().split())\nprint(a + b)\n```"
    two = "```python\nprint(sum(int(x) for x in input().split()))\n```"
    made = run_operator(
        "write_tests",
        [{"question": "Read two numbers, print their sum."}],
        params={"judge": "w", "solvers": ["s"], "least": 1},
        teachers={"w": [written(cases, "")], "s": [one, two]},
    )
    [row] = made.rows
    assert row["tests_valid"] == 3 and {"input": "2 3", "output": "5"} in json.loads(row["tests"])
    assert "standard input" in made.teachers["s"].requests[0].messages[-1].content


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "a list `cases`"),
        ({"entry_point": "f(x)", "cases": []}, "no name of a function"),
        ({"entry_point": "f", "cases": [{"args": 1, "expected": 1}]}, "args is no list"),
        ({"entry_point": "f", "cases": [{"input": "1", "output": "1"}]}, "args and expected"),
        ({"entry_point": "", "cases": [{"input": 1, "output": "1"}]}, "are texts"),
        ({"entry_point": "f", "cases": [{"args": [1], "expected": 1}, {"args": [1], "expected": 2}]}, "another result"),
    ],
)
def test_what_are_no_cases(value: Any, says: str) -> None:
    with pytest.raises(UnreadableError, match=says):
        read_cases(value)
    with pytest.raises(UnreadableError, match="the problem's function is 'g'"):
        read_cases({"entry_point": "f", "cases": []}, "g")


def test_mutants_are_programs_with_one_change_each() -> None:
    program = "def f(n):\n    if n > 0 and n != 3:\n        return n % 2\n    return [True, n // 2]"
    made = mutants(program, 99)
    assert len(made) == len(set(made)) >= 12 and ast.unparse(ast.parse(program)) not in made
    assert mutants(program, 5) == made[:5] and mutants(program, 99) == made
    assert all(ast.parse(text) for text in made)
    assert mutants("def f(:", 5) == [] and mutants("", 5) == []


def test_what_is_refused_and_planned() -> None:
    for params, says in (
        ({"votes": 2}, "can't be averaged"),
        ({"least": 20}, "more than most"),
        ({"solver_temperature": 0}, "pays for equal programs"),
    ):
        with pytest.raises(ValueError, match=says):
            WriteTestsParams(judge="w", solvers=["s"], **params)
    planned = WriteTests(WriteTestsParams(judge="w", solvers=["s", "w"], solutions=3, solver_tokens=100)).estimate(10)
    assert {name: one.calls for name, one in planned.calls.items()} == {"w": 40, "s": 30}
    with pytest.raises(ColumnError, match="these rows are traces"):
        run_operator("write_tests", [{"trace_id": "t", "problem_id": "p", "question": "x"}],
                     params={"judge": "w", "solvers": ["s"]}, teachers={"w": [], "s": []})  # fmt: skip
