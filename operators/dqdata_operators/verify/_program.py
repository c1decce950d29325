"""Takes the program out of an answer: fences, prose around code, or only the body of a function that was begun.

    >>> program_in("Here it is:\\n```python\\ndef add(a, b):\\n    return a + b\\n```\\nDone.", ["add"])
    Program(code='def add(a, b):\\n    return a + b\\n', salvaged=False)

Where the problem gave the beginning of a function (a *prompt*), an answer may be the whole function or go on where the
prompt ends. Both give a program with the prompt's imports and helpers.
"""

from __future__ import annotations

import ast
import functools
import re
import textwrap
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from dqdata.sandbox import long_integers
from dqdata.thinking import TAGS, split
from dqdata_operators.verify._blocks import joined
from dqdata_operators.verify._fences import BEGINS_CODE, fenced

_MOST_CUTS, _MOST_BEGINS = 40, 20
"""Attempts at finding where prose ends and code begins."""
LONGEST_PROGRAM = 200_000
"""Characters; what is longer is not read as Python before it is run."""
MOST_READ = 1_000_000
"""Characters that all attempts on one answer read: an answer of many pages must not take seconds."""


MOST_SCOPES = 3_000
"""Functions, classes and comprehensions of a text that is read as Python: the time that the compiler takes over those
that look alike grows with the square of their number."""
_SCOPE = re.compile(r"\b(?:def|class|lambda|for)\b")


class Program(NamedTuple):
    """salvaged: the answer is broken, and this is what was left: its last fence never closes, or lines of code that
    are no Python were left out."""

    code: str
    salvaged: bool


class _Reader:
    """Tells Python from other text, until it has read MOST_READ characters."""

    def __init__(self) -> None:
        self.left = MOST_READ

    def error_line(self, code: str) -> int | None:
        self.left -= len(code)
        if len(code) > LONGEST_PROGRAM or self.left < 0:
            return 1
        return _error_line(code)

    def parses(self, code: str) -> bool:
        return self.error_line(code) is None


def program_in(response: str, names: Sequence[str] = (), prompt: str = "") -> Program | None:
    """The program of an answer, or None where it holds no code. names: what its tests take from it, `f` or `Class.f`.

    Of several fenced blocks it is the last one that defines the most of `names`, with what it needs from the others;
    for a program that is run as it is, the last one that reads its input; without such, the last that defines anything.
    """
    text = response.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    for tags in (TAGS, ("<thinking>", "</thinking>")):
        thought, text = split(text, tags)
        if thought is not None and not text:
            return None
    reader = _Reader()
    blocks = fenced(text, reader.parses)
    if not blocks:
        if re.search(r"^[ \t]*(?:```|~~~)", text, re.MULTILINE) and not prompt:
            return None
        return _completed(text, names, prompt, reader) if prompt else _without_prose(text, reader)
    code, complete = joined([block.code for block in blocks], names, reader.parses, begun=bool(prompt))
    salvaged = not complete or (not blocks[-1].closed and blocks[-1].code in code)
    if salvaged and not prompt and not reader.parses(code):
        cut = _trimmed("", code.split("\n"), reader)
        return Program(cut, True) if cut else Program(code, True)
    if prompt:
        made = _completed(code, names, prompt, reader, whole=True)
        return None if made is None else Program(made.code, made.salvaged or salvaged)
    return Program(code, salvaged)


def _completed(
    answer: str, names: Sequence[str], prompt: str, reader: _Reader, *, whole: bool = False
) -> Program | None:
    """Prompt and answer as one program, by the first way that gives Python."""
    if names and any(re.search(rf"^(?:async +)?(?:def|class) +{re.escape(name)}\b", answer, re.M) for name in names):
        made = Program(answer, False) if whole or reader.parses(answer) else _without_prose(answer, reader)
        return None if made is None else Program(_header(prompt, names[-1]) + made.code, made.salvaged)
    ways = [answer, textwrap.indent(textwrap.dedent(answer), "    ")]
    for way in ways:
        if reader.parses(prompt + way):
            return Program(prompt + way, False)
    for way in ways:
        if cut := _trimmed(prompt, way.split("\n"), reader):
            return Program(cut, True)
    return Program(prompt + answer, False) if answer.strip() else None


def _trimmed(prompt: str, lines: list[str], reader: _Reader) -> str | None:
    """The prompt with as many lines of the answer as make Python: a completion may run on into prose."""
    before = prompt.count("\n")
    for _ in range(_MOST_CUTS):
        code = prompt + "\n".join(lines) + "\n"
        wrong = reader.error_line(code)
        if wrong is None:
            return code if any(line.strip() for line in lines) else None
        lines = lines[: min(wrong - 1 - before, len(lines) - 1)] if wrong > before + 1 else []
        if not lines or reader.left < 0:
            return None
    return None


@functools.lru_cache(maxsize=1024)
def _header(prompt: str, entry_point: str) -> str:
    """What a prompt defines beside the function that is asked for: imports and helpers."""
    try:
        body = ast.parse(prompt).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        lines = [line for line in prompt.splitlines() if re.match(r"(?:import|from)\s", line)]
    else:
        kept = [node for node in body if getattr(node, "name", None) != entry_point]
        lines = [ast.unparse(node) for node in kept]
    return "\n".join(lines) + "\n\n" if lines else ""


def _without_prose(text: str, reader: _Reader) -> Program | None:
    """The first run of lines that is Python, from a line that looks like code; None where there is none. It is salvaged
    where what follows it looks like code, too."""
    if len(text) > LONGEST_PROGRAM:
        return None
    if re.search(r"[=(:]", text) and reader.parses(text):
        return Program(text, False)
    lines = text.split("\n")
    begins = [number for number, line in enumerate(lines) if BEGINS_CODE.match(line)]
    for begin in begins[:_MOST_BEGINS]:
        if code := _trimmed("", lines[begin:], reader):
            after = next((line for line in lines[begin + code.rstrip("\n").count("\n") + 1 :] if line.strip()), "")
            return Program(code, bool(BEGINS_CODE.match(after)) or after[:1].isspace())
    return None


def parses(code: str) -> bool:
    """Whether the text is a Python program."""
    return _error_line(code) is None


def _error_line(code: str) -> int | None:
    """Line of the first syntax error, from 1, or None. `return` outside a function is one; more than MOST_SCOPES
    scopes count as one."""
    if sum(1 for _ in _SCOPE.finditer(code)) > MOST_SCOPES:
        return 1
    with warnings.catch_warnings(), long_integers():
        warnings.simplefilter("ignore")
        try:
            compile(code, "<answer>", "exec", dont_inherit=True)
        except SyntaxError as error:
            return error.lineno or 1
        except (ValueError, RecursionError, MemoryError, OverflowError):
            return 1
    return None
