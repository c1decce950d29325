"""Values as JSON: every integer and decimal with all of its digits, times in ISO 8601, bytes in base64.

>>> json_text({"n": Decimal("1.10"), "big": 2**70, "day": date(2025, 1, 2), "x": float("nan")})
'{"n": 1.10, "big": 1180591620717411303424, "day": "2025-01-02", "x": null}'
"""

from __future__ import annotations

import base64
import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

_PLAIN = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def json_text(value: Any) -> str:
    """The value as JSON text."""
    known = json_value(value)
    try:
        return _PLAIN.encode(known)
    except TypeError:  # json writes no Decimal
        return _written(known)


def json_value(value: Any) -> Any:
    """The value in the types of JSON, decimals as they are; null for the numbers that JSON doesn't have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {
            name if isinstance(name, str) else str(json_value(name) if isinstance(name, bytes) else name): json_value(
                item
            )
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _written(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_PLAIN.encode(name)}: {_written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return _PLAIN.encode(value)
