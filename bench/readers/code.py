"""Readers of programs, tests, checkers and what programs answer."""

from __future__ import annotations

import json
from collections.abc import Callable

from dqdata_operators.generate._mutants import mutants
from dqdata_operators.verify._blocks import joined
from dqdata_operators.verify._checker import checker_function, checker_program
from dqdata_operators.verify._encoded import decoded
from dqdata_operators.verify._fences import fenced
from dqdata_operators.verify._modules import module_of
from dqdata_operators.verify._output import same_output
from dqdata_operators.verify._program import parses, program_in
from dqdata_operators.verify._rows import begins_program
from dqdata_operators.verify._tests import read_tests

from dqdata.sandbox import Tests, process_state, tested_names
from dqdata.sandbox.handing import own_objects
from dqdata.sandbox.inside import plain
from dqdata.sandbox.jobs import _report


def _answer(text: str) -> None:
    """A candidate's message to the checker, whose errors the checker takes for the candidate's end."""
    try:
        plain.decode(json.loads(text))
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        RecursionError,
        OverflowError,
        ArithmeticError,
    ):
        return


def _tests(text: str) -> None:
    process_state(text)
    try:
        Tests(text).wire()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return


def _checker(text: str) -> None:
    checker_program(text)
    checker_function(text)


CODE: dict[str, Callable[[str], object]] = {
    "fences": lambda text: fenced(text, lambda code: False),
    "program": program_in,
    "program_begun": lambda text: program_in(text, ["f"], "def f(x):\n"),
    "blocks": lambda text: joined([text, text[: len(text) // 2], "x = 1"], ["f", "x"], parses),
    "prompt": begins_program,
    "tests": read_tests,
    "tests_prepared": _tests,
    "tested_names": lambda text: (tested_names(text, "solution", "f"), module_of(text, "solution", text)),
    "tests_encoded": lambda text: decoded(text),
    "tests_handed_over": lambda text: own_objects(text, "f", "solution"),
    "checker": _checker,
    "output": lambda text: same_output(text, text[:-1] + " 1.0", 1e-6),
    "report": lambda text: _report(text.encode("utf-8", "replace")),
    "candidate_answer": _answer,
    "mutants": lambda text: mutants(text, 4),
}
