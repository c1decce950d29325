r"""Quantities in words: parts of a unit, units without a number, what an amount is of.

>>> plain_quantity("half a gallon"), plain_quantity("an hour and a half"), plain_quantity("a loss of $5")
('1/2 gallon', '3/2 hour', '$5 loss')
>>> plain_quantity("half past three"), plain_quantity("a triangle") is None
('3:30', True)

Each is written anew with its number in front, in the one order that everything else reads.
"""

from __future__ import annotations

import re
from fractions import Fraction

from dqdata_operators.lib.maths.numbers import words_to_number
from dqdata_operators.lib.maths.units import unit_of

_PART_OF_UNIT = re.compile(
    r"(?P<part>half|(?:an?|one|two|three|four|five|seven)[\s-]+(?:half|third|quarter|fourth|fifth|eighth|tenth)s?)\s+"
    r"(?:of\s+)?(?:an?|one|the)\s+(?P<unit>.+)",
    re.IGNORECASE,
)
_UNIT_AND_PART = re.compile(
    r"(?P<count>an?|[a-z-]+|[0-9]+)\s+(?P<unit>[a-z]+)\s+and\s+(?P<part>(?:an?|one|three)[\s-]+(?:half|quarter|third)s?)",
    re.IGNORECASE,
)
_ONE_UNIT = re.compile(r"(?:an?|one)\s+(?P<unit>[a-z].*)", re.IGNORECASE)
_AMOUNT_OF = re.compile(
    r"(?:an?|the|its|their|his|her)?\s*(?P<noun>[a-z]+(?:\s[a-z]+)?)\s+(?:of|by)\s+(?P<value>[-−]?\s*(?:\\?[$€£¥₹]\s*)?[0-9].*)",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"(?:an?\s+)?(?P<part>half|quarter|[a-z-]+|[0-9]{1,2})(?:\s+minutes?)?\s+(?P<side>past|after|to|before|till)\s+"
    r"(?P<hour>[a-z]+|[0-9]{1,2})(?P<rest>.*)",
    re.IGNORECASE,
)
_SCALE = re.compile(r"[0-9]\s+(?:hundred|thousand|[mb]illion)\s+[0-9a-z]", re.IGNORECASE)
_TIMES = {"once": 1, "twice": 2, "thrice": 3}


def plain_quantity(text: str) -> str | None:
    """The quantity with its number in front; None where the text is no such phrase."""
    text = text.strip()
    if not text[:1].isascii() or len(text) > 80:
        return None
    if not text[:1].isalpha() and " and " not in text and _SCALE.search(text) is None:
        return None
    if (number := words_to_number(text)) is not None:
        return str(number)
    words = text.split()
    for count in range(min(len(words) - 1, 10), 2, -1):  # two and a half hours
        rest = " ".join(words[count:])
        if "and" in words[:count] and (number := words_to_number(" ".join(words[:count]))) is not None:
            return f"{number} {rest}" if unit_of(rest) is not None else None
    if text.lower() in _TIMES:
        return f"{_TIMES[text.lower()]} times"
    if (match := _PAST.fullmatch(text)) is not None and (time := _time(match)) is not None:
        return time
    if (match := _PART_OF_UNIT.fullmatch(text)) is not None:
        part = words_to_number(match["part"])
        if part is not None and _is_unit(match["unit"]):
            return f"{part} {match['unit']}"
    if (match := _UNIT_AND_PART.fullmatch(text)) is not None and _is_unit(match["unit"]):
        whole = Fraction(1) if match["count"] in ("a", "an") else words_to_number(match["count"])
        part = words_to_number(match["part"])
        if whole is not None and part is not None:
            return f"{whole + part} {match['unit']}"
    if (match := _ONE_UNIT.fullmatch(text)) is not None and _is_unit(match["unit"]):
        return f"1 {match['unit']}"
    if (match := _AMOUNT_OF.fullmatch(text)) is not None and "=" not in text:
        return f"{match['value']} {match['noun']}"
    return None


def _is_unit(text: str) -> bool:
    unit = unit_of(text) if len(text) > 2 else None
    return unit is not None and bool(unit.dims)


def _time(match: re.Match[str]) -> str | None:
    """Half past three, ten to nine."""
    part, hour = match["part"].lower(), words_to_number(match["hour"])
    minutes = {"half": Fraction(30), "quarter": Fraction(15)}.get(part, words_to_number(part))
    if hour is None or minutes is None or not 1 <= hour <= 24 or not 0 < minutes < 60 or minutes.denominator > 1:
        return None
    if match["side"].lower() in ("past", "after"):
        return f"{hour}:{int(minutes):02}{match['rest']}"
    return f"{(int(hour) - 2) % 12 + 1}:{60 - int(minutes):02}{match['rest']}" if part != "half" else None
