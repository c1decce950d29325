"""Undoes the escapes of a text and keeps the source position of every character.

>>> view = DECODERS[0].view(View("a b", array("q", [0, 1, 2]), array("q", [1, 2, 3])))
>>> view.text, view.source(0, 2)
('ab', (0, 3))
"""

from __future__ import annotations

import html
import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_RARE = "\x00\u00ad\u200b\u200c\u200d\u2060\ufeff"
SPLIT = re.compile(f"[\\s{_RARE}]+")
"""What may stand inside a word that was broken: blanks, line ends, zero-width characters, the zeros of UTF-16."""


@dataclass(frozen=True)
class View:
    """starts, ends: for each character the range of the source that it represents."""

    text: str
    starts: array[int]
    ends: array[int]

    def source(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the source behind the characters from `start` up to, not including, `end`."""
        return self.starts[start], self.ends[end - 1]


_BACKSLASH = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([0-7]{3})|(.))", re.DOTALL
)
_PERCENT = re.compile(r"%u([0-9a-fA-F]{4})|%[0-9a-fA-F]{2}(?:%[0-9a-fA-F]{2})*")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});")
_PRINTABLE = re.compile(r"=(?:\r?\n|[0-9A-Fa-f]{2})")
_BLANKS = dict.fromkeys("abfnrtv0", "")


def _backslash(match: re.Match[str]) -> str:
    """Escaped blanks become nothing: they may split a word."""
    if match[6] is not None:
        return _BLANKS.get(match[6], match[6])
    number = int(match[5], 8) if match[5] else int(next(filter(None, match.groups())), 16)
    return chr(number) if number < 0x110000 else ""


def _percent(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else unquote_to_bytes(match[0]).decode("utf-8", "replace")


def _entity(match: re.Match[str]) -> str:
    return html.unescape(match[0])


def _printable(match: re.Match[str]) -> str:
    digits = match[0][1:].strip()
    return chr(int(digits, 16)) if digits else ""


@dataclass(frozen=True)
class Decoder:
    """Undoes one kind of escapes, and takes away what may split a word."""

    pattern: re.Pattern[str] | None
    undo: Callable[[re.Match[str]], str]

    def text(self, text: str) -> str:
        if self.pattern is not None:
            text = self.pattern.sub(self.undo, text)
        text = "".join(text.split())
        return SPLIT.sub("", text) if any(one in text for one in _RARE) else text

    def view(self, view: View) -> View:
        """The same, with the way back."""
        if self.pattern is not None:
            view = _mapped(self.pattern, self.undo, view)
        return _mapped(SPLIT, _nothing, view)


def _nothing(match: re.Match[str]) -> str:
    return ""


def _mapped(pattern: re.Pattern[str], undo: Callable[[re.Match[str]], str], view: View) -> View:
    texts: list[str] = []
    starts, ends = array("q"), array("q")
    at = 0
    for match in pattern.finditer(view.text):
        first, last = match.span()
        texts.append(view.text[at:first])
        starts.extend(view.starts[at:first])
        ends.extend(view.ends[at:first])
        made = undo(match)
        texts.append(made)
        if len(made) > 1 and len(match[0]) == 3 * len(made):  # %41%42: each character has its own three
            starts.extend(view.starts[first:last:3])
            ends.extend(view.ends[first + 2 : last : 3])
        else:
            starts.extend([view.starts[first]] * len(made))
            ends.extend([view.ends[last - 1]] * len(made))
        at = last
    if not texts:
        return view
    texts.append(view.text[at:])
    starts.extend(view.starts[at:])
    ends.extend(view.ends[at:])
    return View("".join(texts), starts, ends)


DECODERS = (
    Decoder(None, _nothing),
    Decoder(_BACKSLASH, _backslash),
    Decoder(_PERCENT, _percent),
    Decoder(_ENTITY, _entity),
    Decoder(_PRINTABLE, _printable),
)
