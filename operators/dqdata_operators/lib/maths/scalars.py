r"""Single values: the part before a unit, the base, and parts that are only words.

>>> scalar("18 dollars").unit.dims, based("52_8").node.value, scalar("3 boys").unit.words
((('USD', 1),), Fraction(42, 1), ('boy',))
"""

from __future__ import annotations

import re
from fractions import Fraction

from dqdata_operators.lib.maths.expression import Call, Node, NotMath, Num, Sym, parse_expression
from dqdata_operators.lib.maths.notation import UNIT_CLOSES, UNIT_OPENS
from dqdata_operators.lib.maths.numbers import cjk_number, literal, words_to_number
from dqdata_operators.lib.maths.shapes import Answer, Opaque, Scalar, Tuple, Words
from dqdata_operators.lib.maths.units import NO_UNIT, Unit, known, multiplied, unit_of
from dqdata_operators.lib.maths.words import meaning

_BASED = re.compile(
    r"\(?\s*([0-9A-F][0-9A-Fa-f]*)\s*\)?\s*_\s*\{?\s*\(?([0-9]{1,2}|two|three|eight|ten|sixteen|hex|dec|oct|bin)\)?\s*\}?"
)
_SAID_BASE = re.compile(
    r"([0-9A-F][0-9A-Fa-f]*)\s*,?\s*(?:in\s+|\(\s*)?base[\s-]*([0-9]{1,2}|two|three|eight|ten|sixteen)\s*\)?",
    re.IGNORECASE,
)
_PREFIXED = re.compile(r"0([xXbBoO])([0-9A-Fa-f]{1,100})")
_NAMED_BASES = {"two": 2, "three": 3, "eight": 8, "ten": 10, "sixteen": 16, "bin": 2, "oct": 8, "dec": 10, "hex": 16}
_UNIT_TAIL = re.compile(
    r"(?P<tail>(?:\s*+(?:[A-Za-zµΩ][A-Za-z'.\-]*+|°[CFcf]?(?![A-Za-z])|/|\*|\(|\)|,|[$€£¥₹¢Ω])"
    r"(?:\s*\^\s*\{?\s*-?[1-9]\s*\}?|(?<=m)[23](?![0-9]))?)+)\s*$"
)
_WORDED_TAIL = re.compile(r"\S{1,8}\s+[A-Za-z]{3,}")
"""A word after letters that may be a unit, which makes them one: 12 m/s downward."""
_CJK_TAIL = re.compile(
    r"(?P<value>[-+]?[0-9][0-9.,/]*)\s*(?P<tail>[\u3040-\u30ff\u4e00-\u9fff][\u3040-\u30ff\u4e00-\u9fff/]*)"
)
_FOREIGN_NOUN = re.compile(r"([-+]?[0-9][0-9.,/]*)\s*([^\W\d_\u0000-\u024f]{1,12})")
_CJK_SCALES = frozenset("十百千万萬亿億兆割折点點半分之倍成만천백억십배할")
_CJK_RATE = re.compile(r"(?:每(小时|小時|分钟|秒|天)|時速|时速)\s*(.+)")
_CJK_PER = {"分钟": "minute", "秒": "second", "天": "day"}
_COMPOUND_PART = re.compile(rf"([0-9]+(?:\.[0-9]+)?)\s*{UNIT_OPENS}?\s*([A-Za-z\u4e00-\u9fff]+)")
_COMPOUND = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?\s*(?:[A-Za-z]+\.?|[\u4e00-\u9fff]{1,2})(?:\s*,?\s*(?:and\b)?\s*)){2,4}")
_SIGN_AND_PARTS = re.compile(r"([$£€])\s*([0-9]+),?\s+(?:and\s+)?([0-9]{1,2})\s*(?:cents?|pence|p|¢)", re.ASCII)
_SEXAGESIMAL = re.compile(
    r"(-?)([0-9]+)\s*°\s*([0-9]{1,2})\s*(?:'|\^\s*\{?\s*\\prime\s*\}?)\s*"
    r"(?:([0-9]{1,2}(?:\.[0-9]+)?)\s*(?:''|\^\s*\{?\s*\\prime\s*\\prime\s*\}?)?)?"
)
_EVERYDAY = re.compile(
    r"(?<!\^)[0-9})%]\s+(?!(?:and|or|to|sqrt|(?:arc)?(?:sin|cos|tan|cot|sec|csc)h?|cis|log|ln|exp|max|min|gcd|lcm|pi)\b)(?:[A-Za-z]{3,}|per\b)"
)
_TITLE = re.compile(r"[A-Za-z]{3,}[A-Za-z ,.'\-]*[0-9 ,]*", re.ASCII)
_TRIGONOMETRIC = re.compile(r"\\?(?:cis|sin|cos|tan|cot|sec|csc)")
_KNOWN_TAIL = re.compile(
    r"(?:[0-9})]|\\pi)\s+[a-zA-Z]{2,4}(?:\s*\^\s*\{?\s*[1-9]\s*\}?|[23])?$"
    r"|[0-9]\s*(?:cm|mm|km|kg|mg|ml|mL|mph|kJ|kW|Hz)(?:\^?[23])?$"
    r"|[0-9]\s*(?:sq|cu)\.?\s+[a-z]+\.?$"
    r"|[0-9]\s*[A-Za-z]{1,3}\s*[/*]\s*[A-Za-z]{1,3}(?:\^[23]|[23])?$"
)
_LETTER_UNIT = re.compile(
    r"(.*(?:[0-9)}]|\\pi(?![a-z])))(\s*)([A-Za-z]{1,3}(?:\s*\^\s*\{?-?[0-9]\}?)?(?:\s*[/*]\s*[A-Za-z]{1,3}(?:\s*\^\s*\{?-?[0-9]\}?)?){0,3}"
    r"|\\frac\s*\{\s*[A-Za-z]{1,3}\s*\}\s*\{\s*[A-Za-z]{1,3}\s*(?:\^\s*\{?[23]\}?\s*)?\})\s*"
)
_FRACTION_UNIT = re.compile(r"\\frac\s*\{\s*([A-Za-z]+)\s*\}\s*\{\s*(.*)\}")
_FOREIGN = re.compile(r"[^\x00-\u024f\u03a9…]")
_HAS_MATH = re.compile(r"[0-9=<>^_+*/|\\{}]")
_WORD_LIST = re.compile(r"[^\W\d_]+", re.UNICODE)
_SIGN = r"[$€£¥₹₽₩]|R\$|(?:USD|EUR|GBP|CNY|RMB|JPY)(?=\s)"
_RATE = re.compile(r"([0-9][0-9.,]*)\s*/\s*([A-Za-z][A-Za-z ]*)")
_MONEY_FIRST = re.compile(rf"(-?)\s*(?:US|A|C)?({_SIGN})\s*(-?)\s*(?=[0-9.(\\])")


