"""Tables of units: symbols and names with their dimensions and sizes, currencies, units of Chinese and Japanese.

A unit is a product of powers of base dimensions with a factor to SI base units (kilogram, metre, second). Names follow
the SI Brochure (9th edition) and NIST Special Publication 811.
"""

from __future__ import annotations

import re
from fractions import Fraction

Dims = tuple[tuple[str, int], ...]
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
yen JPY 円; JPY 1
¥ ￥; ¥ 1
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
_DIM = re.compile(r"([A-Za-z_¥]+?)(-?[0-9]*)\Z")


def fraction(text: str) -> Fraction:
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
    return head.split(), tuple(sorted(powers)), fraction(factor)


SYMBOLS, NAMES = _table()
"""By symbol, whose case counts, and by name in lower case."""
CURRENCIES = frozenset(
    "USD cent EUR GBP JPY CNY ¥ INR KRW MXN RUB CHF BRL penny quarter CAD AUD NZD HKD SGD SEK NOK DKK PLN TRY THB VND "
    "IDR PHP ZAR".split()
)  # dimensions, not names
COUNTED = frozenset([*CURRENCIES, "dozen", "information"])
CJK_UNITS = {
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
COUNTERS = frozenset(
    "个個人本枚匹只隻次名位条條件岁歳支張张瓶辆台頭头棵朵把盒袋箱组組种種倍颗題题间冊册回つ階層元素角面項项"
)
