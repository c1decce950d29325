r"""Whether two expressions are the same number or function.

>>> from dqdata_operators.lib.maths.expression import parse_expression as p
>>> same(p(r"\tan^2 y + 1"), p(r"\sec^2 y")), same(p("(x+1)^2"), p("x^2+1"))
(True, False)

Rational arithmetic stays exact. Expressions with letters are compared at random points: two different analytic
functions agree at a random point with probability zero (Schwartz 1980, Zippel 1979, for polynomials). Points where
one side is not real are passed over; fewer than three usable points decide nothing. Where double precision is too
close to call, the same comparison runs again with 60 digits in mpmath.
"""

from __future__ import annotations

import cmath
import random
from collections.abc import Mapping
from fractions import Fraction

from dqdata_operators.lib.maths.evaluate import (
    TooLarge,
    Undefined,
    Value,
    as_float,
    divide,
    is_complex,
    real,
    symbols,
    uses,
    value,
)
from dqdata_operators.lib.maths.expression import Call, Node

POINTS = 8
CLOSE = 1e-9
FAR = 1e-6
"""Relative distances below which two values are the same, above which they differ; between, 60 digits decide."""


def same(left: Node, right: Node, rel_tol: float = CLOSE) -> bool | None:
    """Whether both are the same number or function; None where no evaluation decides."""
    names = sorted(symbols(left) | symbols(right))
    if not names:
        return same_number(left, right, rel_tol)
    integers = uses(left, "!", "!!", "binom", "floor", "ceil") or uses(right, "!", "!!", "binom", "floor", "ceil")
    verdict = _same_at_points(left, right, names, rel_tol, integers=integers)
    if verdict is not True and not integers and (_alternates(left) or _alternates(right)):
        return _same_at_points(left, right, names, rel_tol, integers=True)  # cos(n pi) is (-1)^n for whole n alone
    if verdict and _logarithm_of_size(left) != _logarithm_of_size(right) and _narrower(left, right, names):
        return None  # ln x is ln |x| where x is positive alone
    return verdict


def _logarithm_of_size(node: Node) -> bool:
    """Whether the logarithm of an absolute value occurs."""
    if not isinstance(node, Call):
        return False
    return (node.name in ("ln", "log") and any(uses(arg, "abs") for arg in node.args)) or any(
        _logarithm_of_size(arg) for arg in node.args
    )


def _narrower(left: Node, right: Node, names: list[str]) -> bool:
    """Whether one side is real at a point where the other is not."""
    dice = random.Random(15485863)
    for _ in range(POINTS):
        point: dict[str, Value] = {name: dice.choice((-1, 1)) * dice.uniform(0.35, 2.6) for name in names}
        try:
            if is_complex(real(value(left, point))) != is_complex(real(value(right, point))):
                return True
        except (Undefined, TooLarge):
            continue
    return False


def same_number(left: Node, right: Node, rel_tol: float = CLOSE) -> bool | None:
    """Whether two constants are equal; exact where both are rational."""
    try:
        a = value(left)
    except TooLarge:
        return _beyond(left, right)
    except Undefined:
        return None
    try:
        b = value(right)
    except TooLarge:
        return _beyond(right, left)
    except Undefined:
        return None
    if isinstance(a, Fraction) and isinstance(b, Fraction) and rel_tol <= CLOSE:
        return a == b
    close = _close(a, b, rel_tol)
    return _same_with_more_digits(left, right, {}, rel_tol) if close is None else close


def _beyond(huge: Node, other: Node) -> bool | None:
    """A value too large to write: it differs from any that can be written, and says nothing about another such."""
    try:
        value(other)
    except (TooLarge, Undefined):
        return None
    return False


