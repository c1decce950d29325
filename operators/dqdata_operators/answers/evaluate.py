r"""Values of expressions, and whether two expressions are the same function.

>>> from dqdata_operators.answers.expression import parse_expression as p
>>> same(p(r"\tan^2 y + 1"), p(r"\sec^2 y")), same(p("(x+1)^2"), p("x^2+1"))
(True, False)

Rational arithmetic stays exact. Expressions with letters are compared at random points: two different analytic
functions agree at a random point with probability zero (Schwartz 1980, Zippel 1979, for polynomials). Points where
one side is not real are passed over; fewer than three usable points decide nothing. Where double precision is too
close to call, the same comparison runs again with 60 digits in mpmath.
"""

from __future__ import annotations

import cmath
import math
import random
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from dqdata_operators.answers.expression import Call, Node, Num, Sym

MOST_BITS = 50_000
"""Size of an exact integer in an evaluation; beyond, the value is TooLarge."""
POINTS = 8
CLOSE = 1e-9
FAR = 1e-6
"""Relative distances below which two values are the same, above which they differ; between, 60 digits decide."""

Value = Any  # Fraction | float | complex, or mpmath's mpf | mpc


class Undefined(Exception):
    """No value: division by zero, the logarithm of zero, ..."""


class TooLarge(Exception):
    """A finite value too large to write down."""


def symbols(node: Node) -> frozenset[str]:
    """Free letters; pi, infinity, e and i are constants."""
    if isinstance(node, Sym):
        return frozenset() if node.name in ("\\pi", "\\infty", "e", "i") else frozenset([node.name])
    if isinstance(node, Call):
        return frozenset().union(*(symbols(arg) for arg in node.args))
    return frozenset()


def uses(node: Node, *names: str) -> bool:
    """Whether any of these functions or symbols occurs."""
    if isinstance(node, Call):
        return node.name in names or any(uses(arg, *names) for arg in node.args)
    return isinstance(node, Sym) and node.name in names


def decimal_inside(node: Node) -> bool:
    if isinstance(node, Call):
        return any(decimal_inside(arg) for arg in node.args)
    return isinstance(node, Num) and node.decimals is not None


def value(node: Node, at: Mapping[str, Value] | None = None, lib: Any = cmath) -> Value:
    """Value at a point. Raises Undefined or TooLarge."""
    try:
        return _value(node, at or {}, lib)
    except (ZeroDivisionError, ValueError) as error:
        raise Undefined(str(error)) from error
    except OverflowError as error:
        raise TooLarge(str(error)) from error


def _value(node: Node, at: Mapping[str, Value], lib: Any) -> Value:
    if isinstance(node, Num):
        return node.value
    if isinstance(node, Sym):
        if node.name == "\\pi":
            return lib.pi + 0
        if node.name == "\\infty":
            return math.inf
        if node.name == "e" and "e" not in at:
            return lib.e + 0
        if node.name == "i" and "i" not in at:
            return 1j
        return at[node.name]
    return _CALLS[node.name](lib, *(_value(arg, at, lib) for arg in node.args))


def _float(x: Value, lib: Any) -> Value:
    """As a number of the library: Fractions become floats or mpf."""
    if not isinstance(x, Fraction):
        return x
    if lib is cmath:
        return float(x)
    return lib.mpf(x.numerator) / x.denominator


def _pair(lib: Any, a: Value, b: Value) -> tuple[Value, Value]:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a, b
    return _float(a, lib), _float(b, lib)


def _add(lib: Any, *terms: Value) -> Value:
    total, *rest = terms
    for term in rest:
        a, b = _pair(lib, total, term)
        total = a + b
    return total


def _multiply(lib: Any, *factors: Value) -> Value:
    total, *rest = factors
    for factor in rest:
        a, b = _pair(lib, total, factor)
        total = a * b
        if isinstance(total, Fraction) and total.numerator.bit_length() > 4 * MOST_BITS:
            raise TooLarge("product")
    return total


