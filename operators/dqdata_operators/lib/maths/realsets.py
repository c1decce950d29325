r"""Sets of real numbers: intervals, unions and inequalities in one canonical form.

>>> from dqdata_operators.lib.maths.structure import read
>>> real_set(read(r"-2 \le x < 7")) == real_set(read("[-2, 7)"))
True
"""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from dqdata_operators.lib.maths.evaluate import TooLarge, Undefined, is_complex, real, symbols, value
from dqdata_operators.lib.maths.expression import Call, Node, NotMath, Num, parse_expression
from dqdata_operators.lib.maths.shapes import (
    Answer,
    Braces,
    Chain,
    Except,
    Intersection,
    Scalar,
    Several,
    Tuple,
    Union,
    Unreadable,
)
from dqdata_operators.lib.maths.structure import read

Real = Fraction | float

CLOSE = 1e-9


class Interval(NamedTuple):
    low: Real
    closed_low: bool
    high: Real
    closed_high: bool


ALL = Interval(-math.inf, False, math.inf, False)


def real_set(answer: Answer) -> list[Interval] | None:
    """Disjoint intervals in rising order; None where the answer is no set of reals with constant ends."""
    match answer:
        case Tuple(opening, (Scalar() as low, Scalar() as high), closing):
            ends = _constant(low.node), _constant(high.node)
            if ends[0] is None or ends[1] is None or ends[0] > ends[1]:
                return None
            return _union([Interval(ends[0], opening == "[", ends[1], closing == "]")])
        case Braces(items):
            points = [_constant(item.node) if isinstance(item, Scalar) else None for item in items]
            return _union([Interval(p, True, p, True) for p in points if p is not None]) if None not in points else None
        case Union(parts):
            sets = [real_set(part) for part in parts]
            return _union([interval for s in sets if s is not None for interval in s]) if None not in sets else None
        case Several(items, connective) if all(isinstance(item, Chain | Tuple) for item in items):
            if len({variable_of(item) for item in items if isinstance(item, Chain)}) > 1:
                return None
            sets = [real_set(item) for item in items]
            return _joined([s for s in sets if s is not None], connective) if None not in sets else None
        case Several(items) if all(isinstance(item, Scalar) for item in items):
            return real_set(Braces(items))
        case Intersection(parts):
            sets = [real_set(part) for part in parts]
            return _common([s for s in sets if s is not None]) if None not in sets else None
        case Except(items):
            points = [_constant(item.node) if isinstance(item, Scalar) else None for item in items]
            holes = sorted({p for p in points if p is not None})
            edges: list[Real] = [-math.inf, *holes, math.inf]
            pieces = [Interval(a, False, b, False) for a, b in itertools.pairwise(edges)]
            return _union(pieces) if None not in points else None
        case Chain():
            return _solved(answer)
    return None


def same_set(left: list[Interval], right: list[Interval]) -> bool:
    return len(left) == len(right) and all(
        a.closed_low == b.closed_low
        and a.closed_high == b.closed_high
        and _near(a.low, b.low)
        and _near(a.high, b.high)
        for a, b in zip(left, right, strict=True)
    )


def _near(a: Real, b: Real) -> bool:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a == b
    return a == b or math.isclose(a, b, rel_tol=CLOSE, abs_tol=1e-12)


def _constant(node: Node) -> Real | None:
    if symbols(node):
        return None
    try:
        number = value(node)
    except (Undefined, TooLarge):
        return None
    if isinstance(number, complex):
        return None
    return number if isinstance(number, Fraction | float) else None


