"""The columns that a verdict on a program has.

>>> judged("unverifiable", "no_tests")["correct"] is None
True
"""

from __future__ import annotations

from typing import Any

COLUMNS = {
    "tests_passed": "BIGINT",
    "tests_total": "BIGINT",
    "verdict": "VARCHAR",
    "verdict_reason": "VARCHAR",
    "correct": "BOOLEAN",
    "error": "VARCHAR",
    "checked": "VARCHAR",
    "salvaged": "BOOLEAN",
}
LONGEST_ERROR = 2000


def judged(
    verdict: str, reason: str, passed: int = 0, total: int | None = None, error: str = "", checked: str | None = None
) -> dict[str, Any]:
    """The columns of a verdict. A verdict that took no test has null counts."""
    return {
        "tests_passed": passed if total is not None else None,
        "tests_total": total,
        "verdict": verdict,
        "verdict_reason": reason,
        "correct": None if verdict == "unverifiable" else verdict == "correct",
        "error": error[:LONGEST_ERROR] or None,
        "checked": checked,
        "salvaged": None,
    }
