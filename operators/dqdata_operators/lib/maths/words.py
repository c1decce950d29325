r"""Units and words: what stands after a number, and answers that are no mathematics.

>>> unit_of("square centimeters"), unit_of("apples"), unit_of("x")
(Unit(dimension='length2', factor=0.0001), Unit(dimension='', factor=1.0), None)
>>> same_words("No real solutions.", "none")
True

A unit of the table is converted within its dimension (5 cents is 0.05 dollars). A word of no known dimension, such as
`apples`, is dropped, and so is a unit that only one side has.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from dqdata_operators.lib.maths.expression import FUNCTIONS
from dqdata_operators.lib.maths.numbers import SCALES


class Unit(NamedTuple):
    """dimension: "" where it says nothing that could contradict another unit. factor: to the dimension's base."""

    dimension: str
    factor: float


NO_UNIT = Unit("", 1.0)

_TABLE = {
    "length": "m meter metre 1; cm centimeter centimetre .01; mm millimeter millimetre .001; km kilometer kilometre "
    "1000; inch inche .0254; ft foot feet .3048; yd yard .9144; mi mile 1609.344; nm 1e-9",
    "time": "sec second 1; min minute 60; hr hour 3600; day 86400; week 604800; ms millisecond .001",
    "months": "month 1; year yr 12; decade 120; century 1200",
    "mass": "kg kilogram 1; gram .001; mg milligram 1e-6; lb pound .45359237; oz ounce .028349523125; ton 1000",
    "money": "dollar usd buck 1; cent .01",
    "yuan": "yuan rmb 1",
    "volume": "liter litre 1; ml milliliter millilitre .001; gallon gal 3.785411784; quart .946352946; pint .473176473",
    "angle": "degree deg 1; radian rad 57.29577951308232",
    "speed": "mph 1; kmh kph .621371192",
    "count": "dozen 12",
}
_SINGLE = {"m": ("length", 1.0), "g": ("mass", 0.001), "s": ("time", 1.0), "h": ("time", 3600.0)}
_SINGLE |= {"l": ("volume", 1.0), "L": ("volume", 1.0)}
_SILENT = frozenset(
    "N J W V A K C F Hz Pa kPa kW kJ mol rpm ohm degC °C °F Mb Gb MB GB kB sq cu rs pts ppm mA in".split()
)
"""Units that are only dropped. Single letters count as units in upright type alone, else they are variables."""


def _known() -> dict[str, tuple[str, float]]:
    known: dict[str, tuple[str, float]] = {}
    for dimension, line in _TABLE.items():
        for group in line.split(";"):
            *names, factor = group.split()
            for name in names:
                known[name] = known[name + "s"] = (dimension, float(factor))
    return known


_KNOWN = _known()
_WORD = re.compile(r"\(?([A-Za-z°]+)'?\.?\)?\s*(?:\^\s*\{?\s*(-?[1-9])\s*\}?)?")
_MATH_WORDS = FUNCTIONS | frozenset(
    ["pi", "and", "or", "to", "infinity", "inf", "oo", "theta", "if", "for", "where", "not", *SCALES]
)
_POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
_LITTLE = frozenset("a an the of in per each every total more less is are on at by with from its his her their".split())


