r"""Single values: what stands before a unit, in a base, on a clock, and what is only words.

>>> scalar("18 dollars").unit.dimension, based("52_8").node.value, clock("3:30 p.m.").minute
('money', Fraction(42, 1), 30)
"""

from __future__ import annotations

import re
from fractions import Fraction

from dqdata_operators.lib.maths.expression import Call, Node, NotMath, Num, Sym, parse_expression
from dqdata_operators.lib.maths.notation import UNIT_CLOSES, UNIT_OPENS
from dqdata_operators.lib.maths.numbers import literal, words_to_number
from dqdata_operators.lib.maths.shapes import Answer, Clock, Opaque, Scalar, Tuple, Words
from dqdata_operators.lib.maths.words import meaning, unit_of

_BASED = re.compile(r"\(?\s*([0-9A-F][0-9A-Fa-f]*)\s*\)?\s*_\s*\{?\s*([0-9]{1,2}|two|three|eight|ten)\s*\}?")
_NAMED_BASES = {"two": 2, "three": 3, "eight": 8, "ten": 10}
_UNIT_TAIL = re.compile(
    r"(?P<tail>(?:\s*+(?:[A-Za-z][A-Za-z'.\-]*+|°|/|\(|\)|,)(?:\s*\^\s*\{?\s*-?[1-9]\s*\}?)?)+)\s*$"
)
_COMPOUND_PART = re.compile(rf"([0-9]+(?:\.[0-9]+)?)\s*{UNIT_OPENS}?\s*([A-Za-z]+)")
_COMPOUND = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?\s*[A-Za-z]+\.?(?:\s*,?\s*(?:and\b)?\s*)){2,4}")
_TIME = re.compile(r"([0-9]{1,2})(?::([0-5][0-9]))?\s*(?:([aApP])\.?\s?[mM]\.?)?")
_EVERYDAY = re.compile(
    r"[0-9})%]\s+(?!(?:and|or|to|sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|pi)\b)(?:[A-Za-z]{3,}|per\b)"
)
_TITLE = re.compile(r"[A-Za-z]{3,}[A-Za-z ,.'\-]*[0-9 ,]*", re.ASCII)
_TRIGONOMETRIC = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)")
_KNOWN_TAIL = re.compile(
    r"[0-9})]\s+[a-z]{2,4}(?:\s*\^\s*\{?\s*[1-9]\s*\}?)?$|[0-9]\s*(?:cm|mm|km|kg|mg|ml|mph)(?:\^[23])?$"
)
_HAS_MATH = re.compile(r"[0-9=<>^_+*/|\\{}]")
_WORD_LIST = re.compile(r"[^\W\d_]+", re.UNICODE)


def compound(text: str, depth: int = 0) -> Answer | None:
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


def clock(text: str, depth: int = 0) -> Answer | None:
    match = _TIME.fullmatch(text.replace(UNIT_OPENS, "").replace(UNIT_CLOSES, ""))
    if match is None or int(match[1]) > 24:
        return None
    minute, half = match[2] or "0", (match[3] or "").lower()
    if not half and not minute.startswith("0"):
        return None  # 3:20 may be a ratio
    return Clock(int(match[1]), int(minute), half) if half or match[2] else None


def based(text: str, depth: int = 0) -> Answer | None:
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


def scalar(text: str) -> Answer:
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
        return Scalar(bare, Num(number), percent=percent)
    known = meaning(bare)
    if known == "reals":
        infinity = Sym("\\infty")
        return Tuple("(", (Scalar("-\\infty", Call("neg", (infinity,))), Scalar("\\infty", infinity)), ")")
    if known:
        return Words(bare)
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
    if (
        not _HAS_MATH.search(bare.replace("\\emptyset", ""))
        or _mostly_words(bare)
        or (len(bare) < 200 and _TITLE.fullmatch(bare))
    ):
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
        return Num(spelled), False
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
    return Scalar(first, Num(spelled), unit) if spelled is not None and unit is not None else None


def _mostly_words(text: str) -> bool:
    words = [word for word in _WORD_LIST.findall(re.sub(r"\\[a-zA-Z]+", " ", text)) if len(word) > 2]
    return len(words) >= 2 and sum(map(len, words)) > len(text) / 2