def _divide(lib: Any, a: Value, b: Value) -> Value:
    a, b = _pair(lib, a, b)
    return a / b


def _power(lib: Any, base: Value, exponent: Value) -> Value:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator == 1:
            bits = max(base.numerator.bit_length(), base.denominator.bit_length()) if abs(base) != 1 else 0
            if bits * abs(exponent.numerator) > MOST_BITS:
                raise TooLarge("power")
            return base**exponent.numerator
        if exponent.denominator == 2 and base >= 0:
            return _power(lib, _sqrt(lib, base), Fraction(exponent.numerator))
    base, exponent = _float(base, lib), _float(exponent, lib)
    if lib is cmath:
        if isinstance(base, float) and isinstance(exponent, float) and base < 0 and not exponent.is_integer():
            base = complex(base)
        return base**exponent
    return lib.power(base, exponent)


def _sqrt(lib: Any, x: Value) -> Value:
    if isinstance(x, Fraction):
        if x >= 0:
            top, bottom = math.isqrt(x.numerator), math.isqrt(x.denominator)
            if top * top == x.numerator and bottom * bottom == x.denominator:
                return Fraction(top, bottom)
        x = _float(x, lib)
    return _real(lib.sqrt(x))


def _root(lib: Any, x: Value, degree: Value) -> Value:
    real = _float(x, lib)
    if isinstance(degree, Fraction) and degree.denominator == 1 and degree.numerator % 2 and not _is_complex(real):
        size = _power(lib, abs(real), 1 / _float(degree, lib))
        return -size if real < 0 else size
    return _power(lib, x, _divide(lib, Fraction(1), degree))


def _factorial(lib: Any, x: Value) -> Value:
    if isinstance(x, Fraction) and x.denominator == 1:
        if x < 0:
            raise Undefined("factorial of a negative number")
        if x > 2000:
            raise TooLarge("factorial")
        return Fraction(math.factorial(x.numerator))
    x = _float(x, lib)
    if _is_complex(x):
        raise Undefined("factorial of a complex number")
    return math.gamma(x + 1) if lib is cmath else lib.gamma(x + 1)


def _binom(lib: Any, n: Value, k: Value) -> Value:
    if isinstance(n, Fraction) and isinstance(k, Fraction) and n.denominator == k.denominator == 1:
        if n < 0 or k < 0:
            raise Undefined("binomial of negative numbers")
        if n > 20_000:
            raise TooLarge("binomial")
        return Fraction(math.comb(n.numerator, k.numerator))
    n, k = _float(n, lib), _float(k, lib)
    return _factorial(lib, n) / (_factorial(lib, k) * _factorial(lib, n - k))


def _log(lib: Any, x: Value, base: Value | None = None) -> Value:
    x = _float(x, lib)
    logarithm = lib.log(x)
    # "log" without a base is read as the common one, like \log_{10}: both sides of a comparison read it alike.
    bottom = lib.log(_float(base, lib)) if base is not None else lib.log(_float(Fraction(10), lib))
    return _real(logarithm / bottom)


def _abs(lib: Any, x: Value) -> Value:
    return abs(x)


def _whole(round_: Any) -> Any:
    def rounded(lib: Any, x: Value) -> Value:
        x = _real(x)
        if _is_complex(x):
            raise Undefined("rounding a complex number")
        return Fraction(round_(x))

    return rounded


def _integers(function: Any) -> Any:
    def of(lib: Any, *args: Value) -> Value:
        if not all(isinstance(x, Fraction) and x.denominator == 1 for x in args):
            raise Undefined("not integers")
        return Fraction(function(*(x.numerator for x in args)))

    return of


def _largest(function: Any) -> Any:
    def of(lib: Any, *args: Value) -> Value:
        if any(_is_complex(x) for x in args):
            raise Undefined("order of complex numbers")
        return function(args)

    return of


def _elementary(name: str, *, inverse: bool = False) -> Any:
    """A function of the library; 1/name where `inverse`: cot is 1/tan."""

    def of(lib: Any, x: Value) -> Value:
        result = getattr(lib, name)(_float(x, lib))
        return _real(1 / result if inverse else result)

    return of


