r"""Points with one parameter: lines of a plane or of space, and the names of parameters.

>>> from dqdata_operators.lib.maths.structure import read
>>> same_points(read(r"(t, 2t), t \in \mathbb{R}"), read(r"(1 - s, 2 - 2s), s \in \mathbb{R}"))
True
"""

from __future__ import annotations

import math
from fractions import Fraction

from dqdata_operators.lib.maths.evaluate import TooLarge, Undefined, symbols, value
from dqdata_operators.lib.maths.quantities import renamed
from dqdata_operators.lib.maths.shapes import Answer, Braces, Matrix, Qualified, Scalar, Several, Tuple

Real = Fraction | float
CLOSE = 1e-9


def same_points(ref: Qualified, pred: Qualified) -> bool | None:
    """Points with one parameter, each coordinate linear in it: whether they run through the same line, or the same
    lattice of a line. None where they are no such points."""
    mine, theirs = _point_line(ref), _point_line(pred)
    domains = {ref.parameters[0][1], pred.parameters[0][1]} if mine and theirs else set()
    if mine is None or theirs is None or len(domains) != 1 or not domains <= {"R", "Z"}:
        return None
    (start, step), (other, turn) = mine, theirs
    if len(start) != len(other):
        return False
    at = next((n for n, x in enumerate(step) if abs(float(x)) > CLOSE), None)
    if at is None:
        return None
    ratio, moved = float(turn[at] / step[at]), float((other[at] - start[at]) / step[at])
    if abs(ratio) < CLOSE:
        return False
    near = [
        math.isclose(float(b), ratio * float(a), rel_tol=CLOSE, abs_tol=CLOSE)
        and math.isclose(float(q - p), moved * float(a), rel_tol=CLOSE, abs_tol=CLOSE)
        for a, b, p, q in zip(step, turn, start, other, strict=True)
    ]
    whole = domains == {"R"} or (abs(abs(ratio) - 1) < CLOSE and abs(moved - round(moved)) < CLOSE)
    return all(near) and whole


def _point_line(answer: Qualified) -> tuple[list[Real], list[Real]] | None:
    """The point at zero and the step of each coordinate."""
    if not isinstance(answer.answer, Tuple) or len(answer.parameters) != 1 or answer.answer.opening != "(":
        return None
    letter = answer.parameters[0][0]
    starts: list[Real] = []
    steps: list[Real] = []
    for item in answer.answer.items:
        if not isinstance(item, Scalar) or item.percent or item.unit.dims or not symbols(item.node) <= {letter}:
            return None
        try:
            found = [value(item.node, {letter: Fraction(n)}) for n in (0, 1, 2, -3)]
        except (Undefined, TooLarge):
            return None
        at = [x for x in found if isinstance(x, Fraction | float)]
        if len(at) != 4 or any(abs(at[0] + n * (at[1] - at[0]) - x) > CLOSE for n, x in ((2, at[2]), (-3, at[3]))):
            return None
        starts.append(at[0])
        steps.append(at[1] - at[0])
    return starts, steps


def renamed_answer(answer: Answer, names: dict[str, str]) -> Answer | None:
    """The same with other letters; None where a part is kept as text."""
    match answer:
        case Scalar():
            return Scalar("", renamed(answer.node, names), answer.unit, answer.percent)
        case Tuple(opening, items, closing):
            found = _all_renamed(items, names)
            return None if found is None else Tuple(opening, found, closing)
        case Several(items, connective):
            found = _all_renamed(items, names)
            return None if found is None else Several(found, connective)
        case Braces(items):
            found = _all_renamed(items, names)
            return None if found is None else Braces(found)
        case Matrix(rows):
            cells = [_all_renamed(row, names) for row in rows]
            return None if None in cells else Matrix(tuple(row for row in cells if row is not None))
    return None


def _all_renamed(items: tuple[Answer, ...], names: dict[str, str]) -> tuple[Answer, ...] | None:
    found = [renamed_answer(item, names) for item in items]
    return None if None in found else tuple(one for one in found if one is not None)