def sexagesimal(text: str, depth: int = 0) -> Answer | None:
    """30° 15' 20'': degrees, minutes and seconds of an angle."""
    match = _SEXAGESIMAL.fullmatch(text.strip())
    if match is None:
        return None
    degrees = int(match[2]) + Fraction(int(match[3]), 60) + Fraction(match[4] or 0) / 3600
    return Scalar(text, Num(-degrees if match[1] else degrees), Unit((("angle", 1),), Fraction(1)))


def compound(text: str, depth: int = 0) -> Answer | None:
    """2 hours 10 minutes, 5 feet and 3 inches, $3 and 20 cents: one value, in the last unit."""
    plain = text.replace(UNIT_OPENS, " ").replace(UNIT_CLOSES, " ").strip()
    if (paid := _SIGN_AND_PARTS.fullmatch(plain)) is not None and (currency := known(paid[1])) is not None:
        return Scalar(text, Num(int(paid[2]) + Fraction(int(paid[3]), 100)), Unit(*currency))
    plain = re.sub(r"\s+(?:tall|long|old|wide|high|deep|away|(?:in\s+)?total|altogether)\Z", "", plain)
    if depth > 1 or not _COMPOUND.fullmatch(plain):
        return None
    parts = [(Fraction(n), unit_of(word)) for n, word in _COMPOUND_PART.findall(plain)]
    units = [unit for _, unit in parts if unit is not None and unit.dims]
    if len(units) != len(parts) or len({_kind(unit) for unit in units}) != 1:
        return None
    if all(unit.dims == (("cent", 1),) for unit in units):
        return None  # nickels and dimes are counted
    sizes = [unit.factor * (Fraction(1, 100) if unit.dims == (("cent", 1),) else 1) for unit in units]
    if sizes != sorted(sizes, reverse=True) or len(set(sizes)) != len(sizes):
        return None
    total = sum((n * size for (n, _), size in zip(parts, sizes, strict=True)), Fraction(0)) / sizes[-1]
    return Scalar(text, Num(total), units[-1])


def _kind(unit: Unit) -> object:
    return (("USD", 1),) if unit.dims == (("cent", 1),) else unit.dims


