r"""Second readings of a notation that has two, tried where the first one differs from the other side.

>>> from dqdata_operators.lib.maths.structure import read
>>> [(reading.answer.text, reading.sure) for reading in second_readings("2,5", read("2.5"), reference=True)]
[('2,5', True)]
>>> [reading.sure for reading in second_readings("2,5", read("2.5"), reference=False)]
[False]

A reading is sure where nothing else can be meant once it agrees with the other side; one that is not sure leaves the
verdict open.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from dqdata_operators.lib.maths.brackets import read_decimal_comma
from dqdata_operators.lib.maths.notation import normalise
from dqdata_operators.lib.maths.numbers import literal
from dqdata_operators.lib.maths.scalars import upright
from dqdata_operators.lib.maths.shapes import Answer, Scalar, Several, Unreadable
from dqdata_operators.lib.maths.structure import read

_GROUPED = re.compile(r"-?[0-9]+(?:,[0-9]+)+")
_MIXED = re.compile(r"(-?[0-9]+)\s+and\s+(?:([0-9]+)\s*/\s*([0-9]+)|\\frac\s*\{([0-9]+)\}\s*\{([0-9]+)\})(?![0-9])(.*)")
_POINT_GROUP = re.compile(r"(-?\s*€?\s*[1-9][0-9]{0,2})\.([0-9]{3})(\s*(?:€|euros?|EUR)?)", re.IGNORECASE)
_SUFFIXED = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)(\s?)([kKMB])")
_COMMA_AND_MORE = re.compile(r"(-?[0-9]+),([0-9]+)((?![0-9.,])[^,;]*[^,;0-9\s][^,;]*)")
"""A number with a comma and, behind it, a power of ten or a unit."""
_POWER_OF_TEN = re.compile(r"\s*(?:\*|\\cdot|\\times)\s*10\s*\^")
_MOLAR = re.compile(r"(-?[0-9.]+(?:\s*(?:\*|\\cdot|\\times)\s*10\s*\^\s*\{?\s*-?[0-9]+\s*\}?)?)\s*([mµn]?)M")
"""Moles a litre."""
_CONCENTRATION = (("amount", 1), ("length", -3))
_SIZES = {"k": "thousand", "m": "million", "b": "billion"}


class Reading(NamedTuple):
    answer: Answer
    sure: bool


def second_readings(text: str, other: Answer, *, reference: bool) -> Iterator[Reading]:
    """The other ways to read `text` beside `other`. reference: whether the text is the reference, which holds one
    answer where the other side does."""
    if not isinstance(other, Scalar) or not any(char.isdigit() for char in text):
        return
    decimal = read_decimal_comma(text) if "," in text else None
    if decimal is not None and literal(text) is None:
        whole, _, places = text.partition(",")
        yield Reading(decimal, reference or len(places.strip(" $%")) > 1 or whole.strip(" $-") == "0")
    elif decimal is not None:
        yield Reading(decimal, False)  # 1,234 is mostly a thousand
    for written, sure in _rewritten(normalise(text), other, reference=reference):
        try:
            yield Reading(read(written), sure)
        except Unreadable:
            continue


def other_digits(text: str) -> str:
    """The text with the digits of other scripts, and signs of full width, as those of ASCII.

    >>> other_digits("٤٢"), other_digits("４２"), other_digits("②")
    ('42', '42', '②')
    """
    if text.isascii():
        return text
    return "".join(map(_plain_digit, text))


def _plain_digit(char: str) -> str:
    if char.isascii():
        return char
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return chr(ord(char) - 0xFEE0) if "！" <= char <= "～" else char


def _rewritten(text: str, other: Scalar, *, reference: bool) -> Iterator[tuple[str, bool]]:
    if match := _COMMA_AND_MORE.fullmatch(text):
        sure = reference or len(match[2]) not in (1, 3) or match[1].lstrip("-") == "0"
        yield f"{match[1]}.{match[2]}{match[3]}", sure or _POWER_OF_TEN.match(match[3]) is not None
    if (match := _MOLAR.fullmatch(text)) and (upright(other) or other).unit.dims == _CONCENTRATION:
        yield f"{match[1]} {match[2]}mol/L", True
    if match := _MIXED.fullmatch(text):
        top, bottom = match[2] or match[4], match[3] or match[5]
        if int(top) < int(bottom):
            yield f"{match[1]} {top}/{bottom}{match[6]}", True
    if (match := _POINT_GROUP.fullmatch(text)) and ("€" in match[1] or match[3]):
        yield f"{match[1]}{match[2]}{match[3]}", True  # cents have two digits, so three are a group
    if match := _SUFFIXED.fullmatch(text):
        yield f"{match[1]} {_SIZES[match[3].lower()]}", not match[2]


def read_list(text: str) -> Answer | None:
    """144,233,377 as three numbers, in which way lists are set without blanks."""
    plain = text.strip(" $.")
    return Several(tuple(read(part) for part in plain.split(","))) if _GROUPED.fullmatch(plain) else None
