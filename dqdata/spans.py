"""Where a text has code and quotations, in time that is linear in its length.

>>> Spans("Write `x = 1` here.").around(7, 8)
(6, 13)
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

_FENCE = re.compile(r"^ {0,3}(`{3,}(?=[^`\n]*$)|~{3,})", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_TICKS = re.compile(r"`+")
_QUOTES = re.compile(
    r'(?<!\\)"(?:[^"\\\n]|\\.)*+"|“[^“”\n]*”|‘[^‘’\n]*’|„[^„“”\n]*[“”]|‚[^‚‘’\n]*[‘’]|«[^«»\n]*»|「[^「」\n]*」|『[^『』\n]*』'
    r"|(?<![\w\\])'[^'\n]*'(?!\w)"
)


class Spans:
    """Code (fences, and spans within one paragraph, as in CommonMark) and quotations (within a line) of a text."""

    def __init__(self, text: str) -> None:
        self._families = [list(_code(text)), [match.span() for match in _QUOTES.finditer(text)]]

    def around(self, start: int, end: int) -> tuple[int, int] | None:
        """The smallest span that holds the characters from start to end."""
        found = []
        for spans in self._families:
            place = bisect_right(spans, (start, end)) - 1
            if place >= 0 and spans[place][0] < start and end <= spans[place][1]:
                found.append(spans[place])
        return min(found, key=lambda span: span[1] - span[0], default=None)


def _code(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for start, end in _fences(text):
        yield from _code_spans(text, at, start)
        yield start, end
        at = end
    yield from _code_spans(text, at, len(text))


def _fences(text: str) -> Iterator[tuple[int, int]]:
    begun: tuple[int, str] | None = None
    for match in _FENCE.finditer(text):
        mark = match[1]
        if begun is None:
            begun = (match.start(), mark)
        elif mark[0] == begun[1][0] and len(mark) >= len(begun[1]):
            stop = text.find("\n", match.end())
            stop = len(text) if stop < 0 else stop
            if not text[match.end() : stop].strip():
                yield begun[0], stop
                begun = None
    if begun is not None:
        yield begun[0], len(text)


def _code_spans(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    ticks = [match.span() for match in _TICKS.finditer(text, start, stop)]
    if len(ticks) < 2:
        return
    blanks = [match.start() for match in _BLANK_LINE.finditer(text, start, stop)]
    following: dict[int, int] = {}
    closes = [0] * len(ticks)
    for place in range(len(ticks) - 1, -1, -1):
        length = ticks[place][1] - ticks[place][0]
        closes[place] = following.get(length, 0)
        following[length] = place
    place = 0
    while place < len(ticks):
        close = closes[place]
        if close:
            blank = bisect_right(blanks, ticks[place][0])
            if blank == len(blanks) or blanks[blank] > ticks[close][0]:
                yield ticks[place][0], ticks[close][1]
                place = close
        place += 1