def based(text: str, depth: int = 0) -> Answer | None:
    if prefixed := _PREFIXED.fullmatch(text):
        base = {"x": 16, "b": 2, "o": 8}[prefixed[1].lower()]
        try:
            return Scalar(text, Num(Fraction(int(prefixed[2], base))), base=base)
        except ValueError:
            return None
    match = _BASED.fullmatch(text) or _SAID_BASE.fullmatch(
        text.replace(UNIT_OPENS, " ").replace(UNIT_CLOSES, " ").strip()
    )
    if match is None:
        return None
    base = _NAMED_BASES.get(match[2].lower()) or int(match[2])
    try:
        number = int(match[1], base) if 2 <= base <= 36 and len(match[1]) <= 200 else None
    except ValueError:
        number = None
    if number is None:
        return None
    return Scalar(match[1].upper(), Num(Fraction(number)), base=base)


def scalar(text: str) -> Answer:
    """One value with its unit, else words, else something for sympy."""
    bare, percent = text, False
    if bare.endswith("%"):
        bare, percent = bare[:-1].rstrip(), True
    elif bare.endswith("‰"):
        node, _ = _node(bare[:-1].rstrip())
        return Opaque(text) if node is None else Scalar(text, Call("/", (node, Num(Fraction(1000)))))
    if (money := _MONEY_FIRST.match(bare)) is not None:
        return _money(text, money[1] != money[3], money[2], bare[money.end() :])
    if UNIT_OPENS in bare:
        marked = _marked_unit(bare)
        if marked is not None:
            return marked
        bare = bare.replace(UNIT_OPENS, "").replace(UNIT_CLOSES, "")
    number = words_to_number(bare) if bare[:1].isalpha() else None
    if number is not None:
        return Scalar(bare, Num(number), percent=percent)
    if _FOREIGN.search(bare):
        return _other_script(bare, percent)
    known_meaning = meaning(bare)
    if known_meaning == "reals":
        infinity = Sym("\\infty")
        return Tuple("(", (Scalar("-\\infty", Call("neg", (infinity,))), Scalar("\\infty", infinity)), ")")
    if known_meaning:
        return Words(bare)
    everyday = _EVERYDAY.search(bare) is not None
    if everyday or _KNOWN_TAIL.search(bare) or (bare.endswith(("°", "°C", "°F")) and not _TRIGONOMETRIC.search(bare)):
        with_unit = _with_unit(bare, dimension=not everyday)
        if with_unit is not None:
            return with_unit
    try:
        return Scalar(bare, parse_expression(bare), percent=percent)
    except NotMath:
        pass
    with_unit = _with_unit(bare)
    if with_unit is not None:
        return with_unit
    if not _HAS_MATH.search(bare.replace("\\emptyset", "")) or _prose(bare):
        return Words("empty set" if "\\emptyset" in bare else bare)
    return Opaque(text)


def upright(answer: Scalar, *, apart: bool = False) -> Scalar | None:
    """The same text with its last letters read as a unit: `5 m` as five metres, not as five times m. apart: only where
    a blank stands before them."""
    match = _LETTER_UNIT.fullmatch(answer.text)
    written = _FRACTION_UNIT.sub(r"\1/\2", match[3]) if match else ""
    unit = unit_of(written) if match and (match[2] or not apart) else None
    if match is None or unit is None or not unit.dims:
        return None
    node, percent = _node(match[1].strip())
    return None if node is None else Scalar(answer.text, node, unit, percent)


def _money(text: str, negative: bool, sign: str, rest: str) -> Answer:
    """A value after its currency sign, and the words after it: $5 profit, $12 per day."""
    currency = known(sign)
    if currency is not None and (rated := _RATE.fullmatch(rest)) and (number := literal(rated[1])):
        unit = unit_of(f"per {rated[2]}") or NO_UNIT
        node = Num(-number.value if negative else number.value, number.decimals, number.digits)
        return Scalar(text, node, multiplied(Unit(*currency), unit))
    inner = scalar(rest) if literal(rest) is None else Scalar(rest, _number(rest))
    if currency is None or not isinstance(inner, Scalar):
        return Opaque(text)
    unit = Unit(*currency)
    if inner.unit.dims != unit.dims:  # $12 per day, $5/hour
        unit = multiplied(unit, inner.unit)
    return Scalar(text, Call("neg", (inner.node,)) if negative else inner.node, unit)


def _number(text: str) -> Num:
    number = literal(text)
    assert number is not None
    return Num(number.value, number.decimals, number.digits)


