r"""Repeating decimals in every common notation, as exact fractions.

>>> repeating_decimals(r"0.1\overline{6}"), repeating_decimals("0.(142857)"), repeating_decimals("0.333...")
('\\frac{1}{6}', '\\frac{1}{7}', '\\frac{1}{3}')
>>> repeating_decimals("2.71828...")
'2.71828\\ldots '

An ellipsis repeats what the digits repeat: one digit twice, or a longer period twice from the point on or three times.
Any other ellipsis stays, and makes the number unreadable.
"""

from __future__ import annotations

import re
from fractions import Fraction

_BAR = re.compile(
    r"(?<![0-9.])([0-9]*)\.([0-9]*)\s*(?:\\(?:overline|bar|dot|widebar)\s*(?:\{\s*([0-9]{1,40})\s*\}|([0-9]))"
    r"|\(([0-9]{1,40})\)|((?:[0-9][\u0305\u0304\u0307])+))"
    r"((?:[0-9]*\\dot\s*(?:\{\s*[0-9]\s*\}|[0-9]))?)(?![0-9])",
    re.ASCII,
)
_SAID = re.compile(
    r"(?<![0-9.])([0-9]*\.)([0-9]+)(?:\s*,)?\s+(?:repeating|recurring)(?![a-z])", re.ASCII | re.IGNORECASE
)
_DOTS = re.compile(
    r"(?<![0-9.])([0-9]*)\.([0-9]{1,60})\s*(?:\.\.\.|…|\\(?:ldots|dots|cdots|dotsc)(?![a-zA-Z]))", re.ASCII
)


def repeating_decimals(text: str) -> str:
    """The text with each repeating decimal as a LaTeX fraction."""
    if "repeating" in text or "recurring" in text:
        text = _SAID.sub(_said, text)
    if "\\" in text or "(" in text or not text.isascii():
        text = _BAR.sub(_barred, text)
    if "..." in text or "dots" in text or "…" in text:
        text = _DOTS.sub(_dotted, text)
    return text


def _said(match: re.Match[str]) -> str:
    """`0.3 repeating`; of several digits nothing tells which repeat."""
    return f"{match[1]}({match[2]})" if len(match[2]) == 1 else rf"{match[1]}{match[2]} \ldots"


def _barred(match: re.Match[str]) -> str:
    whole, fixed = match[1] or "0", match[2]
    period = match[3] or match[4] or match[5] or re.sub(r"[^0-9]", "", match[6] or "")
    if match[7]:  # 0.\dot{1}4285\dot{7}
        period += re.sub(r"[^0-9]", "", match[7])
    return _fraction(whole, fixed, period)


def _dotted(match: re.Match[str]) -> str:
    whole, digits = match[1] or "0", match[2]
    for length in range(1, len(digits) // 2 + 1):
        period = digits[-length:]
        times = 1
        while digits.endswith(period * (times + 1)):
            times += 1
        fixed = digits[: len(digits) - length * times]
        if times >= 3 or (times == 2 and (length == 1 or not fixed)):
            while fixed and fixed[-1] == period[-1]:
                fixed, period = fixed[:-1], period[-1] + period[:-1]
            return _fraction(whole, fixed, period)
    return match[0].replace("...", r"\ldots ").replace("…", r"\ldots ")


def _fraction(whole: str, fixed: str, period: str) -> str:
    """whole.fixed(period) = whole + fixed/10^m + period/(10^m (10^n - 1))."""
    scale = 10 ** len(fixed)
    value = int(whole) + Fraction(int(fixed or "0"), scale) + Fraction(int(period), scale * (10 ** len(period) - 1))
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
