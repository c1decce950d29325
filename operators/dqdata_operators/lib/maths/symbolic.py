r"""Symbolic comparison of what the small parser cannot read: sympy through latex2sympy2, and Math-Verify's comparison.

>>> same_by_sympy(reference=r"\int_0^1 x\,dx", prediction="0.5")
True

Imported only when it is needed: sympy takes half a second. Math-Verify's own time limits are signals, which work in a
main thread alone; they are off here, and the worker process is killed at the row's deadline instead. What is sure to
exceed any deadline is refused before: towers of powers, huge exponents and factorials, long sums.
"""

from __future__ import annotations

import re
from typing import Any

LONGEST = 600
_HUGE = re.compile(
    r"[0-9]{60}|\^[\s{(]*-?\s*[0-9]{4}|\^[^=,;]{0,60}\^[^=,;]{0,60}\^|[0-9]{4,}\s*\)?\s*!|!\s*\)?\s*!|[eE]\s*[0-9]{4}|"
    r"\^[\s{(]*[^{}()=,;+\s]{0,20}\^[\s{(]*[0-9]{2}|\^\s*\{?\s*\(?\s*[0-9a-z]+\s*\)?\s*!|\\sqrt\s*\[[^\]]{0,40}[0-9]{4}|"
    r"\^\s*[{(]\s*(?:[^{}^]{0,20}/\s*|\\frac\s*\{[^{}]{0,20}\}\s*\{\s*)\(?\s*[0-9]{4}",
    re.ASCII,
)


_COMMANDS = frozenset(
    """
    frac sqrt binom pi infty int iint iiint oint sum prod lim to rightarrow left right begin end text cdot times
    div pm mp le ge ne approx in notin cup cap setminus backslash emptyset subset subseteq mathbb circ degree
    ldots cdots dots sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp det max min gcd lcm
    sup inf arg deg mod pmod bmod lfloor rfloor lceil rceil partial nabla prime quad equiv d dx dt operatorname Re
    Im alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi
    omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell
    """.split()
)
"""What counts as mathematics here. latex2sympy reads any other command as a name, which would let nonsense match."""


_RELATION = re.compile(r"(?<![_{a-z])=(?![^{}]*\})|[<>]|\\(?:le|ge|ne|in|equiv|approx)(?![a-zA-Z])")
"""A relation; `=` in the limits of a sum is none."""


_NOT_TEXT = re.compile(r"_\s*\{[^{}]{0,40}\}|\\(?:begin|end)\s*\{[^{}]{0,40}\}")
"""Subscripts and names of environments."""
_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{4,}")


class Refused(ValueError):
    """Too large or too deep to be worth a try."""


def guard(text: str) -> None:
    """Raises Refused for what would only burn the deadline."""
    if len(text) > LONGEST:
        raise Refused("too long")
    if _HUGE.search(text):
        raise Refused("numbers too large")
    depth = deepest = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    if deepest > 25:
        raise Refused("too deep")


def known_commands(text: str) -> bool:
    """Whether every LaTeX command in the text is mathematics."""
    return all(name in _COMMANDS for name in re.findall(r"\\([a-zA-Z]+)", text))


def prose(text: str) -> bool:
    """Whether there are words in the text; latex2sympy makes products of letters of them."""
    return any(word.lower() not in _COMMANDS for word in _WORD.findall(_NOT_TEXT.sub("", text)))


def readable(text: str) -> bool:
    """Whether sympy can parse this at all. Raises Refused."""
    guard(text)
    return _parsed(text) is not None


def same_by_sympy(*, reference: str, prediction: str, decimals: int = 6) -> bool | None:
    """Whether sympy finds both the same; None where one of them can't be parsed, has no value, or is a relation, whose
    sides the comparison would take apart. Raises Refused."""
    if _RELATION.search(reference) or _RELATION.search(prediction):
        return None
    guard(reference)
    guard(prediction)
    import logging

    for name in ("math_verify.grader", "math_verify.parser", "latex2sympy2_extended"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # it warns that its signals are off
    from math_verify.grader import verify

    gold = _parsed(reference)
    if gold is None:
        return None
    target = _parsed(prediction)
    if target is None:
        return None
    try:
        if verify(gold, target, float_rounding=decimals, numeric_precision=15, timeout_seconds=None):
            return True
        return _same_at_points(gold, target)
    except ZeroDivisionError:  # a remainder by zero has no value, and sympy none for it
        return None


def _same_at_points(gold: Any, target: Any) -> bool | None:
    """Whether two expressions have the same values at whole numbers; None where they have none."""
    from sympy import Expr, MatrixBase, MatrixExpr

    gold, target = (one.doit() if isinstance(one, MatrixExpr) else one for one in (gold, target))
    if isinstance(gold, MatrixBase) and isinstance(target, MatrixBase):
        return bool(gold == target)
    if not isinstance(gold, Expr) or not isinstance(target, Expr):
        return None
    letters = sorted(gold.free_symbols | target.free_symbols, key=str)
    for k in (2, 3, 5):
        values = []
        for side in (gold, target):
            found = side.subs({letter: k + at for at, letter in enumerate(letters)}).doit().evalf(15)
            if not getattr(found, "is_number", False) or not getattr(found, "is_finite", False):
                return None
            values.append(complex(found))
        if abs(values[0] - values[1]) > 1e-9 * max(1.0, *map(abs, values)):
            return False
    return True


def _parsed(text: str) -> Any:
    """A sympy object, or None. The parser is generated and raises all kinds of errors at text that it can't read."""
    from latex2sympy2_extended import NormalizationConfig, latex2sympy
    from sympy import Basic, MatrixBase, nan, zoo

    if not known_commands(text) or prose(text) or "dots" in text:
        return None
    config = NormalizationConfig(basic_latex=True, units=True, malformed_operators=True, nits=True, boxed="none")
    try:
        parsed = latex2sympy(
            text, is_real=not re.search(r"(?<![a-zA-Z\\])i(?![a-zA-Z])", text), normalization_config=config
        )
    except Exception:
        return None
    if not isinstance(parsed, Basic | MatrixBase) or (isinstance(parsed, Basic) and parsed.has(nan, zoo)):
        return None
    return parsed
