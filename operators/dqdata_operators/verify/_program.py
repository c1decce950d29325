"""Takes the program out of an answer: fences, prose around code, or only the body of a function that was begun.

    >>> print(program_in("Here it is:\\n```python\\ndef add(a, b):\\n    return a + b\\n```\\nDone.", "add"))
    def add(a, b):
        return a + b

Where the problem gave the beginning of a function (a *prompt*), an answer may be the whole function or go on where the
prompt ends. Both give a program with the prompt's imports and helpers.
"""

from __future__ import annotations

import ast
import functools
import re
import textwrap
import warnings
from collections.abc import Iterator

_FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<language>[\w+.#-]*)[^\n]*\n"
    r"(?:(?P<body>(?:[^\n]*\n)*?)[ \t]*(?P=mark)[ \t]*$|(?P<open>.*)\Z)",
    re.MULTILINE | re.DOTALL,
)
_THINKING = re.compile(r"^.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_PYTHON = frozenset(("", "python", "py", "python3", "python2", "py3", "ipython", "pycon", "sage"))
_BEGINS_CODE = re.compile(r"^(?:def|class|import|from|async def|@|if __name__|for|while|with|try:|print\(|\w+ *=[^=])")
_DEFINED = re.compile(r"^(?:(?:async def|def|class)\s+(\w+)|(\w+)\s*=)", re.MULTILINE)
_MOST_CUTS, _MOST_BEGINS = 40, 20
"""Attempts at finding where prose ends and code begins: an answer of many pages must not take seconds."""


def program_in(response: str, entry_point: str = "", prompt: str = "") -> str | None:
    """The program of an answer, or None where it holds no code.

    Of several fenced blocks it is the last one that defines `entry_point`; without such, the last that is Python.
    """
    text = _THINKING.sub("", response, count=1) if "</think" in response.lower() else response
    blocks = [block for block in _blocks(text) if block.strip()]
    if blocks:
        found = _chosen(blocks, entry_point, prompt)
    elif _FENCE.search(text) and not prompt:
        return None
    else:
        found = text
    if prompt:
        return _completed(found, entry_point, prompt, bare=not blocks)
    if blocks:
        return found
    return _without_prose(found)


def _blocks(text: str) -> Iterator[str]:
    for match in _FENCE.finditer(text):
        if match["language"].lower() in _PYTHON:
            body = match["open"] if match["body"] is None else match["body"]
            yield (textwrap.dedent(body) if match["indent"] else body).strip("\n") + "\n"


def _chosen(blocks: list[str], entry_point: str, prompt: str) -> str:
    name = entry_point.partition(".")[0]
    if name:
        for block in reversed(blocks):
            if _defines(block, name):
                return block
    parsed = [block for block in blocks if parses(block)]
    defining = [block for block in parsed if re.search(r"^(?:def|class|async def) ", block, re.MULTILINE)]
    if prompt and not parsed:  # the body of a function is no program by itself
        return blocks[-1]
    return (defining or parsed or blocks)[-1]


def _defines(code: str, name: str) -> bool:
    return any(name in match.groups() for match in _DEFINED.finditer(code))


def _completed(answer: str, entry_point: str, prompt: str, *, bare: bool) -> str | None:
    """Prompt and answer as one program, by the first way that gives Python."""
    if entry_point and _defines(answer, entry_point):
        code = answer if not bare or parses(answer) else _without_prose(answer)
        return None if code is None else _header(prompt, entry_point) + code
    ways = [answer, textwrap.indent(textwrap.dedent(answer), "    ")]
    for way in ways:
        if parses(prompt + way):
            return prompt + way
    for way in ways:
        if whole := _trimmed(prompt, way.splitlines()):
            return whole
    return prompt + answer if answer.strip() else None


def _trimmed(prompt: str, lines: list[str]) -> str | None:
    """The prompt with as many lines of the answer as make Python: a completion may run on into prose."""
    before = prompt.count("\n")
    for _ in range(_MOST_CUTS):
        code = prompt + "\n".join(lines) + "\n"
        wrong = _error_line(code)
        if wrong is None:
            return code if any(line.strip() for line in lines) else None
        lines = lines[: min(wrong - 1 - before, len(lines) - 1)] if wrong > before + 1 else []
        if not lines:
            return None
    return None


@functools.lru_cache(maxsize=1024)
def _header(prompt: str, entry_point: str) -> str:
    """What a prompt defines beside the function that is asked for: imports and helpers."""
    try:
        body = ast.parse(prompt).body
    except SyntaxError:
        lines = [line for line in prompt.splitlines() if re.match(r"(?:import|from)\s", line)]
    else:
        kept = [node for node in body if getattr(node, "name", None) != entry_point]
        lines = [ast.unparse(node) for node in kept]
    return "\n".join(lines) + "\n\n" if lines else ""


def _without_prose(text: str) -> str | None:
    """The first run of lines that is Python, from a line that looks like code; None where there is none."""
    if parses(text) and re.search(r"[=(:]", text):
        return text
    lines = text.splitlines()
    begins = [number for number, line in enumerate(lines) if _BEGINS_CODE.match(line)]
    for begin in begins[:_MOST_BEGINS]:
        if code := _trimmed("", lines[begin:]):
            return code
    return None


def parses(code: str) -> bool:
    """Whether the text is a Python program."""
    return _error_line(code) is None


def _error_line(code: str) -> int | None:
    """Line of the first syntax error, from 1, or None. `return` outside a function is one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(code, "<answer>", "exec", dont_inherit=True)
        except SyntaxError as error:
            return error.lineno or 1
        except (ValueError, RecursionError, MemoryError, OverflowError):
            return 1
    return None
