r"""Sets of real numbers: intervals, unions and inequalities in one canonical form.

>>> from dqdata_operators.lib.maths.structure import read
>>> real_set(read(r"-2 \le x < 7")) == real_set(read("[-2, 7)"))
True
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import NamedTuple

from dqdata_operators.lib.maths.evaluate import TooLarge, Undefined, symbols, value
from dqdata_operators.lib.maths.expression import Node, NotMath, parse_expression
from dqdata_operators.lib.maths.shapes import Answer, Braces, Chain, Scalar, Several, Tuple, Union, Unreadable
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
        case Several(items) if all(isinstance(item, Chain) for item in items):
            sets = [real_set(item) for item in items]
            return _joined([s for s in sets if s is not None]) if None not in sets else None
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


def _joined(sets: list[list[Interval]]) -> list[Interval]:
    """Several inequalities: `x < 2 or x > 3` is a union; one that would be everything, an intersection."""
    union = _union([interval for s in sets for interval in s])
    if union != [ALL]:
        return union
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


_NAME = re.compile(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?'?(?:\([a-z]\))?")
_FLIP = {"<": ">", ">": "<", "le": "ge", "ge": "le", "ne": "ne"}


def _solved(chain: Chain) -> list[Interval] | None:
    if chain.ops == ("in",):
        try:
            return real_set(read(chain.parts[1])) if _NAME.fullmatch(chain.parts[0]) else None
        except Unreadable:
            return None
    if bars := next((m for part in chain.parts if (m := re.fullmatch(r"\|\s*(\\?[A-Za-z]+)\s*\|", part))), None):
        inside = _solved(Chain(tuple(bars[1] if part == bars[0] else part for part in chain.parts), chain.ops))
        return None if inside is None else _mirrored(inside)
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


def _one(left: str, right: str, op: str) -> list[Interval] | None:
    """Solutions of one inequality that is linear in its one unknown."""
    if op not in _FLIP:
        return None
    sides = [re.fullmatch(r"\s*([a-zA-Z])\([a-z]\)\s*", side) for side in (left, right)]
    try:
        a, b = (parse_expression(f[1] if f else side) for f, side in zip(sides, (left, right), strict=True))
    except NotMath:
        return None
    names = symbols(a) | symbols(b)
    if len(names) != 1:
        return None
    (name,) = names
    try:
        at = [value(a, {name: Fraction(x)}) - value(b, {name: Fraction(x)}) for x in (0, 1, 2, -3)]
    except (Undefined, TooLarge, TypeError):
        return None
    if any(isinstance(x, complex) for x in at):
        return None
    slope = at[1] - at[0]
    if slope == 0 or not _near(at[2], at[0] + 2 * slope) or not _near(at[3], at[0] - 3 * slope):
        return None
    root = -at[0] / slope
    if slope < 0:
        op = _FLIP[op]
    match op:
        case "ne":
            return [Interval(-math.inf, False, root, False), Interval(root, False, math.inf, False)]
        case "<" | "le":
            return [Interval(-math.inf, False, root, op == "le")]
        case _:
            return [Interval(root, op == "ge", math.inf, False)]
