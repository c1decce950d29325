"""Everything here that reads text which nobody trusts, by name, and texts that such readers are slow at.

>>> READERS["thinking"]("<think>2 + 2</think>4")
"""

from __future__ import annotations

import json
from collections.abc import Callable

import polars as pl
from dqdata_operators.annotate.pii import Pii
from dqdata_operators.annotate.quality import Quality
from dqdata_operators.lib.asking.answers import is_refusal, loop
from dqdata_operators.lib.asking.judgement import Choice, Scale, UnreadableError, read
from dqdata_operators.lib.maths.extract import extract
from dqdata_operators.verify._fences import fenced
from dqdata_operators.verify._program import program_in
from dqdata_operators.verify._tests import UnreadableTests, read_tests

from dqdata import thinking
from dqdata.errors import RowError
from dqdata.sandbox import Tests, process_state
from dqdata.sandbox.inside import plain
from dqdata.sandbox.jobs import _report

EXPECTED = (RowError, UnreadableError, UnreadableTests)
"""What readers raise about a text that they can't read; everything else is a fault."""


def _judge(text: str) -> None:
    read(text, {"score": Scale(0, 10), "verdict": Choice(("yes", "no"))})


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


def _frame(text: str) -> pl.DataFrame:
    return pl.DataFrame({"trace_id": ["a"], "question": ["?"], "reasoning": [text], "response": [text]})


READERS: dict[str, Callable[[str], object]] = {
    "thinking": thinking.split,
    "fences": lambda text: fenced(text, lambda code: False),
    "program": program_in,
    "tests": read_tests,
    "tests_prepared": _tests,
    "judge": _judge,
    "report": lambda text: _report(text.encode("utf-8", "replace")),
    "candidate_answer": _answer,
    "loop": loop,
    "refusal": is_refusal,
    "final_answer": extract,
    "quality": lambda text: Quality(Quality.Params()).process(_frame(text)),
    "pii": lambda text: Pii(Pii.Params()).process(_frame(text)),
}

PIECES = {
    "backquotes": "`", "fences": "```\n", "open_fences": "```python\nx\n", "tildes": "~~~~\n", "spaces": " ",
    "lines": "\n", "tabs": "\t", "think": "<think>", "think_pairs": "<think>a</think>", "closing": "</think>",
    "braces": "{", "brackets": "[", "parentheses": "(", "quotes": '"', "backslashes": "\\", "dollars": "$",
    "boxed": "\\boxed{", "boxes": "\\boxed{1} ",
    "letters": "a", "words": "the answer is ", "digits": "9", "hashes": "#### ", "code": "def f(x):\n    return x\n",
    "asserts": "assert f(1) == 1\n", "commas": "1, ", "mails": "a@b.", "at": "@", "phones": "555-1234 ", "dots": ".",
    "colons": "a: ", "keys": '"a": 1, ', "sorry": "I'm sorry, but ", "cjk": "漢字", "emoji": "😀", "stars": "**",
    "dashes": "- ", "slashes": "/", "equals": "=", "percent": "%", "pipes": "|", "angle": "<", "html": "<a>",
    "choices": "(A) ",
}  # fmt: skip
"""What a text repeats that a reader of quadratic time is slow at."""


def hostile(piece: str, size: int) -> str:
    return (piece * (size // len(piece) + 1))[:size]
