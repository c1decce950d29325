"""Finds code and quotations in a text, in linear time.

>>> Spans("Write `x = 1` here.").around(7, 8)
(6, 13)
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TypeAlias

_FENCE = re.compile(r"\n {0,3}(`{3,}(?=[^`\n]*$)|~{3,})", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*(?=\n)")
_TICKS = re.compile(r"`+")
_QUOTES = re.compile(
    r'(?<!\\)"(?:[^"\\\n]|\\.)*+"|“[^“”\n]*”|‘[^‘’\n]*’|„[^„“”\n]*[“”]|‚[^‚‘’\n]*[‘’]|«[^«»\n]*»|「[^「」\n]*」'
    r"|『[^『』\n]*』|(?<![\w\\])'[^'\n]*'(?!\w)"
)
Span: TypeAlias = tuple[int, int]


class Spans:
    """Code (fences, and spans within one paragraph, as in CommonMark) and quotations (within a line) of a text. Only
    lines and paragraphs that are asked about are read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._fences = list(fences(text)) if "```" in text or "~~~" in text else []
        self._ticks = "`" in text
        self._blanks = [match.start() for match in _BLANK_LINE.finditer(text)] if self._ticks else []
        self._line: tuple[Span, list[Span]] = ((0, -1), [])
        self._paragraph: tuple[Span, list[Span]] = ((0, -1), [])

    def around(self, start: int, end: int) -> Span | None:
        """The smallest span that holds the characters from start to end. Fastest in the order of the text."""
        families = (self._fences, self._code(start), self._quotes(start))
        found = [span for spans in families if (span := _holding(spans, start, end)) is not None]
        return min(found, key=lambda span: span[1] - span[0], default=None)

    def _quotes(self, at: int) -> list[Span]:
        """Quotations of the line at a place."""
        first, last = self._line[0]
        if not first <= at <= last:
            first = self._text.rfind("\n", 0, at) + 1
            last = self._text.find("\n", at)
            last = len(self._text) if last < 0 else last
            self._line = (first, last), [match.span() for match in _QUOTES.finditer(self._text, first, last)]
        return self._line[1]

    def _code(self, at: int) -> list[Span]:
        """Code spans of the paragraph at a place, which ends at a blank line or a fence."""
        if not self._ticks:
            return []
        first, last = self._paragraph[0]
        if not first <= at < last:
            place, fence = bisect_right(self._blanks, at), bisect_right(self._fences, (at, at))
            first = max(self._blanks[place - 1] if place else 0, self._fences[fence - 1][1] if fence else 0)
            last = min(
                self._blanks[place] if place < len(self._blanks) else len(self._text),
                self._fences[fence][0] if fence < len(self._fences) else len(self._text),
            )
            self._paragraph = (first, last), list(_code_spans(self._text, first, last)) if first < last else []
        return self._paragraph[1]


def _holding(spans: list[Span], start: int, end: int) -> Span | None:
    place = bisect_left(spans, (start, end)) - 1
    return spans[place] if place >= 0 and end <= spans[place][1] else None


def fences(text: str) -> Iterator[Span]:
    """Fenced blocks of a text, in order, marks included; one that nothing closes lasts to the end."""
    begun: tuple[int, str] | None = None
    for match in _FENCE.finditer(f"\n{text}"):
        start, end, mark = match.start(), match.end() - 1, match[1]
        if begun is None:
            begun = (start, mark)
        elif mark[0] == begun[1][0] and len(mark) >= len(begun[1]):
            stop = text.find("\n", end)
            stop = len(text) if stop < 0 else stop
            if not text[end:stop].strip():
                yield begun[0], stop
                begun = None
    if begun is not None:
        yield begun[0], len(text)


def _code_spans(text: str, start: int, stop: int) -> Iterator[Span]:
    ticks = [match.span() for match in _TICKS.finditer(text, start, stop)]
    following: dict[int, int] = {}
    closes = [0] * len(ticks)
    for place in range(len(ticks) - 1, -1, -1):
        length = ticks[place][1] - ticks[place][0]
        closes[place] = following.get(length, 0)
        following[length] = place
    place = 0
    while place < len(ticks):
        if closes[place]:
            yield ticks[place][0], ticks[closes[place]][1]
            place = closes[place]
        place += 1
