r"""Units by dimension, currencies, and the words after a number.

>>> unit_of("km/h").dims, unit_of("square centimeters").factor
((('length', 1), ('time', -1)), Fraction(1, 10000))
>>> unit_of("boys"), unit_of("x") is None
(Unit(dims=(), factor=Fraction(1, 1), words=('boy',), per=()), True)

A unit is a product of powers of base dimensions with a factor to SI base units (kilogram, metre, second); a volume is a
length to the third, so a litre is 1/1000 m^3. Each currency is a dimension of its own. Months and years are apart from
seconds, since a month has no fixed length. Names follow the SI Brochure (9th edition) and NIST Special Publication 811.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from dqdata_operators.lib.maths.expression import FUNCTIONS
from dqdata_operators.lib.maths.unit_tables import (
    CJK_UNITS,
    COUNTED,
    COUNTERS,
    CURRENCIES,
    NAMES,
    SYMBOLS,
    Dims,
    fraction,
)
from dqdata_operators.lib.maths.words import NEUTRAL, is_pole
from dqdata_operators.lib.texts.number_words import SCALES


class Unit(NamedTuple):
    """dims: exponents of base dimensions, in the order of their names; empty where there is no unit. factor: size in
    base units. words: other words after the number, singular. per: the dimensions that stand after the word "per"."""

    dims: Dims
    factor: Fraction
    words: tuple[str, ...] = ()
    per: Dims = ()


NO_UNIT = Unit((), Fraction(1))


_WORD = re.compile(
    r"([A-Za-z]+\$|[A-Za-z°µμΩ℃℉]+|[$€£¥₹₽₩¢])(?:'s?\b)?\.?\s*(?:\^\s*\(?\s*\{?\s*([-−]?\s*[1-9])\s*\}?\s*\)?|([23])(?![0-9]))?"
)
_MATH_WORDS = FUNCTIONS | frozenset(
    ["pi", "and", "or", "to", "infinity", "inf", "oo", "theta", "if", "for", "where", "not", "no", "than", *SCALES]
)
EACH = re.compile(
    r"(?<=[0-9a-z] )(?<!half )(?<!of )(?<!and )(?<!quarter )(?:an?|every)\s+"
    r"(?=(?:second|minute|hour|day|night|week|month|year|mile|gallon|pound|person|piece)\b)",
    re.IGNORECASE,
)
"""`a day` after a value, which is `per day`."""
_POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
_IRREGULAR = {
    "feet": "foot", "men": "man", "women": "woman", "children": "child", "mice": "mouse", "geese": "goose",
    "people": "person", "teeth": "tooth", "halves": "half", "loaves": "loaf", "knives": "knife", "leaves": "leaf",
    "days": "day", "boys": "boy", "ways": "way", "toys": "toy", "keys": "key", "trays": "tray", "dice": "die",
}  # fmt: skip


def singular(word: str) -> str:
    """The singular of an English word, by rule.

    >>> [singular(word) for word in ("boys", "boxes", "cities", "glass", "children")]
    ['boy', 'box', 'city', 'glass', 'child']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


def _cjk(text: str) -> str | None:
    """The unit in Latin letters, an empty string for a counting word; None for anything else."""
    if text in CJK_UNITS:
        return CJK_UNITS[text] if CJK_UNITS[text].isascii() else None
    if len(text) == 1 and text in COUNTERS:
        return ""
    for divider in ("/", "每"):
        top, found, bottom = text.partition(divider)
        if found and top in CJK_UNITS and bottom in CJK_UNITS:
            return f"{CJK_UNITS[top]}/{CJK_UNITS[bottom]}"
    if text[0] in COUNTERS and len(text) <= 6:  # 个苹果: a counting word and its noun
        return ""
    return None


def known(word: str, *, upright: bool = True) -> tuple[Dims, Fraction] | None:
    """Dimensions and factor of one word. upright: whether single letters may be units."""
    if len(word) == 1 and word.isascii() and word.isalpha() and not upright:
        return None
    return SYMBOLS.get(word) or NAMES.get(word.lower())


@functools.lru_cache(maxsize=4096)
def unit_of(text: str, *, upright: bool = True) -> Unit | None:
    """The unit and the words that this text is, whole; None where a part of it is neither.

    upright: whether single letters and short symbols may be units (`\\text{m}`, or prose), not variables.
    """
    text = text.strip(" .,;")
    if not text:
        return NO_UNIT
    if len(text) > 160:
        return None
    if not text.isascii():
        if (plain := _cjk(text)) is not None:
            return unit_of(plain)
        if any("\u3040" <= char <= "\u9fff" for char in text):
            return None
    powers: dict[str, int] = {}
    after: dict[str, int] = {}
    factor = Fraction(1)
    words: list[str] = []
    pending, below, spelled = 0, False, False
    last: tuple[Dims, Fraction, int] | None = None
    found: tuple[Dims, Fraction] | None
    for word, exponent, divided, final in _tokens(text):
        if word is None:
            return None
        lower = word.lower()
        if divided:
            below, spelled = True, False
        if lower == "to" and re.search(r"to\s+the\s+(?:left|right|north|south|east|west)\W*\Z", text, re.IGNORECASE):
            continue
        if lower in ("squared", "cubed") and last is not None:
            found, power = last[:2], last[2] * (_POWERS[lower] - 1)
        elif lower == "per":
            below, spelled = True, True
            continue
        elif lower == "half":
            factor /= 2
            continue
        elif lower in _POWERS:
            pending = _POWERS[lower]
            continue
        elif word == "in":
            found = NAMES["inch"] if final and (upright or divided or exponent or pending) else None
            power = (exponent or pending or 1) * (-1 if below else 1)
        else:
            found = known(word, upright=upright)
            power = (exponent or pending or 1) * (-1 if below else 1)
        if found is not None:
            for dim, each in found[0]:
                powers[dim] = powers.get(dim, 0) + each * power
                if spelled and power < 0:
                    after[dim] = after.get(dim, 0) + each * power
            factor *= found[1] ** power
            pending, below, last = 0, False, (*found, power)
        elif lower in _MATH_WORDS or _is_letters(word) or (exponent is not None and singular(lower) not in NEUTRAL):
            return None
        else:
            if pending:
                words.append("square" if pending == 2 else "cubic")
            words.append(f"per {singular(lower)}" if below else singular(lower))
            pending, below = 0, False
    dims = tuple(sorted((dim, power) for dim, power in powers.items() if power))
    kept = tuple(word for word in words if word not in NEUTRAL or is_pole(word))
    return Unit(dims, factor, kept, tuple(sorted(after.items())))