def _union(intervals: list[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for new in sorted(intervals, key=lambda i: (i.low, not i.closed_low)):
        if new.low == new.high and not (new.closed_low and new.closed_high):
            continue  # empty
        new = new._replace(
            closed_low=new.closed_low and not math.isinf(new.low),
            closed_high=new.closed_high and not math.isinf(new.high),
        )
        last = merged[-1] if merged else None
        if last is not None and (
            new.low < last.high or (new.low == last.high and (new.closed_low or last.closed_high))
        ):
            if (new.high, new.closed_high) > (last.high, last.closed_high):
                merged[-1] = last._replace(high=new.high, closed_high=new.closed_high)
        else:
            merged.append(new)
    return merged


def _joined(sets: list[list[Interval]], connective: str) -> list[Interval]:
    """Several inequalities: joined by `or` they are a union, by `and` an intersection. Joined by commas they are a
    union too, unless it would be everything."""
    union = _union([interval for s in sets for interval in s])
    if connective == "or" or (not connective and union != [ALL]):
        return union
    return _common(sets)


def _common(sets: list[list[Interval]]) -> list[Interval]:
    common = [ALL]
    for s in sets:
        common = _union([both for a in common for b in s if (both := _meet(a, b)) is not None])
    return common


def _meet(a: Interval, b: Interval) -> Interval | None:
    low, closed_low = max((a.low, not a.closed_low), (b.low, not b.closed_low))
    high, closed_high = min((a.high, a.closed_high), (b.high, b.closed_high))
    if low > high or (low == high and (closed_low or not closed_high)):
        return None
    return Interval(low, not closed_low, high, closed_high)


def integers_of(intervals: list[Interval]) -> tuple[Scalar, ...] | None:
    """The integers in bounded sets, up to a hundred; None for more."""
    found: list[Scalar] = []
    for low, closed_low, high, closed_high in intervals:
        if math.isinf(low) or math.isinf(high) or high - low > 100:
            return None
        inside = range(math.ceil(low), math.floor(high) + 1)
        found += [
            Scalar(str(n), Num(Fraction(n))) for n in inside if (n > low or closed_low) and (n < high or closed_high)
        ]
    return tuple(found)


def variable_of(answer: Answer) -> str:
    """The letter that inequalities are about; nothing where there is none, or more than one."""
    match answer:
        case Chain(parts, ops) if set(ops) <= {"<", ">", "le", "ge", "ne", "in"}:
            names = {"".join(part.split()) for part in parts if _NAME.fullmatch(part) and not part.startswith("\\pi")}
            return names.pop() if len(names) == 1 else ""
        case Several(items):
            found = {variable_of(item) for item in items}
            return found.pop() if len(found) == 1 else ""
        case Except(_, name):
            return name
    return ""


def same_by_sampling(solved: list[Interval], other: Answer) -> bool | None:
    """Whether an inequality in one letter holds exactly on a solved set: at its ends, between and beyond them, and at
    points of a grid. Ends that are not rational count by whether the relation is strict."""
    holds = _predicate(other)
    if holds is None:
        return None
    ends = sorted({end for i in solved for end in (i.low, i.high) if not math.isinf(end)})
    exact = [end for end in ends if isinstance(end, Fraction)]
    points: list[Real] = [*exact, *(Fraction(n, 7) for n in range(-140, 141)), *(Fraction(n) for n in range(-60, 61))]
    points += [Fraction(sign * 10**k) for k in (2, 3, 4) for sign in (1, -1)]
    edges = [float(end) for end in ends]
    points += [edge + side * 10.0**-k for edge in edges for k in (1, 3, 5) for side in (1, -1)]
    points += [(a + b) / 2 for a, b in itertools.pairwise(edges)]
    points = [p for p in points if isinstance(p, Fraction) or all(abs(p - edge) > 1e-7 for edge in edges)]
    for point in points:
        said = holds(point)
        if said is None:
            return None
        if said != any(_inside(point, interval) for interval in solved):
            return False
    if len(exact) < len(ends):
        closed = {
            flag
            for i in solved
            for end, flag in ((i.low, i.closed_low), (i.high, i.closed_high))
            if isinstance(end, float) and not math.isinf(end)
        }
        strict = _strict(other)
        return None if strict is None or len(closed) != 1 else closed == {not strict}
    return True


def _inside(point: Real, interval: Interval) -> bool:
    return (point > interval.low or (interval.closed_low and point == interval.low)) and (
        point < interval.high or (interval.closed_high and point == interval.high)
    )


def _strict(answer: Answer) -> bool | None:
    chains = answer.items if isinstance(answer, Several) else (answer,)
    strict = {op in ("<", ">") for chain in chains if isinstance(chain, Chain) for op in chain.ops}
    return strict.pop() if len(strict) == 1 else None


_ORDER: dict[str, Callable[[Real, Real], bool]] = {
    "<": operator.lt, ">": operator.gt, "le": operator.le, "ge": operator.ge, "ne": operator.ne,
}  # fmt: skip


def _predicate(answer: Answer) -> Callable[[Real], bool | None] | None:
    """Whether the relation holds at a number; the function returns None if it cannot be evaluated."""
    if isinstance(answer, Several):
        parts = [_predicate(item) for item in answer.items]
        if not answer.connective or any(part is None for part in parts):
            return None
        join = all if answer.connective == "and" else any

        def joined(point: Real) -> bool | None:
            said = [part(point) for part in parts if part is not None]
            return None if None in said else join(bool(one) for one in said)

        return joined
    if not isinstance(answer, Chain) or not set(answer.ops) <= _ORDER.keys():
        return None
    try:
        nodes = [parse_expression(part) for part in answer.parts]
    except NotMath:
        return None
    names = frozenset().union(*(symbols(node) for node in nodes))
    if len(names) != 1:
        return None
    (name,) = names

    def holds(point: Real) -> bool | None:
        try:
            sides = [real(value(node, {name: point})) for node in nodes]
        except (Undefined, TooLarge):
            return False  # outside the domain
        if any(is_complex(side) for side in sides):
            return False
        return all(_ORDER[op](a, b) for op, a, b in zip(answer.ops, sides, sides[1:], strict=False))

    return holds


_NAME = re.compile(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?'?(?:\([a-z]\))?")
_FLIP = {"<": ">", ">": "<", "le": "ge", "ge": "le", "ne": "ne"}


def _solved(chain: Chain) -> list[Interval] | None:
    if chain.ops == ("in",):
        try:
            return real_set(read(chain.parts[1])) if _NAME.fullmatch(chain.parts[0]) else None
        except Unreadable:
            return None
    if bars := next((m for part in chain.parts if (m := re.fullmatch(r"\|([^|]+)\|", part))), None):
        inside = _solved(Chain(tuple("t" if part == bars[0] else part for part in chain.parts), chain.ops))
        return None if inside is None else _within(bars[1], _mirrored(inside))
    if len(chain.ops) == 1:
        return _one(chain.parts[0], chain.parts[1], chain.ops[0])
    if len(chain.ops) == 2 and _NAME.fullmatch(chain.parts[1]) and set(chain.ops) <= {"<", ">", "le", "ge"}:
        low, high = (
            _one(chain.parts[0], chain.parts[1], chain.ops[0]),
            _one(chain.parts[1], chain.parts[2], chain.ops[1]),
        )
        if low is None or high is None:
            return None
        return _union([both for a in low for b in high if (both := _meet(a, b)) is not None])
    return None


def _mirrored(sizes: list[Interval]) -> list[Interval]:
    """All x whose absolute value lies in the set."""
    up = _union([both for size in sizes if (both := _meet(size, Interval(Fraction(0), True, math.inf, False)))])
    return _union(up + [Interval(-i.high, i.closed_high, -i.low, i.closed_low) for i in up])


def _within(inner: str, sizes: list[Interval]) -> list[Interval] | None:
    """All x for which the linear expression lies in the set."""
    try:
        line = _linear(parse_expression(inner))
    except NotMath:
        return None
    if line is None:
        return None
    slope, start = line
    ends = [(i, (i.low - start) / slope, (i.high - start) / slope) for i in sizes]
    return _union(
        [
            Interval(a, i.closed_low, b, i.closed_high) if slope > 0 else Interval(b, i.closed_high, a, i.closed_low)
            for i, a, b in ends
        ]
    )


def _linear(node: Node) -> tuple[Real, Real] | None:
    """Slope and value at zero of an expression that is linear in its one letter."""
    names = symbols(node)
    if len(names) != 1:
        return None
    (name,) = names
    try:
        found = [value(node, {name: Fraction(x)}) for x in (0, 1, 2, -3, 1000, -1000)]
    except (Undefined, TooLarge, TypeError):
        return None
    at = [x for x in found if isinstance(x, Fraction | float)]
    slope = at[1] - at[0] if len(at) == 6 else 0
    if slope == 0 or not all(_near(y, at[0] + x * slope) for x, y in zip((2, -3, 1000, -1000), at[2:], strict=True)):
        return None
    return slope, at[0]


def _one(left: str, right: str, op: str) -> list[Interval] | None:
    """Solutions of one inequality that is linear in its one unknown."""
    if op not in _FLIP:
        return None
    sides = [re.fullmatch(r"\s*([a-zA-Z])\([a-z]\)\s*", side) for side in (left, right)]
    try:
        a, b = (parse_expression(f[1] if f else side) for f, side in zip(sides, (left, right), strict=True))
    except NotMath:
        return None
    line = _linear(Call("+", (a, Call("neg", (b,)))))
    if line is None:
        return None
    slope, start = line
    root = -start / slope
    if slope < 0:
        op = _FLIP[op]
    match op:
        case "ne":
            return [Interval(-math.inf, False, root, False), Interval(root, False, math.inf, False)]
        case "<" | "le":
            return [Interval(-math.inf, False, root, op == "le")]
        case _:
            return [Interval(root, op == "ge", math.inf, False)]
