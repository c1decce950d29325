"""Fenced blocks of an answer, found in one pass over its lines.

    >>> [block.code for block in fenced("Like this:\\n```python\\nx = 1\\n```\\nDone.")]
    ['x = 1\\n']

A fence opens at the beginning of a line, after a list mark, or, with a language, at the end of a line of prose. It
closes at a line that begins with as many marks; inside a string of the program over several lines it does not. Where a
new fence with a language begins before the last one closed, that one ends. A bare mark that nothing opened ends the
program before it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from typing import NamedTuple

LONGEST_INFO = 200
MOST_CLOSINGS = 40
"""Fences inside strings that are looked past, in one answer."""
MOST_FENCES = 400
"""Fences of one answer that are looked at: the last ones."""
MOST_STARTS = 5
_QUOTED_FENCE = re.compile(r">[ \t]?(?:```|~~~)")
BEGINS_CODE = re.compile(r"^(?:def|class|import|from|async def|@|if __name__|for|while|with|try:|print\(|\w+ *=[^=])")
_LIST_MARK = re.compile(r"[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+|[ \t]*")
_LANGUAGE = re.compile(r"\s*\{?\.?([A-Za-z][\w+#-]*)?")
_PYTHON = frozenset(("", "code", "ipython", "sage", "tool_code"))
_MARKDOWN = frozenset(("markdown", "md"))
_PROMPTED = re.compile(r"(?:>>>|\.\.\.)(?: |$)")


class Block(NamedTuple):
    """closed: the answer went on after it, so that it is whole."""

    code: str
    closed: bool


class _Mark(NamedTuple):
    sign: str
    length: int
    indent: str
    info: str


def fenced(text: str, parses: Callable[[str], bool]) -> list[Block]:
    """The Python blocks of an answer, in order; blocks in other languages are left out, and so are empty ones."""
    return [block for block in _Scan(_lines(text), parses).blocks() if block.code.strip()]


def _lines(text: str) -> list[str]:
    """The lines from the last MOST_FENCES fences on, out of a quotation if they are in one, and with a fence at the end
    of a line of code or prose on a line of its own."""
    every = text.split("\n")
    fences = [at for at, line in enumerate(every) if "```" in line or "~~~" in line]
    if len(fences) > MOST_FENCES:
        every = every[fences[-MOST_FENCES] :]
    if any(_QUOTED_FENCE.match(line) for line in every):
        every = [line.removeprefix(">").removeprefix(" ") if line.startswith(">") else line for line in every]
    lines: list[str] = []
    for line in every:
        before = line.rstrip()
        if before.endswith("```") and before.find("```") == len(before) - 3 and before[:-3].strip():
            lines += [before[:-3], "```"]
        else:
            lines.append(line)
    return lines


class _Scan:
    def __init__(self, lines: list[str], parses: Callable[[str], bool]) -> None:
        self.lines, self.parses = lines, parses
        self.left = MOST_CLOSINGS

    def blocks(self) -> list[Block]:
        found: list[Block] = []
        at, outside = 0, 0
        while at < len(self.lines):
            mark = _opening(self.lines[at])
            if mark is None or _language(mark.info) in _MARKDOWN:
                at += 1
                continue
            end, closed = self._end(at, mark)
            if not closed and not mark.info and (before := self._before(outside, at)):
                found.append(Block(before, True))
            elif _is_python(mark.info):
                found.append(Block(_code(self.lines[at + 1 : end], mark), closed))
            at = outside = end + 1 if closed and _closes(self.lines[end], mark) else end
        return found

    def _end(self, begin: int, mark: _Mark) -> tuple[int, bool]:
        """Line at which a block ends, and whether anything ended it."""
        first = None
        for at in range(begin + 1, len(self.lines)):
            line = self.lines[at]
            if mark.sign * 3 not in line:
                continue
            if not (_closes(line, mark) or (first is None and _opens_another(line))):
                continue
            body = self.lines[begin + 1 : at]
            if first is None:
                first = at
                if not _in_string(body):
                    return at, True
            elif self.parses(_code(body, mark)):
                return at, True
            self.left -= 1
            if self.left <= 0:
                break
        return (len(self.lines), False) if first is None else (first, True)

    def _before(self, begin: int, end: int) -> str:
        """The program that a stray mark ends, or nothing where the lines before it are no program."""
        starts = [at for at in range(begin, end) if BEGINS_CODE.match(self.lines[at])]
        for start in starts[:MOST_STARTS]:
            code = _code(self.lines[start:end], None)
            if self.parses(code):
                return code
        return ""


def _opening(line: str) -> _Mark | None:
    for sign in "`~":
        if sign * 3 not in line:
            continue
        start = _LIST_MARK.match(line)
        assert start is not None
        at = start.end()
        if line.startswith(sign * 3, at):
            length = len(line) - at - len(line[at:].lstrip(sign))
            info = line[at + length :]
            if len(info) <= LONGEST_INFO and sign not in info:
                return _Mark(sign, length, start[0], info.strip())
        at = line.find(sign * 3)
        info = line[at:].lstrip(sign)
        if at > 0 and sign == "`" and re.fullmatch(r"[A-Za-z][\w+#.-]{0,20}[ \t]*", info) and "`" not in line[:at]:
            return _Mark(sign, 3, "", info.strip())
    return None


def _closes(line: str, mark: _Mark) -> bool:
    """Whether a line ends the block: marks alone, or prose right after them."""
    text = line.lstrip(" \t")
    rest = text.lstrip(mark.sign)
    return len(text) - len(rest) >= mark.length and not re.fullmatch(r"[\w{][^\s]*\s*", rest)


def _opens_another(line: str) -> bool:
    mark = _opening(line)
    return mark is not None and bool(_language(mark.info)) and line.lstrip().startswith(mark.sign)


def _in_string(lines: list[str]) -> bool:
    """Whether a string over several lines is open at the end of the lines."""
    text = "\n".join(lines)
    return text.count('"""') % 2 == 1 or text.count("'''") % 2 == 1


def _language(info: str) -> str:
    match = _LANGUAGE.match(info)
    return (match[1] or "").lower() if match else ""


def _is_python(info: str) -> bool:
    language = _language(info)
    return language in _PYTHON or language.startswith("py")


def _code(lines: list[str], mark: _Mark | None) -> str:
    if any(line.startswith(">>> ") for line in lines):
        lines = [line[4:] for line in lines if _PROMPTED.match(line)]
    text = "\n".join(lines)
    return (textwrap.dedent(text) if mark and mark.indent else text).strip("\n") + "\n"
