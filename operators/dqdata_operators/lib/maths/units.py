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
from dqdata_operators.lib.maths.words import NEUTRAL, is_pole
from dqdata_operators.lib.texts.number_words import SCALES

Dims = tuple[tuple[str, int], ...]


class Unit(NamedTuple):
    """dims: exponents of base dimensions, in the order of their names; empty where there is no unit. factor: size in
    base units. words: other words after the number, singular. per: the dimensions that stand after the word "per"."""

    dims: Dims
    factor: Fraction
    words: tuple[str, ...] = ()
    per: Dims = ()


NO_UNIT = Unit((), Fraction(1))

_PREFIXES = {
    "": ("", 0), "k": ("kilo", 3), "M": ("mega", 6), "G": ("giga", 9), "T": ("tera", 12), "h": ("hecto", 2),
    "d": ("deci", -1), "c": ("centi", -2), "m": ("milli", -3), "µ": ("micro", -6), "\u03bc": ("micro", -6),
    "n": ("nano", -9), "p": ("pico", -12),
}  # fmt: skip
_METRIC = """
m meter metre; length 1
g gram gramme; mass .001
s second; time 1
L liter litre; length3 .001
l _; length3 .001
Hz hertz; time-1 1
N newton; mass length time-2 1
Pa pascal; mass length-1 time-2 1
J joule; mass length2 time-2 1
W watt; mass length2 time-3 1
A ampere amp; current 1
V volt; mass length2 time-3 current-1 1
C coulomb; current time 1
F farad; mass-1 length-2 time4 current2 1
Ω ohm; mass length2 time-3 current-2 1
T tesla; mass time-2 current-1 1
mol mole; amount 1
cal calorie; mass length2 time-2 4.184
eV electronvolt; mass length2 time-2 1.602176634e-19
Wh _; mass length2 time-2 3600
bit _; information 1
B byte; information 8
"""
"""Units that take prefixes: symbol, names; dimensions and factor."""
_PLAIN = """
minute min; time 60
sec; time 1
h hr hour; time 3600
day; time 86400
week wk; time 604800
fortnight; time 1209600
month mo; months 1
year yr; months 12
decade; months 120
century centurie; months 1200
inch inche; length .0254
foot feet ft; length .3048
yard yd; length .9144
mile mi; length 1609.344
lightyear; length 9460730472580800
acre; length2 4046.8564224
hectare ha; length2 10000
gallon gal; length3 .003785411784
quart qt; length3 .000946352946
pint pt; length3 .000473176473
cup; length3 .0002365882365
tablespoon tbsp; length3 .00001478676478125
teaspoon tsp; length3 .00000492892159375
cc; length3 .000001
pound lb; mass .45359237
ounce oz; mass .028349523125
stone; mass 6.35029318
ton; ton 1
tonne; mass 1000
mph; length time-1 .44704
mpg; length-2 1609.344/.003785411784
psi; mass length-1 time-2 6894.757293168
kmh kph kmph; length time-1 1/3.6
knot; length time-1 1852/3600
rpm; time-1 1/60
atm atmosphere; mass length-1 time-2 101325
bar; mass length-1 time-2 100000
degree deg °; angle 1
radian rad; angle 57.295779513082320876798
revolution rev; angle 360
celsius centigrade °C degC ℃; temperature_C 1
fahrenheit °F degF ℉; temperature_F 1
kelvin K; temperature_K 1
dollar USD buck $; USD 1
cent ¢; cent 1
dime; cent 10
nickel; cent 5
quarter; quarter 1
penny pennie; penny 1
pence p; GBP .01
euro EUR €; EUR 1
GBP £ sterling; GBP 1
yen JPY 円 ¥; JPY 1
yuan rmb CNY RMB 元; CNY 1
rupee Rs INR ₹; INR 1
paise paisa; INR .01
won KRW ₩; KRW 1
peso MXN; MXN 1
ruble rouble RUB ₽; RUB 1
franc CHF; CHF 1
real reai BRL R$; BRL 1
CAD C$; CAD 1
AUD A$; AUD 1
NZD; NZD 1
HKD; HKD 1
SGD; SGD 1
SEK; SEK 1
NOK; NOK 1
DKK; DKK 1
PLN zloty; PLN 1
TRY lira; TRY 1
THB baht; THB 1
VND dong; VND 1
IDR rupiah; IDR 1
PHP; PHP 1
ZAR; ZAR 1
dozen; dozen 12
gross; dozen 144
"""
_DIM = re.compile(r"([A-Za-z_]+?)(-?[0-9]*)\Z")


def _fraction(text: str) -> Fraction:
    top, _, bottom = text.partition("/")
    return Fraction(top) / Fraction(bottom or "1")


