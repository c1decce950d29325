r"""Answers in brackets: tuples, intervals, sets, and unions and differences of sets.

>>> from dqdata_operators.lib.maths.structure import read
>>> read("]2;5]").opening, read("]2;5]").closing, read(r"\{1, 2\}").items[1].text
('(', ']', '2')
"""

from __future__ import annotations

import re
from collections.abc import Callable

from dqdata_operators.lib.maths.expression import Call, Num, Sym
from dqdata_operators.lib.maths.notation import normalise, top_level
from dqdata_operators.lib.maths.numbers import Literal, literal
from dqdata_operators.lib.maths.qualifiers import qualifier
from dqdata_operators.lib.maths.shapes import (
    Answer,
    Braces,
    Except,
    Intersection,
    Opaque,
    Qualified,
    Scalar,
    Several,
    Tuple,
    Union,
    Unreadable,
    Words,
)
from dqdata_operators.lib.maths.units import NO_UNIT, Unit, known

Reader = Callable[[str, int], Answer]

MOST_ITEMS = 200
REALS = re.compile(r"\\mathbb\s*\{?\s*R\s*\}?|\\R(?![a-zA-Z])|\\mathbb\s*R")
_CAP = re.compile(r"\\cap(?![a-zA-Z])")
_SETMINUS = re.compile(r"\\(?:setminus|backslash)(?![a-zA-Z])|\\(?=\\\{)")
_CUP = re.compile(r"\\cup(?![a-zA-Z])")
_SETBUILDER = re.compile(r"\\\{\s*([^|:]{1,60}?)\s*(?:\\mid|[|:])\s*(.*)\\\}", re.DOTALL)
_LETTER = re.compile(r"\A(?:\\?[A-Za-z]|\(.*)\Z|\\in(?![a-z])")
"""What a set is defined by where it names its elements alone: x, (x, y), x \\in \\mathbb{Z}."""
_RELATION = re.compile(r"[<>=]|\\(?:le|ge|ne|in|notin)(?![a-zA-Z])")
_COMMA_END = re.compile(r"\s*-?[0-9]+(?:,[0-9]+)?\s*")
INFINITY = Sym("\\infty")
ALL_REALS = Tuple("(", (Scalar("-\\infty", Call("neg", (INFINITY,))), Scalar("\\infty", INFINITY)), ")")


def plain_number(text: str, number: Literal) -> Scalar:
    unit = NO_UNIT
    if number.currency:
        found = known(number.currency)
        unit = Unit(*found) if found else NO_UNIT
    return Scalar(text, Num(number.value, number.decimals, number.digits), unit, number.percent)


def read_decimal_comma(text: str) -> Scalar | None:
    """3,5 as a decimal."""
    match = re.fullmatch(r"(-?)([0-9]+),([0-9]+)(\s*%?)", normalise(text))
    number = literal(f"{match[1]}{match[2]}.{match[3]}{match[4]}") if match else None
    return None if number is None else plain_number(text, number)


def spans(text: str) -> bool:
    """Whether the first bracket closes at the very end."""
    depth = 0
    for at, char in enumerate(text):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return at == len(text) - 1
    return False


def outward(text: str, depth: int, read: Reader) -> Answer | None:
    """]2;5[: the open interval of other countries, with decimal commas where a semicolon separates its ends."""
    if not (text[:1] == "]" or (text[:1] == "[" and text[-1:] == "[")) or text[-1:] not in "[]" or len(text) < 3:
        return None
    inside, separator = text[1:-1], ";" if ";" in text else ","
    if any(char in inside for char in "[]"):
        return None
    ends = inside.split(separator)
    if len(ends) != 2:
        return None
    items = tuple((read_decimal_comma(end) if separator == ";" else None) or read(end, depth + 1) for end in ends)
    return Tuple("(" if text[0] == "]" else "[", items, ")" if text[-1] == "[" else "]")


def set_algebra(text: str, depth: int, read: Reader) -> Answer | None:
    parts = _CUP.split(text)
    if len(parts) > 1:
        return Union(tuple(read(part, depth + 1) for part in parts))
    parts = _CAP.split(text)
    if len(parts) > 1:
        return Intersection(tuple(read(part, depth + 1) for part in parts))
    if REALS.fullmatch(text):
        return ALL_REALS
    removed = re.fullmatch(rf"(?:{REALS.pattern})\s*(?:\\(?=\\\{{)|-)\s*(\\\{{.*\\\}})", text)
    if removed is not None:
        holes = read(removed[1], depth + 1)
        return Except(holes.items) if isinstance(holes, Braces) else Opaque(text)
    parts = _SETMINUS.split(text)
    if len(parts) != 2 or not all(part.strip() for part in parts):
        return None
    whole, rest = (read(part, depth + 1) for part in parts)
    left = _others(rest)
    if left is None or not isinstance(whole, Tuple | Union | Intersection | Except):
        return Opaque(text)
    return left if whole == ALL_REALS else Intersection((whole, left))


def _others(removed: Answer) -> Answer | None:
    """The real numbers that are not in a set."""
    match removed:
        case Braces(items):
            return Except(items)
        case Tuple(opening, (Scalar() as low, Scalar() as high), closing):
            below = Tuple("(", (ALL_REALS.items[0], low), ")" if opening == "[" else "]")
            above = Tuple("(" if closing == "]" else "[", (high, ALL_REALS.items[1]), ")")
            return Union((below, above))
        case Union(parts):
            found = [_others(part) for part in parts]
            return None if None in found else Intersection(tuple(part for part in found if part is not None))
    return None


def bracketed(text: str, depth: int, read: Reader) -> Answer | None:
    if text.startswith("\\{") and text.endswith("\\}"):
        return braces(text, depth, read)
    if text[:1] not in ("(", "[") or text[-1:] not in (")", "]"):
        return None
    opening, closing = text[0], text[-1]
    if not spans(text):
        return None
    ends = text[1:-1].split(";")
    separators = ";" if len(ends) == 2 and all(map(_COMMA_END.fullmatch, ends)) else ",;"  # (0,5; 2,5)
    parts = top_level(text[1:-1], separators)
    if len(parts) < 2:
        if (opening, closing) in (("(", ")"), ("[", "]")):
            inner_answer = read(text[1:-1], depth + 1)
            return None if isinstance(inner_answer, Words | Scalar) else inner_answer
        return None
    if len(parts) > MOST_ITEMS:
        raise Unreadable("too many items")
    items = tuple((read_decimal_comma(part) if separators == ";" else None) or read(part, depth + 1) for part in parts)
    return Tuple(opening, items, closing)


def braces(text: str, depth: int, read: Reader) -> Answer | None:
    builder = _SETBUILDER.fullmatch(text)
    if builder is not None and _RELATION.search(builder[2]):
        if (member := qualifier(f"{builder[1]}, {builder[2]}")) is not None and not _LETTER.search(builder[1]):
            return Qualified(read(builder[1], depth + 1), member[1], member[2])
        found = read(builder[2], depth + 1)
        integers = re.search(r"\\in\s*\\mathbb\s*\{?\s*([ZN])", builder[1])
        return Qualified(found, (("", integers[1]),), builder[1]) if integers else Union((found,))
    inner = text[2:-2].strip()
    if not inner:
        return Words("empty set")
    found = read(inner, depth + 1)
    return Braces(found.items if isinstance(found, Several) else (found,))