def _is_complex(x: Value) -> bool:
    return hasattr(x, "imag") and not isinstance(x, Fraction) and x.imag != 0


def _real(x: Value) -> Value:
    """Without an imaginary part that is only rounding."""
    if isinstance(x, complex):
        return x.real if abs(x.imag) <= 1e-13 * max(1.0, abs(x.real)) else x
    if hasattr(x, "imag") and not isinstance(x, Fraction | float | int) and x.imag == 0:
        return x.real
    return x


_CALLS: dict[str, Any] = {
    "+": _add,
    "*": _multiply,
    "/": _divide,
    "inverse": lambda lib, x: _divide(lib, Fraction(1), x),
    "^": _power,
    "neg": lambda lib, x: -x,
    "mixed": _add,
    "sqrt": _sqrt,
    "root": _root,
    "!": _factorial,
    "binom": _binom,
    "abs": _abs,
    "°": lambda lib, x: _float(x, lib) * lib.pi / 180,
    "%": lambda lib, x: _divide(lib, x, Fraction(100)),
    "log": _log,
    "ln": _elementary("log"),
    "floor": _whole(math.floor),
    "ceil": _whole(math.ceil),
    "gcd": _integers(math.gcd),
    "lcm": _integers(math.lcm),
    "max": _largest(max),
    "min": _largest(min),
    "cot": _elementary("tan", inverse=True),
    "sec": _elementary("cos", inverse=True),
    "csc": _elementary("sin", inverse=True),
    "arccot": lambda lib, x: lib.pi / 2 - _elementary("atan")(lib, x),
    **{name: _elementary(name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp")},
    **{f"arc{name}": _elementary(f"a{name}") for name in ("sin", "cos", "tan")},
}


def same(left: Node, right: Node, rel_tol: float = CLOSE) -> bool | None:
    """Whether both are the same number or function; None where no evaluation decides."""
    names = sorted(symbols(left) | symbols(right))
    if not names:
        return same_number(left, right, rel_tol)
    integers = uses(left, "!", "binom", "floor", "ceil") or uses(right, "!", "binom", "floor", "ceil")
    verdict = _same_at_points(left, right, names, rel_tol, integers=integers)
    if verdict is not True and not integers and (_alternates(left) or _alternates(right)):
        return _same_at_points(left, right, names, rel_tol, integers=True)  # cos(n pi) is (-1)^n for whole n alone
    return verdict


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
        a, b = _float(a, cmath), _float(b, cmath)
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
        point = {name: mpmath.mpf(x) for name, x in at.items()}
        try:
            a, b = _float(value(left, point, mpmath.mp), mpmath.mp), _float(value(right, point, mpmath.mp), mpmath.mp)
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
    is_complex = uses(left, "i") or uses(right, "i")
    for k in range(POINTS + 4):
        dice = random.Random(7919 * (k + 1))
        point: dict[str, Value] = {}
        for j, name in enumerate(names):
            if integers:
                point[name] = Fraction(dice.randint(1, 9) + j)
            else:
                size = dice.uniform(0.35, 2.6)
                point[name] = -size if k >= 4 and dice.random() < 0.5 else size
        try:
            a, b = value(left, point), value(right, point)
        except (Undefined, TooLarge):
            continue
        if not is_complex and (_is_complex(_real(a)) or _is_complex(_real(b))):
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
            ratio = _real(_divide(cmath, value(left, point), value(right, point)))
        except (Undefined, TooLarge, ZeroDivisionError, OverflowError):
            continue
        if _is_complex(ratio) or not cmath.isfinite(ratio) or abs(ratio) < 1e-12:
            continue
        ratios.append(float(ratio))
        if len(ratios) == 6:
            break
    if len(ratios) < 3 or any(abs(ratio - ratios[0]) > CLOSE * abs(ratios[0]) * 10 for ratio in ratios):
        return None
    return ratios[0]
