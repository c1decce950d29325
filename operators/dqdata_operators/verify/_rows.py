"""Tests as the columns of a row hold them, in the layouts of published sets.

    set              column of the tests      beside it
    HumanEval        test                     entry_point, prompt
    MBPP             test_list (VARCHAR[])    test_setup_code, test_imports, challenge_test_list
    BigCodeBench     test                     entry_point, code_prompt or complete_prompt
    KodCode          test                     none: the tests import the function from `solution`
    LiveCodeBench    private_test_cases       public_test_cases, metadata (func_name)
    APPS, TACO       input_output             none

What is beside the tests is read where the row has it.
"""

from __future__ import annotations

import ast
import functools
import json
import warnings
from typing import Any

from dqdata.operator import Row
from dqdata_operators.verify._tests import CodeTests, read_tests

BESIDE = (
    "test_setup_code", "test_setup", "test_imports", "challenge_test_list", "metadata", "public_test_cases",
    "private_test_cases", "fn_name",
)  # fmt: skip
"""Columns that say more about the tests."""
CODE_PROMPTS = ("code_prompt", "complete_prompt")


def tests_of(row: Row, tests: str, entry_point: str, prompt: str) -> CodeTests | None:
    """The tests of a row, or None where it has none. tests, prompt: names of columns. Raises UnreadableTests."""
    value = row[tests]
    if value is None or (isinstance(value, str) and not value.strip()) or value == []:
        return None
    beside = {name: row[name] for name in BESIDE if name != tests and row.get(name)}
    if tests in ("private_test_cases", "public_test_cases", "input_output", "test_list"):
        value, beside = "", {**beside, tests: value}
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return read_tests(
        text,
        entry_point,
        _code_prompt(row, prompt),
        json.dumps(beside, ensure_ascii=False, default=str) if beside else "",
    )


def _code_prompt(row: Row, prompt: str) -> str:
    """The beginning of a program, from the first column that holds one."""
    for name in (prompt, *CODE_PROMPTS):
        text = row.get(name)
        if isinstance(text, str) and begins_program(text):
            return text
    return ""


@functools.lru_cache(maxsize=1024)
def begins_program(text: str) -> bool:
    """Whether a text is Python that defines or imports something, up to the body of its last function."""
    for whole in (text, f"{text}\n    pass\n"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                body: list[Any] = ast.parse(whole).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        defining = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
        return any(isinstance(node, defining) for node in body)
    return False
