r"""The fast path for numbers, without the parser and sympy.

>>> literal("$1,250.50").value, literal("28\\%").percent, literal("-3/4").value
(Fraction(2501, 2), True, Fraction(-3, 4))
>>> literal("2x") is None
True

Only ASCII digits count: look-alikes of other scripts are no numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from dqdata_operators.lib.texts.number_words import ONES, PARTS, SCALES, SMALL

LONGEST = 1000
"""Digits in one literal; longer ones are left to whoever compares text."""
LARGEST_EXPONENT = 400
"""Of scientific notation. `1e999999` is not read: its integer would have a million digits."""

_CURRENCY = r"(?:US\s?)?\\?\$|[€£¥₹₽₩]|(?:USD|EUR|GBP|Rs\.?)\s"
_PERCENT = r"\\?\s*%|\s*\b(?:per\s?cent(?:age)?|pct)\b"
_DIGITS = (
    r"[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]{0,2}(?:[ \u00a0\u202f][0-9]{3})+|[1-9][0-9]{0,2}(?:['’][0-9]{3})+"
    r"|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}|[0-9]+"
)
"""Digits in groups: of three after commas, blanks or apostrophes, or as in India, of two before the last three."""
_COMMA_DECIMAL = re.compile(
    rf"\s*([-+−]?)\s*((?:{_CURRENCY})?)\s*([1-9][0-9]{{0,2}})((?:\.[0-9]{{3}})+,[0-9]+|(?:\.[0-9]{{3}}){{2,}}"
    r"|(?:[ \u00a0\u202f'’][0-9]{3})+,[0-9]+)\s*([€£¥]?)\s*\.?\s*",
    re.ASCII,
)
"""Points, blanks or apostrophes that group digits before a decimal comma: 1.234,5. Two groups of points suffice."""
_LITERAL = re.compile(
    rf"\s*(?P<sign>[-+−]?)\s*(?P<currency>{_CURRENCY})?\s*(?P<inner>[-−]?)"
    rf"(?:(?P<whole>{_DIGITS})(?P<point>\.[0-9]*)?|(?P<only>\.[0-9]+))"
    rf"(?:[eE](?P<exp>[-+]?[0-9]+))?"
    rf"(?P<percent>{_PERCENT})?\s*(?:\\?(?P<after>[$€£¥₹₽₩]))?\s*\.?\s*",
    re.ASCII,
)
_FRACTION = re.compile(
    r"\s*(?P<sign>[-+−]?)\s*(?:(?P<mixed>[0-9]{1,9})\s+)?(?P<top>[0-9]{1,100})\s*/\s*(?P<bottom>[0-9]{1,100})"
    rf"(?P<percent>{_PERCENT})?\s*\.?\s*",
    re.ASCII,
)
_SCIENTIFIC = re.compile(
    r"\s*(?P<sign>[-+−]?)\s*(?P<mantissa>[0-9]+(?:\.[0-9]+)?)\s*(?:\\times|\\cdot|×|\*|x|·)\s*10\s*"
    r"(?:\^|\*\*)\s*(?:\{\s*(?P<braced>[-+−]?\s*[0-9]{1,4})\s*\}|\(\s*(?P<round>[-+−]?[0-9]{1,4})\s*\)"
    r"|(?P<bare>[-+−]?[0-9]{1,4}))\s*\.?\s*",
    re.ASCII,
)
_SCALED = re.compile(
    r"\s*(?P<number>\S{1,30})\s+(?P<scale>hundred|thousand|million|billion|trillion)\s*\.?\s*", re.IGNORECASE
)
_PAID_COMMA = re.compile(
    r"\s*([-+−]?)\s*(?:([€£])\s*([0-9]{1,3}(?:\.[0-9]{3})*),([0-9]{2})"
    r"|([0-9]{1,3}(?:[. ][0-9]{3})*|[0-9]+),([0-9]{2})\s*([€£]|EUR|[Ee]uros?))\s*\.?\s*",
    re.ASCII,
)
"""12,50 €: two digits after a comma beside a sign of currency are its hundredths."""
_ABBREVIATED = re.compile(r"\s*([-+−]?\s*(?:US)?\\?[$€£¥₹]\s?[0-9][0-9.,]*)\s?([kKmMbB]|bn|mn)\s*\.?\s*", re.ASCII)
"""$3k, €2.5M."""
_SUFFIXES = {"k": 10**3, "m": 10**6, "mn": 10**6, "b": 10**9, "bn": 10**9}
_NEGATIVE = ("-", "−")


@dataclass(frozen=True, slots=True)
class Literal:
    """A number and how it was written.

    decimals: digits after the point, None for an integer or a fraction. digits: significant digits written.
    currency: the sign that stands before or after it, without a backslash.
    """

    value: Fraction
    decimals: int | None = None
    digits: int = 0
    percent: bool = False
    currency: str = ""


def literal(text: str) -> Literal | None:
    """The number that this text is, whole; None where it is anything else, or too long to be worth reading."""
    if len(text) > LONGEST:
        return None
    if match := _LITERAL.fullmatch(text):
        return _plain(match)
    if match := _FRACTION.fullmatch(text):
        return _fraction(match)
    if match := _COMMA_DECIMAL.fullmatch(text):
        whole, _, part = match[4].partition(",")
        digits = re.sub(r"[^0-9]", "", whole)
        return literal(f"{match[1]}{match[2]}{match[3]}{digits}{'.' + part if part else ''}{match[5]}")
    if match := _SCIENTIFIC.fullmatch(text):
        return _scientific(match)
    if match := _PAID_COMMA.fullmatch(text):
        whole = re.sub(r"[. ]", "", match[3] or match[5])
        return literal(f"{match[1]}{match[2] or (match[7] if match[7] == '£' else '€')}{whole}.{match[4] or match[6]}")
    if match := _ABBREVIATED.fullmatch(text):
        number = literal(match[1])
        return number and Literal(
            number.value * _SUFFIXES[match[2].lower()], None, number.digits, currency=number.currency
        )
    if match := _SCALED.fullmatch(text):
        number = literal(match["number"])
        return number and Literal(number.value * SCALES[match["scale"].lower()], None, number.digits)
    return None


def _plain(match: re.Match[str]) -> Literal | None:
    whole = match["whole"] or "0"
    for separator in ", '’\u00a0\u202f":
        whole = whole.replace(separator, "")
    point = match["point"] or match["only"] or ""
    decimals = len(point) - 1 if len(point) > 1 else 0
    exponent = int(match["exp"][:6]) if match["exp"] else 0
    if abs(exponent) > LARGEST_EXPONENT:
        return None
    number = int(whole + point[1:])
    if (match["sign"] in _NEGATIVE) != (match["inner"] in _NEGATIVE):
        number = -number
    scale = exponent - decimals
    value = Fraction(number * 10**scale) if scale >= 0 else Fraction(number, 10**-scale)
    digits = len((whole + point[1:]).lstrip("0"))
    paid = "" if match["currency"] and match["after"] else match["currency"] or match["after"] or ""  # $5$ is LaTeX
    currency = paid.strip().removeprefix("US").removeprefix("\\").strip(" .")
    return Literal(
        value, decimals - exponent if decimals > max(exponent, 0) else None, digits, bool(match["percent"]), currency
    )


def _fraction(match: re.Match[str]) -> Literal | None:
    top, bottom = int(match["top"]), int(match["bottom"])
    if bottom == 0:
        return None
    value = Fraction(top, bottom)
    if match["mixed"]:
        if top >= bottom:
            return None
        value += int(match["mixed"])
    return Literal(-value if match["sign"] in _NEGATIVE else value, percent=bool(match["percent"]))


def _scientific(match: re.Match[str]) -> Literal | None:
    exponent = int((match["braced"] or match["round"] or match["bare"]).replace("−", "-").replace(" ", ""))
    if abs(exponent) > LARGEST_EXPONENT:
        return None
    mantissa = literal(match["sign"] + match["mantissa"])
    if mantissa is None:
        return None
    decimals = (mantissa.decimals or 0) - exponent
    return Literal(mantissa.value * Fraction(10) ** exponent, decimals if decimals > 0 else None, mantissa.digits)


_LARGE = {word: scale for word, scale in SCALES.items() if scale > 100}


def words_to_number(text: str) -> Fraction | None:
    """The number that English words spell, a whole one or a simple fraction; None where a word is no part of one.

    >>> words_to_number("twelve"), words_to_number("three hundred and forty-two"), words_to_number("one apple")
    (Fraction(12, 1), Fraction(342, 1), None)
    >>> words_to_number("two thirds"), words_to_number("five and a half"), words_to_number("minus three")
    (Fraction(2, 3), Fraction(11, 2), Fraction(-3, 1))
    """
    words = text.lower().replace("-", " ").replace(",", " ").split()
    if not words or len(words) > 20:
        return None
    if words[0] in ("minus", "negative") and len(words) > 1:
        size = words_to_number(" ".join(words[1:]))
        return None if size is None else -size
    if (part := _part(words)) is not None:
        return part
    if "and" in words[:-1]:
        at = len(words) - 1 - words[::-1].index("and")
        whole, part = _whole(words[:at]), _part(words[at + 1 :])
        if whole is not None and part is not None and part < 1:
            return whole + part
    return _whole(words)


def _part(words: list[str]) -> Fraction | None:
    """A simple fraction: half, a third, two thirds."""
    part = PARTS.get(words[-1].removesuffix("s")) if words else None
    if part is None or len(words) > 2 or (len(words) == 1 and words[0] != "half"):
        return None
    if len(words) == 2 and words[0] not in ("a", "an", *ONES):
        return None
    return Fraction(1 if words[0] in ("a", "an", "half") else SMALL[words[0]], part)


def _whole(words: list[str]) -> Fraction | None:
    if len(words) == 1 and words[0].isdigit() and words[0].isascii() and len(words[0]) < 10:
        return Fraction(words[0])
    if not words:
        return None
    if words[0] in ("a", "an") and words[1:2] and words[1] in SCALES:
        words = ["one", *words[1:]]
    total = group = 0
    previous = ""
    for word in words:
        if word == "and" and previous in ("hundred", *_LARGE):
            continue
        if word.isdigit() and word.isascii() and len(word) < 4 and not (previous in SMALL or previous.isdigit()):
            group += int(word)
        elif word in SMALL and not previous.isdigit():
            small = SMALL[word]
            if previous in SMALL and not (SMALL[previous] >= 20 and 0 < small < 10):
                return None
            group += small
        elif word == "hundred" and 0 < group < 100:
            group *= 100
        elif word in _LARGE and group:
            total, group = total + group * _LARGE[word], 0
        else:
            return None
        previous = word
    return Fraction(total + group)


_CJK_DIGITS = {
    char: n
    for n, chars in enumerate(("零〇", "一壹", "二两兩贰", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖"))
    for char in chars
}
_CJK_SCALES = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_SHORTENED = re.compile("[百佰千仟万萬亿億兆][一壹二两兩贰三叁四肆五伍六陆七柒八捌九玖]$")
"""一百五 is 150 in Chinese and 105 in Japanese."""
_CJK_LARGE = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8, "兆": 10**12}


def cjk_number(text: str) -> tuple[Fraction, bool] | None:
    """The number that Chinese or Japanese numerals write, and whether it is a percentage. Digits may stand before 万.

    >>> cjk_number("百分之六十"), cjk_number("三分之二"), cjk_number("3万"), cjk_number("一百二十三")
    ((Fraction(60, 1), True), (Fraction(2, 3), False), (Fraction(30000, 1), False), (Fraction(123, 1), False))
    """
    text = text.strip()
    if text[:1] == "负":
        rest = cjk_number(text[1:])
        return None if rest is None else (-rest[0], rest[1])
    if text.startswith("百分之"):
        part = _cjk_whole(text[3:])
        return None if part is None else (part, True)
    before, mixed, rest_of = text.partition("又")
    if mixed:
        size, more = _cjk_whole(before), cjk_number(rest_of)
        return None if size is None or more is None or more[1] else (size + more[0], False)
    bottom, found, top = text.partition("分之") if "分之" in text else text.partition("分の")
    if found:
        a, b = _cjk_whole(top), _cjk_whole(bottom)
        return None if a is None or not b else (a / b, False)
    whole = _cjk_whole(text)
    return None if whole is None else (whole, False)


def _cjk_whole(text: str) -> Fraction | None:
    whole, point, decimals = text.partition("点")
    if point:
        head, tail = _cjk_whole(whole), [_CJK_DIGITS.get(char) for char in decimals]
        if head is None or not tail or None in tail:
            return None
        return head + Fraction(int("".join(map(str, tail))), 10 ** len(tail))
    if plain := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([十百千万亿億萬]?)", text, re.ASCII):
        return Fraction(plain[1]) * ({**_CJK_SCALES, **_CJK_LARGE}.get(plain[2], 1))
    if (
        not text
        or len(text) > 20
        or any(char not in _CJK_DIGITS and char not in _CJK_SCALES and char not in _CJK_LARGE for char in text)
    ):
        return None
    if all(char in _CJK_DIGITS for char in text):
        return (
            Fraction(int("".join(str(_CJK_DIGITS[char]) for char in text))) if len(text) == 1 or "〇" in text else None
        )
    if _SHORTENED.search(text):
        return None
    total = group = 0
    digit: int | None = None
    for char in text:
        if char in _CJK_DIGITS:
            digit = _CJK_DIGITS[char]
        elif char in _CJK_SCALES:
            group += (1 if digit is None else digit) * _CJK_SCALES[char]
            digit = None
        else:
            total, group, digit = total + (group + (digit or 0)) * _CJK_LARGE[char], 0, None
    return Fraction(total + group + (digit or 0))