def _is_letters(word: str) -> bool:
    """Whether this may be a product of letters: short, and no word that is known."""
    return len(word) < 3 and word.lower() not in NEUTRAL and not is_pole(word.lower())


def _tokens(text: str) -> Iterator[tuple[str | None, int | None, bool, bool]]:
    """Word, exponent, whether a slash stands before it, whether it is the last; a None word where nothing reads."""
    at, divided = 0, False
    while at < len(text):
        if text[at] in " *·-(),":
            at += 1
            continue
        if text[at] == "/":
            divided = True
            at += 1
            continue
        match = _WORD.match(text, at)
        if match is None:
            yield None, None, False, False
            return
        at = match.end()
        raised = match[2] or match[3]
        exponent = int(raised.replace("−", "-").replace(" ", "")) if raised else None
        yield match[1], exponent, divided, not text[at:].strip(" *·-(),")
        divided = False


def is_money(dims: Dims) -> bool:
    return bool(dims) and all(name in CURRENCIES for name, _ in dims)


def countable(dims: Dims) -> bool:
    """Whether these dimensions, money or a count, are no physical quantity."""
    return all(name in COUNTED for name, _ in dims)


def multiplied(unit: Unit, other: Unit) -> Unit:
    powers = dict(unit.dims)
    for name, power in other.dims:
        powers[name] = powers.get(name, 0) + power
    dims = tuple(sorted((name, power) for name, power in powers.items() if power))
    return Unit(dims, unit.factor * other.factor, unit.words + other.words, unit.per + other.per)


def minus(dims: Dims, other: Dims) -> Dims:
    powers = dict(dims)
    for name, power in other:
        powers[name] = powers.get(name, 0) - power
    return tuple(sorted((name, power) for name, power in powers.items() if power))


_SAME_MONEY = {"cent": {"USD": Fraction(1, 100), "EUR": Fraction(1, 100)}, "penny": {"USD": Fraction(1, 100)}}
_SAME_MONEY["penny"]["GBP"] = _SAME_MONEY["penny"]["cent"] = Fraction(1, 100)
_SAME_MONEY["penny"]["cent"] = Fraction(1)
_SAME_MONEY["quarter"] = {"USD": Fraction(1, 4), "cent": Fraction(25)}
_SAME_MONEY["¥"] = {"JPY": Fraction(1), "CNY": Fraction(1)}  # the sign of both


_INEXACT: dict[tuple[str, str], tuple[str, ...]] = {
    ("months", "time"): ("2419200", "2505600", "2592000", "2678400", "2620800", "2628000", "2629800"),
    ("ton", "mass"): ("907.18474", "1000", "1016.0469088"),
    ("angle", ""): ("1/57.295779513082320876798", "1/360"),
}
"""Sizes that one unit may have in another: days of a month, a part of a year, short and long tons, what is counted by
angle."""


def conversions(unit: Unit, other: Unit) -> tuple[Fraction, ...]:
    """What a number in `unit` may be multiplied by to be one in `other`: one factor by rule, several where the unit has
    no fixed size, none where the dimensions contradict each other."""
    if unit.dims == other.dims:
        return (unit.factor / other.factor,)
    mine, theirs = dict(unit.dims), dict(other.dims)
    ratio = unit.factor / other.factor
    for a, b, turned in ((mine, theirs, False), (theirs, mine, True)):
        for name, rates in _SAME_MONEY.items():
            for currency, rate in rates.items():
                if name in a and currency in b and _swapped(a, name, currency) == b:
                    return (ratio / rate ** a[name] if turned else ratio * rate ** a[name],)
        if a.get("mass") == 1 and b.get("GBP") == 1 and _swapped(a, "mass", "GBP") == b:
            pound = NAMES["pound"][1]
            return (ratio * (pound if turned else 1 / pound),)
        for (name, into), sizes in _INEXACT.items():
            if name in a and (_swapped(a, name, into) if into else _without(a, name)) == b:
                powers = [fraction(size) ** a[name] for size in sizes]
                return tuple(ratio / size if turned else ratio * size for size in powers)
    return ()


def _without(powers: dict[str, int], name: str) -> dict[str, int]:
    return {key: power for key, power in powers.items() if key != name}


def _swapped(powers: dict[str, int], name: str, other: str) -> dict[str, int]:
    return {other if key == name else key: power for key, power in powers.items()}
