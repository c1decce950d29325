r"""Answers in LaTeX boxes.

>>> boxed(r"So $x = \boxed{\frac{1}{2}}$. Check.")[0]
'\\frac{1}{2}'
"""

from __future__ import annotations

import re

TAIL = 50_000
"""Characters from the end that boxes are looked for in."""

_BOX = re.compile(r"(?<!\\)\\++(?:boxed|fbox)(?![a-zA-Z])\s*")
_JOINED = re.compile(r"(?<![a-zA-Z])(?:and|or)(?![a-zA-Z])|[,;]|\\q?quad", re.IGNORECASE)
_APART = re.compile(
    r"\b(?:answer|therefore|thus|hence|so|then|because|since|total|final|finally|which|gives?|gets?|implies|wait|but|"
    r"actually|correct|check|where|if|case)\b|=>|⇒|\\implies|\\Rightarrow|\.\s+[A-Z]",
    re.IGNORECASE,
)
_ONLY_MARKS = re.compile(r"(?:[\s,;.$*&]|\\[\[\]()]|\\\\|\\q?quad|\\,|\\text\{[\s,]*(?:and|or)?[\s,]*\}|and|or)*")


def boxed(text: str) -> tuple[str, int]:
    """The last box with something in it, with its neighbours; and where it ends, or zero without any box."""
    text = text[-TAIL:]
    boxes: list[tuple[int, int, str]] = []
    for match in _BOX.finditer(text):
        if boxes and match.start() < boxes[-1][1]:
            continue  # a box in a box
        if match.end() < len(text) and text[match.end()] == "{":
            end = _closing(text, match.end())
            if end < 0:
                return "", len(text)
            boxes.append((match.start(), end + 1, text[match.end() + 1 : end]))
        elif plain := re.match(r"\s*([0-9A-Za-z]+)", text[match.end() : match.end() + 40]):
            boxes.append((match.start(), match.end() + plain.end(), plain[1]))
    filled = [box for box in boxes if _inside(box[2])]
    if not filled:
        return "", len(text) if boxes else 0
    parts = [_inside(filled[-1][2])]
    for at in range(len(filled) - 2, -1, -1):
        between = text[filled[at][1] : filled[at + 1][0]]
        if not _neighbours(between):
            break
        if (part := _inside(filled[at][2])) not in parts:
            parts.append(part)
    return " ; ".join(reversed(parts)), filled[-1][1]


def _inside(box: str) -> str:
    """Contents of a box, without a box around them in turn."""
    text = box.strip()
    for _ in range(4):
        if not (match := _BOX.match(text)) or not text.endswith("}") or _closing(text, match.end()) != len(text) - 1:
            break
        text = text[match.end() + 1 : -1].strip()
    return text if text.strip(" .,~$\\") else ""


def _closing(text: str, opening: int) -> int:
    """Where the brace at `opening` closes, or -1."""
    depth = 0
    at = opening
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 2
            continue
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return -1


def _neighbours(between: str) -> bool:
    """Whether boxes with this between them are parts of one answer."""
    if _ONLY_MARKS.fullmatch(between):
        return True
    return len(between) < 70 and bool(_JOINED.search(between)) and not _APART.search(between)
