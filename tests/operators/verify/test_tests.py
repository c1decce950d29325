"""Tests are read in the forms that data sets have them."""

from __future__ import annotations

import base64
import json
import pickle
import zlib

import pytest
from dqdata_operators.verify._tests import Io, UnreadableTests, read_tests

CHECK = "def check(candidate):\n    assert candidate(2) == 4\n"


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("assert f(2) == 4", "asserts"),
        (CHECK + "check(Solution().f)", "asserts"),
        (json.dumps({"test": CHECK, "entry_point": "f", "prompt": "def f(x):\n", "task_id": "x/1"}), "asserts"),
        (json.dumps({"test_list": ["assert f(2) == 4"], "test_setup_code": "", "challenge_test_list": []}), "asserts"),
        (json.dumps(["assert f(2) == 4"]), "asserts"),
        ("from solution import f\ndef test_f():\n    assert f(2) == 4", "pytest"),
        ("import unittest\nclass T(unittest.TestCase):\n    def test_f(self): pass", "pytest"),
        (json.dumps({"pytest": "def test_f(): assert f(2) == 4"}), "pytest"),
        (json.dumps({"fn_name": "f", "inputs": [[2]], "outputs": [[4]]}), "calls"),
        (json.dumps({"entry_point": "f", "cases": [{"args": [2], "expected": 4}]}), "calls"),
        (json.dumps([{"input": "2", "output": "4", "testtype": "functional", "fn_name": "f"}]), "calls"),
    ],
)
def test_forms_of_function_tests(text: str, style: str) -> None:
    tests = read_tests(text)
    assert tests.check is not None
    assert tests.check.style == style
    assert not tests.runs
    if style == "calls":
        assert tests.check.cases[0]["args"] == [2]
        assert tests.check.cases[0]["expected"] == 4
        assert tests.entry_point == "f"


@pytest.mark.parametrize(
    "data",
    [
        {"inputs": ["2\n3\n"], "outputs": ["5\n"]},
        [{"input": "2\n3\n", "output": "5\n"}],
        [{"input": "2\n3\n", "output": "5\n", "testtype": "stdin"}],
        {"input_output": json.dumps({"inputs": ["2\n3\n"], "outputs": ["5\n"]})},
        {"cases": [{"input": "2\n3\n", "output": "5\n"}]},
    ],
)
def test_forms_of_input_and_output(data: object) -> None:
    assert read_tests(json.dumps(data)).runs == (Io("2\n3\n", "5\n"),)


def test_lines_as_lists_are_joined() -> None:
    assert read_tests(json.dumps({"inputs": [["2", "3"]], "outputs": [["5"]]})).runs == (Io("2\n3", "5"),)


@pytest.mark.parametrize(
    "text",
    [
        "   ",
        "[]",
        "{}",
        "[1, 2]",
        "this is prose",
        "assert (",
        CHECK,
        '{"cases": [{"args": [1], "expected": 1}]}',
        '{"inputs": [], "outputs": []}',
        '{"inputs": ["1"], "outputs": []}',
        '[{"input": "1"}]',
        '{"test_list": []}',
    ],
)
def test_what_is_no_test_is_an_error(text: str) -> None:
    with pytest.raises((UnreadableTests, ValueError)):
        read_tests(text)


def test_packed_tests_in_any_column() -> None:
    runs = [{"input": "2 3\n", "output": "5\n", "testtype": "stdin"}]
    packed = base64.b64encode(zlib.compress(pickle.dumps(json.dumps(runs)))).decode()
    assert read_tests(packed).runs == (Io("2 3\n", "5\n"),)


def test_python_of_over_a_million_characters_is_refused() -> None:
    code = "assert f(1) == 1\n# " + "a" * 999_980
    assert read_tests(code + "a").check is not None
    with pytest.raises(UnreadableTests, match="1,000,001 characters of Python; up to 1,000,000 are read"):
        read_tests(code + "aa")