def _close(a: Value, b: Value, rel_tol: float) -> bool | None:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return abs(a - b) <= Fraction(rel_tol) * max(abs(a), abs(b)) if rel_tol > CLOSE else a == b
    try:
        a, b = as_float(a, cmath), as_float(b, cmath)
    except OverflowError:
        return None
    if cmath.isnan(a) or cmath.isnan(b):
        return None
    if cmath.isinf(a) or cmath.isinf(b):
        return bool(a == b)
    size, distance = max(abs(a), abs(b)), abs(a - b)
    if distance <= rel_tol * 1e-3 * size:
        return True
    if size > 1e-9 and distance >= max(FAR, rel_tol * 10) * size:
        return False
    return None


def _same_with_more_digits(left: Node, right: Node, at: Mapping[str, Value], rel_tol: float) -> bool | None:
    import mpmath

    with mpmath.workdps(60):
        point = {name: x if isinstance(x, Fraction) else mpmath.mpmathify(x) for name, x in at.items()}
        try:
            a, b = (
                as_float(value(left, point, mpmath.mp), mpmath.mp),
                as_float(value(right, point, mpmath.mp), mpmath.mp),
            )
            size, distance = max(abs(a), abs(b)), abs(a - b)
            tolerance = rel_tol if rel_tol > CLOSE else mpmath.mpf(10) ** -30
            return bool(distance <= tolerance * (size if size > mpmath.mpf(10) ** -25 else 1))
        except (Undefined, TooLarge, TypeError, AttributeError):
            return None


def _alternates(node: Node) -> bool:
    """Whether a sign alternates with a letter: a power of a negative number, or a trigonometric function of pi."""
    if not isinstance(node, Call):
        return False
    if node.name == "^" and symbols(node.args[1]):
        return not symbols(node.args[0])
    if node.name in ("sin", "cos") and symbols(node) and uses(node, "\\pi"):
        return True
    return any(_alternates(arg) for arg in node.args)


def _same_at_points(left: Node, right: Node, names: list[str], rel_tol: float, *, integers: bool) -> bool | None:
    usable = 0
    conjugate = uses(left, "conj") or uses(right, "conj")
    imaginary = conjugate or uses(left, "i") or uses(right, "i")
    for k in range(POINTS + 4):
        dice = random.Random(7919 * (k + 1))
        point: dict[str, Value] = {}
        for j, name in enumerate(names):
            if integers:
                point[name] = Fraction(dice.randint(1, 9) + j)
            else:
                size = dice.uniform(0.35, 2.6)
                point[name] = -size if k >= 4 and dice.random() < 0.5 else size
                if conjugate:
                    point[name] = complex(size, dice.uniform(0.3, 1.7))
        try:
            a, b = value(left, point), value(right, point)
        except (Undefined, TooLarge):
            continue
        if not imaginary and (is_complex(real(a)) or is_complex(real(b))):
            continue
        close = _close(a, b, rel_tol)
        if close is None:
            close = _same_with_more_digits(left, right, point, rel_tol)
        if close is False:
            return False
        usable += close is True
        if usable == POINTS:
            break
    return True if usable >= 3 else None


def proportional(left: Node, right: Node) -> float | None:
    """The constant c with left = c * right at every point; None where there is none, or it is zero.

    Two equations `left = 0` and `right = 0` are the same where this is a number; two inequalities where it has the
    right sign.
    """
    names = sorted(symbols(left) | symbols(right))
    ratios: list[float] = []
    for k in range(12):
        dice = random.Random(104729 * (k + 1))
        point = {name: dice.uniform(0.35, 2.6) * (1 if k < 4 or dice.random() < 0.5 else -1) for name in names}
        try:
            ratio = real(divide(cmath, value(left, point), value(right, point)))
        except (Undefined, TooLarge, ZeroDivisionError, OverflowError):
            continue
        if is_complex(ratio) or not cmath.isfinite(ratio) or abs(ratio) < 1e-12:
            continue
        ratios.append(float(ratio))
        if len(ratios) == 6:
            break
    if len(ratios) < 3 or any(abs(ratio - ratios[0]) > CLOSE * abs(ratios[0]) * 10 for ratio in ratios):
        return None
    return ratios[0]
