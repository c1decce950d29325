"""Reads how long an endpoint asks to wait before the next request.

>>> retry_after({"Retry-After": "7.5"})
7.5
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 86_400.0
"""Seconds above which a value means something else, such as milliseconds, or is a mistake: it is ignored."""
_EPOCH = 1e9
"""A number of seconds from here on is a time, counted from 1970."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from now: `retry-after-ms`, or `Retry-After` as seconds or as a date, which the server's own `Date` is
    compared with. 0 for a time in the past; None where nothing usable is there."""
    exact, said = headers.get("retry-after-ms"), headers.get("Retry-After")
    seconds = _number(exact)
    seconds = seconds / 1000 if seconds is not None else _number(said)
    if seconds is None and said is not None and (at := _date(said)) is not None:
        seconds = at - (_date(headers.get("Date")) or time.time())
    elif seconds is not None and seconds >= _EPOCH:
        seconds -= time.time()
    if seconds is None or seconds > LONGEST:
        return None
    return max(0.0, seconds)


def _number(text: str | None) -> float | None:
    try:
        number = float((text or "").strip().removesuffix("s"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date(text: str | None) -> float | None:
    """Seconds since 1970 of an HTTP date; one without a zone is in UTC."""
    try:
        at = parsedate_to_datetime(text or "")
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        pass
    try:
        iso = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return (iso if iso.tzinfo else iso.replace(tzinfo=UTC)).timestamp()
