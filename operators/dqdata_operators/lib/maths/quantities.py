r"""Compares single values: numbers and expressions with percent signs, units, bases and words.

>>> from dqdata_operators.lib.maths.structure import read
>>> same_quantity(read("72 km/h"), read("20 m/s"), Tolerance())
True
>>> same_quantity(read("5 boys"), read("5 girls"), Tolerance())
False
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from dqdata_operators.lib.maths import identity
from dqdata_operators.lib.maths.evaluate import TooLarge, Undefined, Value, decimal_inside, symbols, uses, value
from dqdata_operators.lib.maths.expression import Call, Node, Num, Sym
from dqdata_operators.lib.maths.scalars import upright
from dqdata_operators.lib.maths.shapes import Scalar
from dqdata_operators.lib.maths.units import conversions, countable, minus
from dqdata_operators.lib.maths.words import contradict, is_pole, poles, same_words

Asked = Literal["percent", "plain", ""]
"""What a question asks for: a percentage, a number that is none, or nothing that would tell."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two numbers may be apart.

    rel_tol, abs_tol: as in math.isclose, for any two constants; zero asks for equality.
    rounded_digits: a decimal with at least this many significant digits may be the rounding of the other side
    (2.6667 of 8/3, 3.1416 of pi); 0 allows none.
    """

    rel_tol: float = 0.0
    abs_tol: float = 0.0
    rounded_digits: int = 4


MOST_CONSTANTS = 3
"""Constants of integration that may have other names."""
_HUNDRED = Num(Fraction(100))
_CORNERS = re.compile(r"[A-Z]{3,}")
_TEXT = re.compile(r"[A-Za-z][A-Za-z \-']+")
_TEMPERATURES = {"temperature_C": (Fraction(1), Fraction(27315, 100)), "temperature_K": (Fraction(1), Fraction(0)),
                 "temperature_F": (Fraction(5, 9), Fraction(45967, 180))}  # fmt: skip
"""Scale and offset to kelvin."""


def same_quantity(ref: Scalar, pred: Scalar, tolerance: Tolerance, asked: Asked = "") -> bool | None:
    """True and False are decisions; None where no rule decides."""
    if ref.base != pred.base and (ref.base is None or pred.base is None):
        written, plain = (ref, pred) if ref.base is not None else (pred, ref)
        if written.text[:2].lower() in ("0x", "0b", "0o"):
            return same_values(ref.node, pred.node, tolerance)
        if written.base == 10:
            return same_values(ref.node, pred.node, tolerance)
        return written.text == plain.text
    if _CORNERS.fullmatch(ref.text) and _CORNERS.fullmatch(pred.text):
        return True if ref.text == pred.text else None  # corners of a figure in their order, or a product
    if _spelled(ref.text) and _spelled(pred.text) and same_words(ref.text, pred.text):
        return True
    as_products = ref, pred
    ref, pred = _as_units(ref, pred)
    verdict = _with_units(ref, pred, tolerance, asked)
    if verdict is False and as_products == (ref, pred) and _perhaps_unit(ref, pred, tolerance, asked):
        return None
    if verdict is False and _falls(ref) != _falls(pred):
        turned = Scalar(pred.text, Call("neg", (pred.node,)), pred.unit, pred.percent)
        return _with_units(ref, turned, tolerance, asked) and contradict(ref.unit.words, pred.unit.words) is not True
    if verdict and bool(ref.unit.dims) != bool(pred.unit.dims):
        counted = ref.unit if pred.unit.dims else pred.unit
        if any(not is_pole(word) for word in counted.words) and not (
            {"dozen", "angle"} & {name for name, _ in ref.unit.dims + pred.unit.dims}
        ):
            return None  # a quantity and something that is counted
    if verdict and ref.unit.words and pred.unit.words:
        contradiction = contradict(ref.unit.words, pred.unit.words)
        return None if contradiction is None else not contradiction
    return verdict


def _falls(value: Scalar) -> bool:
    """Whether a word gives the value a minus sign: loss, decrease, below."""
    falling = poles(("decrease", "below", "loss"))
    return any(at & falling[line] for line, at in poles(value.unit.words).items() if line in falling)


def _perhaps_unit(ref: Scalar, pred: Scalar, tolerance: Tolerance, asked: Asked) -> bool:
    """Whether `5m` is five metres beside 5, and no product."""
    for one, other in ((ref, pred), (pred, ref)):
        if symbols(one.node) and not symbols(other.node) and (unit := upright(one)) is not None:
            return _with_units(unit, other, tolerance, asked) is True
    return False


def _as_units(ref: Scalar, pred: Scalar) -> tuple[Scalar, Scalar]:
    """`5 m` beside a value in metres or a plain number is five metres, and no product."""
    if symbols(ref.node) and not symbols(pred.node):
        return upright(ref, apart=not pred.unit.dims) or ref, pred
    if symbols(pred.node) and not symbols(ref.node):
        return ref, upright(pred, apart=not ref.unit.dims) or pred
    if symbols(ref.node) and ref.node != pred.node:
        a, b = upright(ref), upright(pred)
        if a is not None and b is not None and a.unit.dims == b.unit.dims:
            return a, b
    return ref, pred


def _with_units(ref: Scalar, pred: Scalar, tolerance: Tolerance, asked: Asked) -> bool | None:
    a, b, mine, theirs = ref.node, pred.node, ref.unit, pred.unit
    if (mine.dims and theirs.dims) or (mine.per and theirs.per):
        if len(mine.dims) == len(theirs.dims) == 1 and mine.dims[0][0] in _TEMPERATURES and mine.dims != theirs.dims:
            return _same_temperature(ref, pred, tolerance)
        rates = conversions(mine, theirs)
        if not rates:
            return _without_rate(ref, pred, tolerance)
        verdicts = [same_values(a if rate == 1 else Call("*", (a, Num(rate))), b, tolerance) for rate in rates]
        return verdicts[0] if len(rates) == 1 else None if any(verdict is not False for verdict in verdicts) else False
    verdict = _with_percent(ref, pred, tolerance, asked)
    if verdict is False and {mine.dims, theirs.dims} == {(("angle", 1),), ()}:
        a = Call("°", (a,)) if mine.dims else a
        b = Call("°", (b,)) if theirs.dims else b
        both = Call("+", (a, b))
        return same_values(a, b, tolerance) if uses(both, "\\pi", "arcsin", "arccos", "arctan", "arccot") else False
    if (("dozen", 1),) in (mine.dims, theirs.dims) and (verdict is False or (mine.words and theirs.words)):
        a, b = (Call("*", (n, Num(u.factor))) if u.dims else n for n, u in ((a, mine), (b, theirs)))
        return same_values(a, b, tolerance)
    return verdict


def _with_percent(ref: Scalar, pred: Scalar, tolerance: Tolerance, asked: Asked) -> bool | None:
    """A percentage is N and N/100; what the question asks for leaves one of them."""
    a, b = ref.node, pred.node
    if ref.percent == pred.percent:
        return same_values(a, b, tolerance)
    if ref.unit.dims or pred.unit.dims:
        return False  # a percentage is no quantity with a unit
    verdict = same_values(a, b, tolerance) if asked != "plain" else False
    if verdict is False and asked != "percent":
        a, b = (_hundredth(a), b) if ref.percent else (a, _hundredth(b))
        return same_values(a, b, tolerance)
    return verdict


def _hundredth(node: Node) -> Node:
    """N of N%, with two more decimals."""
    if isinstance(node, Num) and node.decimals is not None:
        return Num(node.value / 100, node.decimals + 2, node.digits)
    return Call("/", (node, _HUNDRED))


def _without_rate(ref: Scalar, pred: Scalar, tolerance: Tolerance) -> bool | None:
    """`$18 per day` may be called $18: the `per` of money and of counted things may be missing, that of a physical
    quantity not, since it would be another quantity."""
    for one, other in ((ref.unit, pred.unit), (pred.unit, ref.unit)):
        if one.per and minus(one.dims, one.per) == other.dims and countable(other.dims):
            return same_values(ref.node, pred.node, tolerance)
    return False


def _same_temperature(ref: Scalar, pred: Scalar, tolerance: Tolerance) -> bool | None:
    kelvins = []
    for one in (ref, pred):
        ((name, power),) = one.unit.dims
        if power != 1 or name not in _TEMPERATURES:
            return False
        scale, offset = _TEMPERATURES[name]
        kelvins.append(Call("+", (Call("*", (one.node, Num(scale))), Num(offset))))
    return same_values(kelvins[0], kelvins[1], tolerance)


def same_values(ref: Node, pred: Node, tolerance: Tolerance) -> bool | None:
    """Two expressions without their units."""
    if ref == pred:
        return True
    if symbols(ref) or symbols(pred):
        pred = with_case_of(ref, pred)
        loose = max(tolerance.rel_tol or (1e-6 if decimal_inside(ref) != decimal_inside(pred) else 0.0), identity.CLOSE)
        verdict = identity.same(ref, pred, loose)
        if verdict is False and symbols(pred) - symbols(ref) == {"j"} and uses(ref, "i") and not uses(pred, "i"):
            return (
                None if identity.same(ref, renamed(pred, {"j": "i"}), loose) else False
            )  # the engineers' imaginary unit
        mine, theirs = symbols(ref) - symbols(pred), symbols(pred) - symbols(ref)
        if verdict is False and theirs == {"I"} and uses(ref, "i") and not uses(pred, "i"):
            return identity.same(ref, renamed(pred, {"I": "i"}), loose)  # the imaginary unit of computer algebra
        constants = any(all(name[:1] in ("C", "c") for name in names) for names in (mine, theirs))
        if verdict is False and 0 < len(mine) == len(theirs) <= MOST_CONSTANTS and constants:
            orders = itertools.permutations(sorted(mine))
            others = (renamed(pred, dict(zip(sorted(theirs), order, strict=True))) for order in orders)
            return None if any(identity.same(ref, other, loose) for other in others) else False  # with other names
        return verdict
    verdict = identity.same_number(ref, pred)
    return True if verdict is False and near(ref, pred, tolerance) else verdict


def with_case_of(ref: Node, pred: Node) -> Node:
    """Constants of integration, C and C_1, may be written in either case."""
    mine, theirs = symbols(ref), symbols(pred)
    pairs = {
        name: name.swapcase() for name in theirs - mine if name[:1] in ("c", "C") and name.swapcase() in mine - theirs
    }
    return renamed(pred, pairs) if pairs else pred


def renamed(node: Node, names: dict[str, str]) -> Node:
    if isinstance(node, Sym):
        return Sym(names.get(node.name, node.name))
    return Call(node.name, tuple(renamed(arg, names) for arg in node.args)) if isinstance(node, Call) else node


def near(ref: Node, pred: Node, tolerance: Tolerance) -> bool:
    """Within the tolerances, or one the rounding of the other."""
    try:
        a, b = value(ref), value(pred)
        if tolerance.rel_tol or tolerance.abs_tol:
            distance, size = abs(a - b), max(abs(a), abs(b))
            if distance <= max(tolerance.abs_tol, tolerance.rel_tol * size) * (1 + 1e-12):
                return True
        return _is_rounding(ref, b, tolerance) or _is_rounding(pred, a, tolerance)
    except (Undefined, TooLarge, OverflowError, TypeError):
        return False


def _is_rounding(written: Node, exact: Value, tolerance: Tolerance) -> bool:
    """Whether `written` is a decimal with enough digits, and what `exact` rounds to at its last place."""
    number = written.args[0] if isinstance(written, Call) and written.name == "neg" else written
    if not isinstance(number, Num) or number.decimals is None or not 0 < tolerance.rounded_digits <= number.digits:
        return False
    if isinstance(exact, complex):
        return False
    shown = -number.value if number is not written else number.value
    half_a_place = Fraction(1, 2 * 10**number.decimals)
    if isinstance(exact, Fraction):
        return abs(exact - shown) <= half_a_place  # a half may be rounded either way
    return bool(number.decimals <= 300 and abs(exact - float(shown)) <= float(half_a_place) * 1.0000001)


def _spelled(text: str) -> bool:
    return len(text) > 2 and bool(_TEXT.fullmatch(text))
