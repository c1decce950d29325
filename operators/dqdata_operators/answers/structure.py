r"""What an answer is made of: numbers and expressions, and what holds them.

>>> read(r"\left(\frac{1}{2}, 3\right]")
Tuple(opening='(', items=(Scalar(text='\\frac{1}{2}', ...), Scalar(text='3', ...)), closing=']')

    Scalar        one number or expression, with a unit:   3\sqrt{2}   18 dollars   28\%   52_8
    Several       more than one answer, in no order:       1, -2       6 and 8      1 \pm \sqrt{19}
    Tuple         an ordered tuple, a point, an interval:  (3, 4]      (1, -16, 4)
    Braces        a finite set:                            \{1, 2\}
    Union         of intervals and sets:                   (2, 12) \cup (12, 102)
    Chain         equation or inequality:                  x = 5       -2 \le x < 7    x \in [1, 2]
    Matrix        rows of cells:                           \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}
    Ratio         3 : 4
    Clock         3:30 p.m.
    Words         Evelyn, no solution, (C)
    Opaque        mathematics that only sympy may read:    \int_0^1 x\,dx
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from dqdata_operators.answers.expression import Call, Node, Num, NotMath, Sym, parse_expression
from dqdata_operators.answers.notation import LONGEST, UNIT_CLOSES, UNIT_OPENS, balanced, normalise, top_level
from dqdata_operators.answers.numbers import literal, words_to_number
from dqdata_operators.answers.words import NO_UNIT, Unit, unit_of

MOST_ITEMS = 200


class Unreadable(ValueError):
    """The text is no answer that can be compared with another."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """text: as normalised. base: the subscript of 52_8. percent: whether % was written; `node` is without it."""

    text: str
    node: Node
    unit: Unit = NO_UNIT
    percent: bool = False
    base: int | None = None


@dataclass(frozen=True, slots=True)
class Several:
    items: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Tuple:
    opening: str
    items: tuple[Answer, ...]
    closing: str


@dataclass(frozen=True, slots=True)
class Braces:
    items: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Union:
    parts: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """parts[0] ops[0] parts[1] ...: as normalised text, since `f(x)` or `AB` is a name on one side only."""

    parts: tuple[str, ...]
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    rows: tuple[tuple[Answer, ...], ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    parts: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """half: "a", "p" or nothing."""

    hour: int
    minute: int
    half: str


@dataclass(frozen=True, slots=True)
class Words:
    text: str


@dataclass(frozen=True, slots=True)
class Opaque:
    text: str


Answer: TypeAlias = "Scalar | Several | Tuple | Braces | Union | Chain | Matrix | Ratio | Clock | Words | Opaque"

_OPS = re.compile(r"\\(le|ge|ne|approx|in|notin|equiv|subset|subseteq)(?![a-zA-Z])|(<|>|=)")
_AND = re.compile(r"\s*[,;]?\s*(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])\s*")
_CUP = re.compile(r"\\cup(?![a-zA-Z])")
_PLUS_MINUS = re.compile(r"\\(?:pm|mp)(?![a-zA-Z])")
_BASED = re.compile(r"\(?\s*([0-9A-F][0-9A-Fa-f]*)\s*\)?\s*_\s*\{?\s*([0-9]{1,2}|two|three|eight|ten)\s*\}?")
_NAMED_BASES = {"two": 2, "three": 3, "eight": 8, "ten": 10}
_MATRIX = re.compile(
    r"\[?\s*\\begin\{([a-zA-Z]*matrix|array)\}(?:\{[lcr|@ ]*\})?(.*?)\\end\{\1\}\s*\]?(\s*\^\s*\{?\s*T\s*\}?)?", re.DOTALL
)
_SETBUILDER = re.compile(r"\\\{\s*[^|:]{1,40}?\s*[|:]\s*(.*)\\\}", re.DOTALL)
_REALS = re.compile(r"\\mathbb\s*\{?\s*R\s*\}?|\\R(?![a-zA-Z])|\\mathbb\s*R")
_UNIT_TAIL = re.compile(r"(?P<tail>(?:\s*+(?:[A-Za-z][A-Za-z'.\-]*+|°|/|\(|\)|,)(?:\s*\^\s*\{?\s*-?[1-9]\s*\}?)?)+)\s*$")
_COMPOUND_PART = re.compile(rf"([0-9]+(?:\.[0-9]+)?)\s*{UNIT_OPENS}?\s*([A-Za-z]+)")
_COMPOUND = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?\s*[A-Za-z]+\.?(?:\s*,?\s*(?:and\b)?\s*)){2,4}")
_TIME = re.compile(r"([0-9]{1,2})(?::([0-5][0-9]))?\s*(?:([aApP])\.?\s?[mM]\.?)?")
_EVERYDAY = re.compile(r"[0-9})%]\s+(?!(?:and|or|to|sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|pi)\b)(?:[A-Za-z]{3,}|per\b)")
_TITLE = re.compile(r"[A-Za-z]{3,}[A-Za-z ,.'\-]*[0-9 ,]*", re.ASCII)
_TRIGONOMETRIC = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)")
_KNOWN_TAIL = re.compile(r"[0-9})]\s+[a-z]{2,4}(?:\s*\^\s*\{?\s*[1-9]\s*\}?)?$|[0-9]\s*(?:cm|mm|km|kg|mg|ml|mph)(?:\^[23])?$")
_HAS_MATH = re.compile(r"[0-9=<>^_+*/|\\{}]")
_WORD_LIST = re.compile(r"[^\W\d_]+", re.UNICODE)


@functools.lru_cache(maxsize=2048)
def read(text: str) -> Answer:
    """The structure of one answer. Raises Unreadable where there is none."""
    number = literal(text)
    if number is not None:
        return Scalar(text.strip(), Num(number.value, number.decimals, number.digits), percent=number.percent)
    if len(text) > LONGEST:
        raise Unreadable("too long")
    plain = normalise(text)
    if not any(char.isalnum() for char in plain) and "\\" not in plain:
        raise Unreadable("nothing to read")
    if not balanced(plain.replace("\\{", "(").replace("\\}", ")")):
        raise Unreadable("braces don't match")
    return _read(plain, 0)


def read_list(text: str) -> Answer | None:
    """The other reading of commas between digits: 144,233,377 as three numbers; 1000,99 as a decimal."""
    plain = normalise(text)
    if re.fullmatch(r"-?[0-9]+(?:,-?[0-9]+)+", plain):
        return Several(tuple(_read(part, 1) for part in plain.split(",")))
    return None


def read_decimal_comma(text: str) -> Answer | None:
    match = re.fullmatch(r"(-?)([0-9]+),([0-9]+)", normalise(text))
    if match is None:
        return None
    number = literal(f"{match[1]}{match[2]}.{match[3]}")
    return None if number is None else Scalar(text, Num(number.value, number.decimals, number.digits))


def _read(text: str, depth: int) -> Answer:
    if depth > 12:
        raise Unreadable("too deep")
    text = text.strip()
    while text[:1] == "{" and text[-1:] == "}" and _spans(text):
        text = text[1:-1].strip()
    if not text:
        raise Unreadable("empty part")
    number = literal(text)
    if number is not None:
        return Scalar(text, Num(number.value, number.decimals, number.digits), percent=number.percent)
    for reader in (_compound, _clock, _several, _matrix, _chain, _set_algebra, _bracketed, _ratio, _based, _plus_minus):
        found = reader(text, depth)
        if found is not None:
            return found
    return _scalar(text)


def _spans(text: str) -> bool:
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


def _compound(text: str, depth: int) -> Answer | None:
    """2 hours 10 minutes, 5 feet and 3 inches: one value, in the last unit."""
    if depth or not _COMPOUND.fullmatch(text.replace(UNIT_OPENS, " ").replace(UNIT_CLOSES, " ").strip()):
        return None
    parts = [(Fraction(n), unit_of(word)) for n, word in _COMPOUND_PART.findall(text)]
    units = [unit for _, unit in parts if unit is not None and unit.dimension]
    if len(units) != len(parts) or len({unit.dimension for unit in units}) != 1:
        return None
    sizes = [Fraction(repr(unit.factor)) for unit in units]
    if sizes != sorted(sizes, reverse=True) or len(set(sizes)) != len(sizes):
        return None
    total = sum((n * size for (n, _), size in zip(parts, sizes, strict=True)), Fraction(0)) / sizes[-1]
    return Scalar(text, Num(total), units[-1])


def _clock(text: str, depth: int) -> Answer | None:
    match = _TIME.fullmatch(text.replace(UNIT_OPENS, "").replace(UNIT_CLOSES, ""))
    if match is None or int(match[1]) > 24:
        return None
    minute, half = match[2] or "0", (match[3] or "").lower()
    if not half and not minute.startswith("0"):
        return None  # 3:20 may be a ratio
    return Clock(int(match[1]), int(minute), half) if half or match[2] else None


def _several(text: str, depth: int) -> Answer | None:
    if "matrix" in text or "array" in text:
        return None
    groups = [part for part in top_level(text, ";") if part.strip()]
    if ";" not in text or len(groups) < 2:
        groups = [part for part in _split_words(text) if part.strip()]
    if len(groups) < 2:
        parts = [part for part in top_level(text, ",") if part.strip()]
        if len(parts) < 2 or _described(parts):
            return None
        return _collect([_read(part, depth + 1) for part in parts])
    items = [_read(group, depth + 1) for group in groups]
    sizes = {len(item.items) if isinstance(item, Several) else 1 for item in items}
    if ";" in text and len(sizes) == 1 and sizes != {1}:  # p=5, q=2; p=7, q=2 is a list of pairs
        return Several(tuple(Tuple("(", item.items, ")") for item in items if isinstance(item, Several)))
    flat = [part for item in items for part in (item.items if isinstance(item, Several) else (item,))]
    return _collect(flat)


def _collect(items: list[Answer]) -> Answer:
    if len(items) > MOST_ITEMS:
        raise Unreadable("too many answers")
    return Several(tuple(part for item in items for part in (item.items if isinstance(item, Several) else (item,))))


def _described(parts: list[str]) -> bool:
    """Whether commas belong to prose: `5, since it is odd`. A comma between two prose parts is no list of answers."""
    return all(len(_WORD_LIST.findall(part)) >= 4 and not _HAS_MATH.search(part) for part in parts)


def _split_words(text: str) -> list[str]:
    """At `and` and `or` outside brackets."""
    pieces: list[str] = []
    start = 0
    for match in _AND.finditer(text):
        before = text[: match.start()]
        if sum(before.count(c) for c in "([{") == sum(before.count(c) for c in ")]}"):
            pieces.append(text[start : match.start()])
            start = match.end()
    pieces.append(text[start:])
    return pieces


def _matrix(text: str, depth: int) -> Answer | None:
    if "\\begin" not in text:
        return None
    inner = text[1:-1].strip() if text[:1] == "(" and text[-1:] == ")" else text
    match = _MATRIX.fullmatch(inner)
    if match is None or "\\begin" in match[2]:
        return Opaque(text)
    body = re.sub(r"\\(?:hline|cline\{[^}]*\})", "", match[2])
    rows = [row for row in re.split(r"\\\\(?:\[[^\]]*\])?|\\cr", body) if row.strip()]
    cells = [[_read(cell, depth + 1) for cell in row.split("&")] for row in rows]
    if not cells or len({len(row) for row in cells}) != 1:
        raise Unreadable("rows of different length")
    if match[3]:
        cells = [list(column) for column in zip(*cells, strict=True)]
    return Matrix(tuple(tuple(row) for row in cells))


def _chain(text: str, depth: int) -> Answer | None:
    parts: list[str] = []
    ops: list[str] = []
    start = 0
    for match in _OPS.finditer(text):
        before = text[: match.start()]
        if sum(before.count(c) for c in "([{") != sum(before.count(c) for c in ")]}"):
            continue
        parts.append(text[start : match.start()].strip())
        ops.append(match[1] or match[2])
        start = match.end()
    if not ops:
        return None
    parts.append(text[start:].strip())
    if not parts[-1]:
        raise Unreadable("a relation to nothing")
    if not parts[0]:  # `= 5`
        return _read(parts[-1], depth + 1) if set(ops) <= {"=", "approx"} else None
    if not all(parts) or len(parts) > 30:
        raise Unreadable("a relation to nothing")
    return Chain(tuple(parts), tuple(ops))


def _set_algebra(text: str, depth: int) -> Answer | None:
    parts = _CUP.split(text)
    if len(parts) > 1:
        return Union(tuple(_read(part, depth + 1) for part in parts))
    if _REALS.fullmatch(text):
        infinity = Sym("\\infty")
        return Tuple("(", (Scalar("-\\infty", Call("neg", (infinity,))), Scalar("\\infty", infinity)), ")")
    removed = re.fullmatch(rf"(?:{_REALS.pattern})\s*(?:\\(?:setminus|backslash)|\\(?=\\\{{)|-)\s*(\\\{{.*\\\}})", text)
    if removed is not None:
        holes = _read(removed[1], depth + 1)
        if isinstance(holes, Braces):
            names = tuple(item.text for item in holes.items if isinstance(item, Scalar))
            return Chain(("x", *names), ("ne",) * len(names)) if len(names) == 1 else Opaque(text)
    return None


def _bracketed(text: str, depth: int) -> Answer | None:
    if text.startswith("\\{") and text.endswith("\\}"):
        builder = _SETBUILDER.fullmatch(text)
        if builder is not None and _OPS.search(builder[1]):
            return _read(builder[1], depth + 1)
        inner = text[2:-2].strip()
        if not inner:
            return Words("empty set")
        found = _read(inner, depth + 1)
        return Braces(found.items if isinstance(found, Several) else (found,))
    if text[:1] not in ("(", "[", "]") or text[-1:] not in (")", "]", "["):
        return None
    opening, closing = text[0], text[-1]
    if opening == "]" or closing == "[":  # ]2, 3[ : the open interval of other countries
        opening, closing = "(" if opening == "]" else "[", ")" if closing == "[" else "]"
    elif not _spans(text):
        return None
    parts = top_level(text[1:-1], ",;")
    if len(parts) < 2:
        if opening == closing or (opening, closing) == ("(", ")"):
            inner_answer = _read(text[1:-1], depth + 1)
            return None if isinstance(inner_answer, Words | Scalar) else inner_answer
        return None
    if len(parts) > MOST_ITEMS:
        raise Unreadable("too many items")
    return Tuple(opening, tuple(_read(part, depth + 1) for part in parts), closing)


def _ratio(text: str, depth: int) -> Answer | None:
    parts = top_level(text, ":")
    if len(parts) < 2:
        match = re.fullmatch(r"([0-9.]+)\s+to\s+([0-9.]+)", text)
        if match is None:
            return None
        parts = [match[1], match[2]]
    try:
        items = tuple(_read(part, depth + 1) for part in parts)
    except Unreadable:
        return None
    return Ratio(items) if all(isinstance(item, Scalar) and item.unit == NO_UNIT for item in items) else None


def _based(text: str, depth: int) -> Answer | None:
    match = _BASED.fullmatch(text)
    if match is None:
        return None
    base = _NAMED_BASES.get(match[2]) or int(match[2])
    try:
        number = int(match[1], base) if 2 <= base <= 36 and len(match[1]) <= 200 else None
    except ValueError:
        number = None
    if number is None:
        return None
    return Scalar(match[1].upper(), Num(Fraction(number)), base=base)


def _plus_minus(text: str, depth: int) -> Answer | None:
    if not _PLUS_MINUS.search(text):
        return None
    both = []
    for sign in ("+", "-"):
        other = "-" if sign == "+" else "+"
        signed = re.sub(r"\\pm(?![a-zA-Z])", sign, text)
        both.append(_read(re.sub(r"\\mp(?![a-zA-Z])", other, signed), depth + 1))
    return _collect(both)


def _scalar(text: str) -> Answer:
    """One value with its unit, else words, else something for sympy."""
    percent = False
    bare = text
    if bare.endswith("%"):
        bare, percent = bare[:-1].rstrip(), True
    if UNIT_OPENS in bare:
        marked = _marked_unit(bare)
        if marked is not None:
            return marked
        bare = bare.replace(UNIT_OPENS, "").replace(UNIT_CLOSES, "")
    number = words_to_number(bare) if bare[:1].isalpha() else None
    if number is not None:
        return Scalar(bare, Num(Fraction(number)), percent=percent)
    everyday = _EVERYDAY.search(bare) is not None
    if everyday or _KNOWN_TAIL.search(bare) or (bare.endswith("°") and not _TRIGONOMETRIC.search(bare)):
        with_unit = _with_unit(bare, known=not everyday)
        if with_unit is not None:
            return with_unit
    try:
        return Scalar(bare, parse_expression(bare), percent=percent)
    except NotMath:
        pass
    with_unit = _with_unit(bare)
    if with_unit is not None:
        return with_unit
    if not _HAS_MATH.search(bare.replace("\\emptyset", "")) or _mostly_words(bare) or (len(bare) < 200 and _TITLE.fullmatch(bare)):
        return Words("empty set" if "\\emptyset" in bare else bare)
    return Opaque(text)


def _marked_unit(text: str) -> Scalar | None:
    """A value before upright text: 5 «m», 3\\pi «cm» ^2."""
    value, _, tail = text.partition(UNIT_OPENS)
    value = value.rstrip(" /")
    if value.endswith("°"):
        value, tail = value[:-1].rstrip(), "°" + tail
    unit = unit_of(tail.replace(UNIT_OPENS, "").replace(UNIT_CLOSES, ""))
    node, percent = _node(value)
    return None if unit is None or node is None else Scalar(value, node, unit, percent)


def _node(value: str) -> tuple[Node | None, bool]:
    """The expression before a unit, and whether it is a percentage."""
    number = literal(value)
    if number is not None:
        return Num(number.value, number.decimals, number.digits), number.percent
    spelled = words_to_number(value) if value.isascii() and value[:1].isalpha() else None
    if spelled is not None:
        return Num(Fraction(spelled)), False
    if re.fullmatch(r"[A-Za-z ]{2,}", value):
        return None, False  # `no` of `no solution` is no product
    try:
        return parse_expression(value), False
    except NotMath:
        return None, False


def _with_unit(text: str, *, known: bool = False) -> Scalar | None:
    """A value and, after it, words that may be a unit: the shortest value that leaves a unit behind. known: only
    units of a dimension, since `5 xy` may be a product."""
    match = _UNIT_TAIL.search(text)
    if match is None:
        return None
    tail = text[match.start() :]
    for at in range(match.start(), len(text)):
        if at > match.start() and not (text[at - 1] in " )}°" or text[at] in " °" or text[at - 1].isdigit()):
            continue
        unit = unit_of(text[at:].strip(), upright=False)
        if unit is None or (known and not unit.dimension):
            continue
        value = text[:at].strip()
        node, percent = _node(value)
        if node is not None:
            return Scalar(value, node, unit, percent)
    if known:
        return None
    first, _, rest = tail.strip().partition(" ")
    spelled = words_to_number(first) if match.start() == 0 and rest else None
    unit = unit_of(rest) if spelled is not None else None
    return Scalar(first, Num(Fraction(spelled)), unit) if spelled is not None and unit is not None else None


def _mostly_words(text: str) -> bool:
    words = [word for word in _WORD_LIST.findall(re.sub(r"\\[a-zA-Z]+", " ", text)) if len(word) > 2]
    return len(words) >= 2 and sum(map(len, words)) > len(text) / 2