def _other_script(text: str, percent: bool) -> Answer:
    """Numbers and units of Chinese and Japanese; words of any script."""
    if (number := cjk_number(text)) is not None:
        return Scalar(text, Num(number[0]), percent=number[1] or percent)
    if (match := _CJK_TAIL.fullmatch(text)) and (unit := unit_of(match["tail"])) is not None and unit.dims:
        node, is_percent = _node(match["value"])  # 72千米, before 千 as a thousand
        if node is not None:
            return Scalar(text, node, unit, is_percent)
    for at in range(len(text) - 1, 0, -1):  # 十二个: a numeral before its counting word
        if (number := cjk_number(text[:at])) is not None and (unit := unit_of(text[at:])) is not None:
            return Scalar(text, Num(number[0]), unit, number[1])
    if (rated := _CJK_RATE.fullmatch(text)) is not None:  # 每小时60千米, 時速60km
        inner, per = scalar(rated[2]), unit_of(f"per {_CJK_PER.get(rated[1], 'hour')}")
        if isinstance(inner, Scalar) and per is not None:
            return Scalar(text, inner.node, multiplied(inner.unit, per), inner.percent)
    if (match := _CJK_TAIL.fullmatch(text)) and (unit := unit_of(match["tail"])) is not None:
        node, is_percent = _node(match["value"])
        if node is not None:
            return Scalar(text, node, unit, is_percent)
    if (noun := _FOREIGN_NOUN.fullmatch(text)) is not None and not set(noun[2]) & _CJK_SCALES:
        node, is_percent = _node(noun[1])
        if node is not None:
            return Scalar(text, node, Unit((), Fraction(1), (noun[2],)), is_percent)
    with_unit = _with_unit(text)
    if with_unit is not None:
        return with_unit
    return Words(text) if not _HAS_MATH.search(text) else Opaque(text)


def _marked_unit(text: str) -> Scalar | None:
    """A value before upright text: 5 «m», 3\\pi «cm» ^2."""
    value, _, tail = text.partition(UNIT_OPENS)
    value = value.rstrip()
    if value.endswith("/"):
        value, tail = value[:-1].rstrip(), "/" + tail
    if value.endswith("°"):
        value, tail = value[:-1].rstrip(), "°" + tail
    unit = unit_of(re.sub(r"\s+", " ", tail.replace(UNIT_OPENS, " ").replace(UNIT_CLOSES, " ")))
    if unit is None and value.endswith("°"):
        return None
    node, percent = _node(value)
    if node is None and unit is not None:
        inner = scalar(value)  # 5 km «/» h, $3 «profit»
        if isinstance(inner, Scalar):
            return Scalar(text, inner.node, multiplied(inner.unit, unit), inner.percent)
    return None if unit is None or node is None else Scalar(value, node, unit, percent)


def _node(value: str) -> tuple[Node | None, bool]:
    """The expression before a unit, and whether it is a percentage."""
    number = literal(value)
    if number is not None:
        return (None, False) if number.currency else (Num(number.value, number.decimals, number.digits), number.percent)
    spelled = words_to_number(value) if value.isascii() and value[:1].isalpha() else None
    if spelled is not None:
        return Num(spelled), False
    if re.fullmatch(r"[A-Za-z ]{2,}", value):
        return None, False  # `no` of `no solution` is no product
    try:
        return parse_expression(value), False
    except NotMath:
        return None, False


def _with_unit(text: str, *, dimension: bool = False) -> Scalar | None:
    """A value and, after it, words that may be a unit: the shortest value that leaves a unit behind. dimension: only
    units that have one, since `5 xy` may be a product."""
    match = _UNIT_TAIL.search(text)
    if match is None:
        return None
    for at in range(match.start(), len(text)):
        if at > match.start() and not (text[at - 1] in " )}°%" or text[at] in " °$€£¥₹¢Ω" or text[at - 1].isdigit()):
            continue
        tail = text[at:].strip()
        unit = unit_of(tail, upright=_WORDED_TAIL.match(tail) is not None)
        if unit is None or (dimension and not unit.dims):
            continue
        value = text[:at].strip()
        if value in ("a", "A", "an") and not unit.dims:
            continue  # an article
        node, percent = _node(value)
        if node is not None:
            return Scalar(value, node, unit, percent)
    return None if dimension else _spelled(text)


def _spelled(text: str) -> Scalar | None:
    """A number in words before its unit: the longest run of words that is one."""
    words = text.split()
    for count in range(min(len(words) - 1, 10), 0, -1):
        number = words_to_number(" ".join(words[:count]))
        if number is not None:
            unit = unit_of(" ".join(words[count:]))
            return Scalar(" ".join(words[:count]), Num(number), unit) if unit is not None else None
    return None


def _prose(text: str) -> bool:
    words = [word for word in _WORD_LIST.findall(re.sub(r"\\[a-zA-Z]+", " ", text)) if len(word) > 2]
    if len(words) >= 2 and sum(map(len, words)) > len(text) / 2:
        return True
    return len(text) < 200 and _TITLE.fullmatch(text) is not None
