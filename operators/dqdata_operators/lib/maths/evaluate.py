r"""Values of expressions: exact where they are rational, else floats, or mpmath's numbers with more digits.

>>> from dqdata_operators.lib.maths.expression import parse_expression as p
>>> value(p(r"\frac{1}{2} + \frac{1}{3}")), value(p("x^2"), {"x": 1.5})
(Fraction(5, 6), 2.25)
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from dqdata_operators.lib.maths.expression import Call, Node, Num, Sym

MOST_BITS = 50_000
"""Size of an exact integer in an evaluation; beyond, the value is TooLarge."""

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


def as_float(x: Value, lib: Any) -> Value:
    """As a number of the library: Fractions become floats or mpf."""
    if not isinstance(x, Fraction):
        return x
    if lib is cmath:
        return float(x)
    return lib.mpf(x.numerator) / x.denominator


def _pair(lib: Any, a: Value, b: Value) -> tuple[Value, Value]:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a, b
    return as_float(a, lib), as_float(b, lib)


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


def divide(lib: Any, a: Value, b: Value) -> Value:
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
    base, exponent = as_float(base, lib), as_float(exponent, lib)
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
        x = as_float(x, lib)
    return real(lib.sqrt(x))


def _root(lib: Any, x: Value, degree: Value) -> Value:
    radicand = real(as_float(x, lib))
    if isinstance(degree, Fraction) and degree.denominator == 1 and degree.numerator % 2 and not is_complex(radicand):
        size = _power(lib, abs(radicand), 1 / as_float(degree, lib))
        return -size if radicand < 0 else size
    return _power(lib, x, divide(lib, Fraction(1), degree))


def _factorial(lib: Any, x: Value) -> Value:
    if isinstance(x, Fraction) and x.denominator == 1:
        if x < 0:
            raise Undefined("factorial of a negative number")
        if x > 2000:
            raise TooLarge("factorial")
        return Fraction(math.factorial(x.numerator))
    x = real(as_float(x, lib))
    if is_complex(x):
        raise Undefined("factorial of a complex number")
    return math.gamma(x + 1) if lib is cmath else lib.gamma(x + 1)


def _double_factorial(lib: Any, x: Value) -> Value:
    if not isinstance(x, Fraction) or x.denominator != 1 or x < 0:
        raise Undefined("double factorial of no whole number")
    if x > 2000:
        raise TooLarge("double factorial")
    return Fraction(math.prod(range(x.numerator, 0, -2)))


def _binom(lib: Any, n: Value, k: Value) -> Value:
    if isinstance(n, Fraction) and isinstance(k, Fraction) and n.denominator == k.denominator == 1:
        if n < 0 or k < 0:
            raise Undefined("binomial of negative numbers")
        if n > 20_000:
            raise TooLarge("binomial")
        return Fraction(math.comb(n.numerator, k.numerator))
    n, k = real(as_float(n, lib)), real(as_float(k, lib))
    if is_complex(n) or is_complex(k):
        raise Undefined("binomial of complex numbers")
    return _factorial(lib, n) / (_factorial(lib, k) * _factorial(lib, n - k))


def _log(lib: Any, x: Value, base: Value | None = None) -> Value:
    x = as_float(x, lib)
    logarithm = lib.log(x)
    # "log" without a base is read as the common one, like \log_{10}: both sides of a comparison read it alike.
    bottom = lib.log(as_float(base, lib)) if base is not None else lib.log(as_float(Fraction(10), lib))
    return real(logarithm / bottom)


def _abs(lib: Any, x: Value) -> Value:
    return abs(x)


def _whole(round_: Any) -> Any:
    def rounded(lib: Any, x: Value) -> Value:
        x = real(x)
        if is_complex(x):
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
        if any(is_complex(x) for x in args):
            raise Undefined("order of complex numbers")
        return function(args)

    return of


def _elementary(name: str, *, inverse: bool = False) -> Any:
    """A function of the library; 1/name where `inverse`: cot is 1/tan."""

    def of(lib: Any, x: Value) -> Value:
        result = getattr(lib, name)(as_float(x, lib))
        return real(1 / result if inverse else result)

    return of


def is_complex(x: Value) -> bool:
    return hasattr(x, "imag") and not isinstance(x, Fraction) and x.imag != 0


def real(x: Value) -> Value:
    """Without an imaginary part that is only rounding."""
    if isinstance(x, complex):
        return x.real if abs(x.imag) <= 1e-13 * max(1.0, abs(x.real)) else x
    if hasattr(x, "imag") and not isinstance(x, Fraction | float | int) and x.imag == 0:
        return x.real
    return x


_CALLS: dict[str, Any] = {
    "+": _add,
    "*": _multiply,
    "/": divide,
    "inverse": lambda lib, x: divide(lib, Fraction(1), x),
    "^": _power,
    "neg": lambda lib, x: -x,
    "mixed": _add,
    "sqrt": _sqrt,
    "root": _root,
    "!": _factorial,
    "!!": _double_factorial,
    "binom": _binom,
    "abs": _abs,
    "conj": lambda lib, x: x if isinstance(x, Fraction) else x.conjugate(),
    "°": lambda lib, x: as_float(x, lib) * lib.pi / 180,
    "%": lambda lib, x: divide(lib, x, Fraction(100)),
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
    "cis": lambda lib, x: lib.exp(1j * as_float(x, lib)),
    "arccot": lambda lib, x: lib.pi / 2 - _elementary("atan")(lib, x),
    **{name: _elementary(name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp")},
    **{f"arc{name}": _elementary(f"a{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
}