@functools.lru_cache(maxsize=4096)
def unit_of(text: str, *, upright: bool = True) -> Unit | None:
    """The unit that this text is, whole: None where a part of it is no unit nor an everyday word.

    upright: whether single letters may be units (\\text{m}, or prose), not variables.
    """
    if not text.strip():
        return NO_UNIT
    if len(text) > 160:
        return None
    found: list[tuple[str, float]] = []
    words, power, silent = 0, 1, False
    at = 0
    text = text.strip()
    while at < len(text):
        if text[at] in " /*·-(),":
            silent = silent or text[at] == "/"
            at += 1
            continue
        match = _WORD.match(text, at)
        if match is None:
            return None
        at = match.end()
        word, lower = match[1], match[1].lower()
        words += 1
        if lower in _POWERS:
            power = _POWERS[lower]
        elif lower == "per":
            silent = True
        elif word == "°":
            found.append(("angle", 1.0))
        elif lower in _KNOWN or (word in _SINGLE and upright):
            dimension, factor = _KNOWN.get(lower) or _SINGLE[word]
            if not silent:
                found.append(_raised(dimension, factor, int(match[2] or power)))
            power = 1
        elif lower in _LITTLE or (word in _SILENT and (upright or len(word) > 1)):
            pass
        elif len(word) < 3 or lower in _MATH_WORDS:
            return None
        elif not silent:
            silent = len(found) > 0  # "5 dollars profit": what comes later is description
    if len(found) != 1 or "per" in text.split() or "/" in text:
        return NO_UNIT
    return Unit(*found[0])


def _raised(dimension: str, factor: float, power: int) -> tuple[str, float]:
    return (dimension, factor) if power == 1 else (f"{dimension}{power}", factor**power)


_GROUPS: dict[str, str] = {}
for _name, _variants in {
    "none": "no solution;no solutions;no real solution;no real solutions;none;empty set;the empty set;emptyset;"
    "no solution exists;no solutions exist;there is no solution;there are no solutions;no roots;no real roots;"
    "no such number exists;no such numbers;no such values;no value;no values;null set",
    "many": "infinitely many;infinitely many solutions;infinite;infinite solutions;infinite number of solutions;"
    "an infinite number;there are infinitely many;infinitely many values;all real numbers are solutions",
    "undefined": "undefined;does not exist;dne;not defined;limit does not exist;the limit does not exist",
    "yes": "yes;true;correct",
    "no": "no;false;incorrect",
    "impossible": "impossible;not possible;it is impossible;cannot be done",
    "reals": "all real numbers;all reals;the real numbers;mathbbr",
}.items():
    for _variant in _variants.split(";"):
        _GROUPS[_variant] = _name

_KEPT = re.compile(r"[^a-z0-9]+")
_ARTICLES = re.compile(r"^(?:the|a|an|is|are)\s+")


def plain_words(text: str) -> str:
    """Lower-case words and digits, one blank between; articles in front are dropped. Other scripts stay as they are."""
    lower = text.lower()
    words = _KEPT.sub(" ", lower) if lower.isascii() else re.sub(r"[\W_]+", " ", lower)
    return _ARTICLES.sub("", words.strip())


def same_words(left: str, right: str) -> bool:
    """Whether two answers in words say the same: equal after normalisation, or known synonyms."""
    a, b = plain_words(left), plain_words(right)
    if not a or not b:
        return False
    return a == b or a.replace(" ", "") == b.replace(" ", "") or (a in _GROUPS and _GROUPS[a] == _GROUPS.get(b))


def meaning(text: str) -> str:
    """Which group of synonyms these words belong to, or an empty string."""
    return _GROUPS.get(plain_words(text), "")


_LETTER = re.compile(
    r"\s*(?:option|choice|answer)?\s*(?:\(\s*([A-Za-z])\s*\)|([A-Z])\s*[.):]|([A-Z]))(?:\s*[.:)]?\s*$|\s*[.:)]?\s+\S.*)?",
    re.IGNORECASE | re.DOTALL,
)


def choice_letter(text: str) -> str:
    """The letter of `(C)`, `C.`, `C) 42` or `Option C`; an empty string for anything else.

    >>> choice_letter("(C) 15"), choice_letter("B"), choice_letter("x + 1")
    ('C', 'B', '')
    """
    match = _LETTER.fullmatch(text)
    if match is None:
        return ""
    bracketed, dotted, bare = match.groups()
    if bare is not None:
        rest = text.strip()
        named = re.match(r"(?:option|choice|answer)\b", rest, re.IGNORECASE)
        return bare.upper() if (rest == bare and bare.isupper()) or named else ""
    return (bracketed or dotted).upper()