def _table() -> tuple[dict[str, tuple[Dims, Fraction]], dict[str, tuple[Dims, Fraction]]]:
    """Symbols, whose case counts, and names in lower case, each with dimensions and factor."""
    symbols: dict[str, tuple[Dims, Fraction]] = {}
    names: dict[str, tuple[Dims, Fraction]] = {}
    for line in _METRIC.strip().splitlines():
        head, dims, factor = _line(line)
        for prefix, (word, power) in _PREFIXES.items():
            size = factor * Fraction(10) ** power
            symbols.setdefault(prefix + head[0], (dims, size))
            for name in head[1:]:
                if name != "_":
                    names[word + name] = names[word + name + "s"] = (dims, size)
    for line in _PLAIN.strip().splitlines():
        head, dims, factor = _line(line)
        for name in head:
            if name.isascii() and name.islower() and len(name) > 1:
                names[name] = names[name + "s"] = (dims, factor)
            else:
                symbols[name] = (dims, factor)
    names["hertz"] = symbols["Hz"]
    names["kwh"], names["kg"], names["km"], names["cm"], names["mm"], names["ml"] = (
        symbols[name] for name in ("kWh", "kg", "km", "cm", "mm", "mL")
    )
    names["kgs"], names["kms"], names["cms"], names["mls"] = (names[name] for name in ("kg", "km", "cm", "ml"))
    for prefix, power in (("k", 3), ("K", 3), ("M", 6), ("G", 9), ("T", 12)):
        symbols[prefix + "b"] = (symbols["bit"][0], Fraction(10) ** power)
        symbols[prefix + "B"] = (symbols["B"][0], 8 * Fraction(10) ** power)
    for single in ("m", "g", "h", "s", "l"):
        names.pop(single, None)
    for clash in ("min", "cd", "ft", "pt", "Pm"):  # milli-inch and the like are not what is meant
        symbols.pop(clash, None)
    return symbols, names


def _line(line: str) -> tuple[list[str], Dims, Fraction]:
    head, _, rest = line.partition(";")
    *dims, factor = rest.split()
    powers = []
    for dim in dims:
        match = _DIM.fullmatch(dim)
        assert match is not None
        powers.append((match[1], int(match[2] or 1)))
    return head.split(), tuple(sorted(powers)), _fraction(factor)


_SYMBOLS, _NAMES = _table()
_CURRENCIES = frozenset(
    "USD cent EUR GBP JPY CNY INR KRW MXN RUB CHF BRL penny quarter CAD AUD NZD HKD SGD SEK NOK DKK PLN TRY THB VND "
    "IDR PHP ZAR".split()
)  # dimensions, not names
_COUNTED = frozenset([*_CURRENCIES, "dozen", "information"])
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
_CJK_UNITS = {
    "平方千米": "km^2", "平方公里": "km^2", "平方厘米": "cm^2", "平方分米": "dm^2", "平方米": "m^2",
    "立方厘米": "cm^3", "立方分米": "dm^3", "立方米": "m^3", "千米": "km", "公里": "km", "厘米": "cm",
    "毫米": "mm", "分米": "dm", "米": "m", "千克": "kg", "公斤": "kg", "毫克": "mg", "克": "g", "吨": "tonne",
    "毫升": "mL", "升": "L", "分钟": "min", "分鐘": "min", "小时": "hour", "小時": "hour", "時間": "hour",
    "秒": "second", "天": "day", "周": "week", "週間": "week", "星期": "week", "个月": "month", "年": "year",
    "美元": "USD", "欧元": "EUR", "日元": "JPY", "人民币": "CNY", "元": "CNY", "块": "CNY", "円": "JPY",
    "度": "degree", "キロ": "km", "メートル": "m", "センチ": "cm", "グラム": "g", "日": "day",
    "分": "min", "时": "hour", "時": "hour",
    "リットル": "L", "キログラム": "kg", "センチメートル": "cm", "ミリ": "mm", "ドル": "USD", "ユーロ": "EUR",
}  # fmt: skip
_COUNTERS = frozenset(
    "个個人本枚匹只隻次名位条條件岁歳支張张瓶辆台頭头棵朵把盒袋箱组組种種倍颗題题间冊册回つ階層元素角面項项"
)


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
    if text in _CJK_UNITS:
        return _CJK_UNITS[text] if _CJK_UNITS[text].isascii() else None
    if len(text) == 1 and text in _COUNTERS:
        return ""
    for divider in ("/", "每"):
        top, found, bottom = text.partition(divider)
        if found and top in _CJK_UNITS and bottom in _CJK_UNITS:
            return f"{_CJK_UNITS[top]}/{_CJK_UNITS[bottom]}"
    if text[0] in _COUNTERS and len(text) <= 6:  # 个苹果: a counting word and its noun
        return ""
    return None


def known(word: str, *, upright: bool = True) -> tuple[Dims, Fraction] | None:
    """Dimensions and factor of one word. upright: whether single letters may be units."""
    if len(word) == 1 and word.isascii() and word.isalpha() and not upright:
        return None
    return _SYMBOLS.get(word) or _NAMES.get(word.lower())


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
        elif lower in _POWERS:
            pending = _POWERS[lower]
            continue
        elif word == "in":
            found = _NAMES["inch"] if final and (upright or divided or exponent or pending) else None
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
    return bool(dims) and all(name in _CURRENCIES for name, _ in dims)


def countable(dims: Dims) -> bool:
    """Whether these dimensions, money or a count, are no physical quantity."""
    return all(name in _COUNTED for name, _ in dims)


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
            pound = _NAMES["pound"][1]
            return (ratio * (pound if turned else 1 / pound),)
        for (name, into), sizes in _INEXACT.items():
            if name in a and (_swapped(a, name, into) if into else _without(a, name)) == b:
                powers = [_fraction(size) ** a[name] for size in sizes]
                return tuple(ratio / size if turned else ratio * size for size in powers)
    return ()


def _without(powers: dict[str, int], name: str) -> dict[str, int]:
    return {key: power for key, power in powers.items() if key != name}


def _swapped(powers: dict[str, int], name: str, other: str) -> dict[str, int]:
    return {other if key == name else key: power for key, power in powers.items()}
