r"""Times of day and dates.

>>> clock("3:30 p.m.").hour, date("March 3, 2021") == date("2021-03-03"), date("3/4/2021").readings
(3, True, ((2021, 3, 4), (2021, 4, 3)))
"""

from __future__ import annotations

import re

from dqdata_operators.lib.maths.notation import UNIT_CLOSES, UNIT_OPENS
from dqdata_operators.lib.maths.shapes import Clock, Date

_TIME = re.compile(
    r"([0-9]{1,2})(?:(?::|\.(?=[0-5][0-9]\s?[aApP]\.?\s?[mM]))([0-5][0-9])(?::([0-5][0-9]))?)?\s*(?:([aApP])\.?\s?[mM]\.?|(o'?clock))?(?:\s*(?:sharp|h|hours?))?"
)
_HOURS = re.compile(r"([0-9]{1,2})\s?h\s?([0-5][0-9])")
_CJK_TIME = re.compile(
    r"(上午|下午|早上|凌晨|清晨|晚上|中午|午前|午後)?\s*([0-9]{1,2})\s*(?:[:点點時时])\s*(?:([0-5]?[0-9])\s*分?|(半))?(?:钟|鐘)?"
)
_NAMED_TIMES = {
    "noon": (12, "p"),
    "midday": (12, "p"),
    "midnight": (12, "a"),
    "12 noon": (12, "p"),
    "12 midnight": (12, "a"),
}
MONTHS = {
    name: number
    for number, names in enumerate(
        "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sept sep|october oct|"
        "november nov|december dec".split("|"),
        1,
    )
    for name in names.split()
}
_WEEKDAY = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day\s*,?\s*)?"
_YEAR = r"(?:\s*,?\s*(?:of\s+)?([0-9]{4}))?"
_MONTH_DAY = re.compile(
    rf"{_WEEKDAY}([a-z]{{3,9}})\.?\s+(?:the\s+)?([0-9]{{1,2}})(?:st|nd|rd|th)?{_YEAR}", re.IGNORECASE
)
_DAY_MONTH = re.compile(
    rf"{_WEEKDAY}(?:the\s+)?([0-9]{{1,2}})(?:st|nd|rd|th)?\.?\s+(?:of\s+)?([a-z]{{3,9}})\.?{_YEAR}", re.IGNORECASE
)
_ISO = re.compile(
    r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})|([0-9]{4})\s*年\s*([0-9]{1,2})\s*月\s*([0-9]{1,2})\s*[日号]?"
)
_CJK_DAY = re.compile(r"([0-9]{1,2})\s*月\s*([0-9]{1,2})\s*[日号]")
_NUMERIC = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})")


def clock(text: str, depth: int = 0) -> Clock | None:
    """3:30 p.m., 15:30, 2 p.m., noon. Hours above 24 are none."""
    text = text.replace(UNIT_OPENS, "").replace(UNIT_CLOSES, "").strip()
    if text.lower() in _NAMED_TIMES:
        hour, half = _NAMED_TIMES[text.lower()]
        return Clock(hour, 0, half)
    match = _TIME.fullmatch(text)
    if match is None:
        return _written_time(text)
    if int(match[1]) > 24:
        return None
    half = (match[4] or "").lower()
    if not half and not match[2] and not match[5]:
        return None
    return Clock(int(match[1]), int(match[2] or 0), half, int(match[3] or 0))


def _written_time(text: str) -> Clock | None:
    """15h45, 下午3点45分, 午後3時45分."""
    if match := _HOURS.fullmatch(text):
        return Clock(int(match[1]), int(match[2]), "") if int(match[1]) <= 24 else None
    match = None if text.isascii() else _CJK_TIME.fullmatch(text)
    if match is None or int(match[2]) > 24 or not (match[1] or match[3] or match[4]):
        return None
    half = "" if not match[1] else "a" if match[1] in ("上午", "早上", "凌晨", "午前", "清晨") else "p"
    minute = 30 if match[4] else int(match[3] or 0)
    return Clock(int(match[2]), minute, half if int(match[2]) <= 12 else "")


def date(text: str, depth: int = 0) -> Date | None:
    """A day of a month, with or without its year. Numbers with two readings keep both."""
    text = text.replace(UNIT_OPENS, "").replace(UNIT_CLOSES, "").strip()
    if match := _MONTH_DAY.fullmatch(text):
        return _date(match[3], MONTHS.get(match[1].lower()), match[2])
    if match := _DAY_MONTH.fullmatch(text):
        return _date(match[3], MONTHS.get(match[2].lower()), match[1])
    if match := _ISO.fullmatch(text):
        return _date(match[1] or match[4], int(match[2] or match[5]), match[3] or match[6])
    if match := _CJK_DAY.fullmatch(text):
        return _date(None, int(match[1]), match[2])
    if match := _NUMERIC.fullmatch(text):
        first, second, year = int(match[1]), int(match[2]), int(match[3])
        readings = [(year, m, d) for m, d in ((first, second), (second, first)) if 1 <= m <= 12 and 1 <= d <= 31]
        return Date(tuple(dict.fromkeys(readings))) if readings else None
    return None


def _date(year: str | None, month: int | None, day: str) -> Date | None:
    if month is None or not 1 <= month <= 12 or not 1 <= int(day) <= 31:
        return None
    return Date(((int(year or 0), month, int(day)),))


def same_date(left: Date, right: Date) -> bool | None:
    """None where only one of several readings matches. A year that one side lacks is dropped."""
    verdicts = {
        a[1:] == b[1:] and (a[0] == b[0] or not a[0] or not b[0]) for a in left.readings for b in right.readings
    }
    return verdicts.pop() if len(verdicts) == 1 else None


def same_time(left: Clock, right: Clock) -> bool:
    """3:30 p.m. is 15:30 and 3:30, since a question mostly says which half of the day it asks for."""
    if (left.minute, left.second) != (right.minute, right.second):
        return False
    if left.half and right.half:
        return (left.hour % 12, left.half) == (right.hour % 12, right.half)
    if left.half or right.half:
        halved, other = (left, right) if left.half else (right, left)
        of_the_day = halved.hour % 12 + (12 if halved.half == "p" else 0)
        return other.hour == halved.hour or other.hour % 24 == of_the_day
    return left.hour % 24 == right.hour % 24
