"""Cuts a text of a model into code, formulas and plain text, for the page to set. Markup in it stays text.

>>> [(part.kind, part.text) for part in parts("so $x^2$ costs $5")]
[('text', 'so '), ('math', 'x^2'), ('text', ' costs $5')]

Formulas are $...$, $$...$$, \\(...\\), \\[...\\] and a \\boxed{...} that none of these holds; a dollar before a blank
or after one, or before a digit at the end, is money. Code is what ``` or ~~~ encloses, and what single backticks do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal["text", "math", "display", "code", "block"]

LONGEST = 200_000
"""Characters of a text that a page sets; of a longer one the rest is left to `dqdata show`."""

_FENCE = re.compile(r"^[ \t]{0,3}(`{3,}+|~{3,}+)[ \t]*+([A-Za-z0-9_+#.-]*+)[^\n`]*+$", re.MULTILINE)
_OPENING = re.compile(r"`|(?<!\\)\$\$?|\\[\[(]|(?<!\\)\\boxed\{")
_BRACE = re.compile(r"\\.|[{}\n]", re.DOTALL)
LONGEST_BOX = 600
"""Characters of a boxed answer."""
_PAIRS: dict[str, tuple[str, Kind, int]] = {
    "`": ("`", "code", 2000),
    "$": ("$", "math", 600),
    "$$": ("$$", "display", 2000),
    "\\(": ("\\)", "math", 2000),
    "\\[": ("\\]", "display", 2000),
}
"""What ends each opening, what is between the two, and how many characters that has at most."""
_PLAIN_MONEY = re.compile(r"\d[\d,.]*\s+[A-Za-z ,.]+")


class Part(NamedTuple):
    """kind: text; math in a line; display, a formula of its own line; code in a line; block of code in `language`."""

    kind: Kind
    text: str
    language: str = ""


def parts(text: str) -> list[Part]:
    """The parts of a text in order; nothing is lost but the marks around code and formulas, and blank lines there."""
    found: list[Part] = []
    at = 0
    text = text[:LONGEST]
    while (opening := _FENCE.search(text, at)) is not None:
        fence = opening[1]
        closing = re.compile(rf"^[ \t]{{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
        end = closing.search(text, opening.end())
        found += _inside(text[at : opening.start()])
        found.append(
            Part("block", text[opening.end() + 1 : end.start() if end else len(text)].rstrip("\n"), opening[2])
        )
        at = end.end() + 1 if end else len(text)
    return _trimmed([*found, *_inside(text[at:])])


def _trimmed(found: list[Part]) -> list[Part]:
    """Without the line breaks beside what has lines of its own."""
    own = [part.kind in ("block", "display") for part in found]
    for number, part in enumerate(found):
        if part.kind == "text":
            text = part.text.lstrip("\n") if number and own[number - 1] else part.text
            text = text.rstrip("\n") if number + 1 < len(found) and own[number + 1] else text
            found[number] = Part("text", text)
    return [part for part in found if part.kind != "text" or part.text]


def _inside(text: str) -> Iterator[Part]:
    at = start = 0
    last = {closing: text.rfind(closing) for closing, _, _ in _PAIRS.values()}
    while (opening := _OPENING.search(text, start)) is not None:
        start = opening.end()
        if opening[0] not in _PAIRS:
            if (end := _box(text, start)) > 0:
                if opening.start() > at:
                    yield Part("text", text[at : opening.start()])
                yield Part("math", text[opening.start() : end])
                at = start = end
            continue
        closing, kind, longest = _PAIRS[opening[0]]
        end = text.find(closing, start, start + longest) if start <= last[closing] else -1
        if end < 0 or not _is_pair(text, opening[0], opening.start(), end):
            continue
        if opening.start() > at:
            yield Part("text", text[at : opening.start()])
        yield Part(kind, text[opening.end() : end])
        at = start = end + len(closing)
    if at < len(text):
        yield Part("text", text[at:])


def _box(text: str, start: int) -> int:
    """Where the box ends whose content begins here, behind its brace; 0 where it does not on this line."""
    depth = 1
    for brace in _BRACE.finditer(text, start, min(len(text), start + LONGEST_BOX)):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.end()
        if brace[0] == "\n":
            return 0
    return 0


def _is_pair(text: str, opening: str, start: int, end: int) -> bool:
    """Whether what begins and ends here is code or a formula; two dollars on a line may be two prices."""
    inside = text[start + len(opening) : end]
    if not inside.strip() or (opening in "`$" and "\n" in inside):
        return False
    if opening != "$":
        return True
    before, after = text[start - 1 : start], text[end + 1 : end + 2]
    money = inside[0].isspace() or inside[-1].isspace() or after.isdigit() or before.isalnum()
    return not money and inside[-1] != "\\" and not _PLAIN_MONEY.fullmatch(inside)
