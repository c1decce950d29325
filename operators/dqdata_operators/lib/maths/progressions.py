r"""Sets of numbers at equal distances: residue classes, statements of divisibility, and families over the integers.

>>> from dqdata_operators.lib.maths.structure import read
>>> same_progressions(read("n is even"), read("n = 2k"))
True
>>> same_progressions(read(r"x = 60° + 360° k, k \in \mathbb{Z}"), read(r"x = \frac{7\pi}{3} + 2\pi n"))
True
>>> same_progressions(read(r"n \equiv 1 \pmod 3"), read(r"3k + 2, k \in \mathbb{Z}"))
False
"""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction
from typing import NamedTuple

from dqdata_operators.lib.maths.chains import assigns, is_name, names_agree, squeeze
from dqdata_operators.lib.maths.evaluate import TooLarge, Undefined, symbols, value
from dqdata_operators.lib.maths.expression import Call, Node
from dqdata_operators.lib.maths.lists import UNDECIDED, Undecided
from dqdata_operators.lib.maths.shapes import (
    Answer,
    Braces,
    Chain,
    Congruence,
    Qualified,
    Scalar,
    Several,
    Union,
    Unreadable,
    Words,
)
from dqdata_operators.lib.maths.statements import PARITY
from dqdata_operators.lib.maths.structure import read

Real = Fraction | float
CLOSE = 1e-9
MOST = 720
"""Residues of a common period that are still written out."""
_INTEGERS = frozenset("jklmnpqrst")
"""Letters that may run through the integers where nothing says so."""


class Line(NamedTuple):
    """start + step * k. The first k is 0 where the domain has a least element."""

    start: Real
    step: Real


class Progressions(NamedTuple):
    """The union of lines. domain: what their letter runs through: "Z", "N" (from 1, or from 0), "N0", nothing where it
    isn't said; "mod" for a residue class."""

    name: str
    lines: tuple[Line, ...]
    domain: str


def same_progressions(ref: Answer, pred: Answer) -> bool | Undecided | None:
    """Whether both are the same set. UNDECIDED where one is no such set, or no side says that its letter runs through
    the integers; None where the sets can't be told apart."""
    if not (_likely(ref) and _likely(pred)) or not (_stated(ref) or _stated(pred)):
        return UNDECIDED
    sides = _sides(ref, pred)
    if sides is None:
        return UNDECIDED
    mine, theirs = sides
    if not names_agree(mine.name, theirs.name):
        return False
    domains = [mine.domain or theirs.domain, theirs.domain or mine.domain]
    if set(domains) <= {"Z", "mod"}:
        return _same_lines(mine.lines, theirs.lines)
    if "mod" in domains:  # a residue class doesn't say whether its numbers are positive
        return None if _same_lines(mine.lines, theirs.lines) is not False else False
    if "Z" in domains:
        return False
    verdicts = [
        _same_rays(_from(mine.lines, domains[0], least), _from(theirs.lines, domains[1], least)) for least in (0, 1)
    ]
    return verdicts[0] if verdicts[0] == verdicts[1] else None


def perhaps_same(ref: Answer, pred: Answer) -> bool:
    """Whether two equations are the same set if their letters, which nobody explains, run through the integers."""
    if not (isinstance(ref, Chain | Several) and isinstance(pred, Chain | Several)):
        return False
    sides = _sides(ref, pred)
    if sides is None or not (sides[0].name and names_agree(sides[0].name, sides[1].name)):
        return False
    mine, theirs = (side.lines for side in sides)
    return mine[0].step not in (1, -1) and _same_lines(mine, theirs) is True


def _sides(ref: Answer, pred: Answer) -> tuple[Progressions, Progressions] | None:
    try:
        mine, theirs = _read(ref), _read(pred)
    except (Undefined, TooLarge, Unreadable):
        return None
    return None if mine is None or theirs is None else (mine, theirs)


def _likely(answer: Answer) -> bool:
    return isinstance(answer, Qualified | Congruence | Chain | Several | Union | Words | Scalar | Braces)


def _stated(answer: Answer) -> bool:
    """Whether the answer itself says that it is about integers."""
    match answer:
        case Congruence(name):
            return bool(name)
        case Qualified(_, parameters):
            return len(parameters) == 1 and parameters[0][0] != "" and parameters[0][1] in ("Z", "N", "N0")
        case Several(items) | Union(items):
            return any(map(_stated, items))
        case Chain(parts, ("in",)):
            return "\\{" in parts[1] and re.search(r"\\in(?![a-z])", parts[1]) is not None
    return False


def _read(answer: Answer) -> Progressions | None:
    match answer:
        case Congruence():
            return _congruence(answer)
        case Qualified(inner, ((letter, domain),)) if letter and domain in ("Z", "N", "N0", ""):
            return _family(inner, letter, domain)
        case Several(items, connective):
            return _together(items, connective)
        case Union(items):
            return _together(items, "or")
        case Braces((only,)):
            return _read(only)
        case Chain(parts, ("in",)) if is_name(parts[0]):
            found = _read(read(parts[1]))
            return None if found is None or found.name else found._replace(name=squeeze(parts[0]))
        case Chain() | Scalar():
            letters = _letters(answer)
            return _family(answer, letters.pop(), "") if len(letters) == 1 and letters <= _INTEGERS else None
        case Words(text) if (rest := PARITY.get(text.strip().lower())) is not None:
            return Progressions("", (Line(Fraction(rest), Fraction(2)),), "mod")
    return None


def _congruence(answer: Congruence) -> Progressions | None:
    modulus = _number(answer.modulus)
    items = answer.residue.items if isinstance(answer.residue, Several) else (answer.residue,)
    residues = [_number(item) for item in items]
    if not answer.name or modulus is None or modulus <= 0 or None in residues:
        return None
    return Progressions(squeeze(answer.name), tuple(Line(r, modulus) for r in residues if r is not None), "mod")


def _number(answer: Answer) -> Fraction | None:
    if not isinstance(answer, Scalar) or symbols(answer.node) or answer.unit.dims or answer.percent:
        return None
    found = value(answer.node)
    return found if isinstance(found, Fraction) else None


def _together(items: tuple[Answer, ...], connective: str) -> Progressions | None:
    """Joined by `or` or by commas the sets are united, joined by `and` congruences of several moduli are intersected.

    A letter that is explained behind the last item runs through the same set in the others.
    """
    domains = [item.parameters[0] for item in items if isinstance(item, Qualified) and len(item.parameters) == 1]
    explained = domains[-1] if domains else None
    found = [
        _family(item, *explained) if explained and isinstance(item, Chain | Scalar) else _read(item) for item in items
    ]
    sets = [one for one in found if one is not None]
    if len(sets) != len(items) or len({one.domain for one in sets}) != 1:
        return None
    names = {one.name for one in sets} - {""}
    if len(names) > 1:
        return None
    name = names.pop() if names else ""
    congruent = all(isinstance(item, Congruence) for item in items)
    moduli = {abs(line.step) for one in sets for line in one.lines}
    if congruent and len(moduli) > 1:
        return _common(name, sets) if connective == "and" else None if not connective else _united(name, sets)
    if congruent and connective == "and":
        return None
    return _united(name, sets)


def _united(name: str, sets: list[Progressions]) -> Progressions:
    return Progressions(name, tuple(line for one in sets for line in one.lines), sets[0].domain)


def _common(name: str, sets: list[Progressions]) -> Progressions | None:
    """Numbers in every one of several residue classes."""
    steps = {line.step for one in sets for line in one.lines}
    if not all(isinstance(step, Fraction) and step.denominator == 1 for step in steps):
        return None
    period = math.lcm(*(int(step) for step in steps))
    if period > MOST:
        return None
    inside = [
        Line(Fraction(n), Fraction(period))
        for n in range(period)
        if all(any((n - line.start) % line.step == 0 for line in one.lines) for one in sets)
    ]
    return Progressions(name, tuple(inside), "mod") if inside else None


def _family(answer: Answer, letter: str, domain: str) -> Progressions | None:
    name = ""
    if isinstance(answer, Chain):
        if not assigns(answer) or len(answer.parts) != 2 or not is_name(answer.parts[0]):
            return None
        name, answer = squeeze(answer.parts[0]), read(answer.parts[1])
        if letter in re.sub(r"\\[A-Za-z]+", "", name):
            return None  # a sequence: a_n = 2n
    if isinstance(answer, Several):
        parts = [_family(item, letter, domain) for item in answer.items]
        sets = [part for part in parts if part is not None]
        if len(sets) != len(answer.items) or len({part.name for part in sets} - {""}) > 1:
            return None
        return _united(name or next((part.name for part in sets if part.name), ""), sets)
    node = _expression(answer)
    if node is None or symbols(node) != {letter}:
        return None
    lines = _lines(node, letter, domain)
    return Progressions(name, lines, domain) if lines else None


def _expression(answer: Answer) -> Node | None:
    if not isinstance(answer, Scalar) or answer.percent or answer.base:
        return None
    if answer.unit.dims == (("angle", 1),):
        return Call("°", (answer.node,))
    return None if answer.unit.dims else answer.node


def _lines(node: Node, letter: str, domain: str) -> tuple[Line, ...]:
    """One line, or two where odd and even numbers give one each, as in (-1)^k a + b k."""
    least = 1 if domain == "N" else 0
    found = [value(node, {letter: Fraction(least + k)}) for k in range(8)]
    at = [x for x in found if isinstance(x, Fraction | float)]
    if len(at) != 8:
        return ()
    if _is_line(at):
        return (Line(at[0], at[1] - at[0]),)
    if _is_line(at[::2]) and _is_line(at[1::2]):
        return (Line(at[0], at[2] - at[0]), Line(at[1], at[3] - at[1]))
    return ()


def _is_line(at: list[Real]) -> bool:
    step = at[1] - at[0]
    scale = max(1.0, *(abs(float(x)) for x in at))
    steady = all(abs(float(b - a - step)) <= CLOSE * scale for a, b in itertools.pairwise(at))
    return steady and abs(float(step)) > CLOSE


def _letters(answer: Answer) -> set[str]:
    """The letters on the right of an equation, or of a value."""
    if isinstance(answer, Chain):
        if len(answer.parts) != 2 or not assigns(answer) or not is_name(answer.parts[0]):
            return set()
        try:
            return _letters(read(answer.parts[1]))
        except Unreadable:
            return set()
    if isinstance(answer, Several):
        return set().union(*map(_letters, answer.items))
    return set(symbols(answer.node)) if isinstance(answer, Scalar) else set()


def _period(steps: list[Real]) -> Real | None:
    """The least number that is a whole multiple of every step."""
    total, *others = (max(step, -step) for step in steps)
    for step in others:
        exact = isinstance(total, Fraction) and isinstance(step, Fraction)
        ratio = Fraction(total / step) if exact else Fraction(float(total / step)).limit_denominator(MOST)
        if not ratio or abs(float(ratio * step - total)) > CLOSE * float(total):
            return None
        total = total * ratio.denominator
    return total


def _same_lines(mine: tuple[Line, ...], theirs: tuple[Line, ...]) -> bool | None:
    period = _period([line.step for line in (*mine, *theirs)])
    if period is None:
        return False
    a, b = _residues(mine, period), _residues(theirs, period)
    return None if a is None or b is None else _covered(a, b, period) and _covered(b, a, period)


def _residues(lines: tuple[Line, ...], period: Real) -> list[Real] | None:
    found: list[Real] = []
    for start, step in lines:
        count = round(float(period) / abs(float(step)))
        if len(found) + count > MOST:
            return None
        found += [(start + k * step) % period for k in range(count)]
    return found


def _covered(some: list[Real], others: list[Real], period: Real) -> bool:
    def apart(a: Real, b: Real) -> float:
        distance = abs(float(a) - float(b))
        return min(distance, float(period) - distance)

    return all(any(apart(a, b) <= CLOSE * max(1.0, float(period)) for b in others) for a in some)


def _from(lines: tuple[Line, ...], domain: str, least: int) -> tuple[Line, ...]:
    """Lines of the natural numbers, which `_lines` starts at 1, from the least of them."""
    return tuple(Line(line.start - (1 - least) * line.step, line.step) for line in lines) if domain == "N" else lines


def _same_rays(mine: tuple[Line, ...], theirs: tuple[Line, ...]) -> bool | None:
    period = _period([line.step for line in (*mine, *theirs)])
    if period is None or len({line.step > 0 for line in (*mine, *theirs)}) != 1:
        return False
    first = min(abs(float(line.start)) for line in (*mine, *theirs))
    count = 3 + int(max(abs(float(line.start)) - first for line in (*mine, *theirs)) / float(period))
    if count * float(period) / min(abs(float(line.step)) for line in (*mine, *theirs)) > MOST:
        return None
    reach = max(abs(float(line.start)) for line in (*mine, *theirs)) + float(period)

    def inside(lines: tuple[Line, ...]) -> list[float]:
        return [
            x
            for start, step in lines
            for k in range(1 + int(count * float(period) / abs(float(step))))
            if abs(x := float(start + k * step)) <= reach
        ]

    a, b = inside(mine), inside(theirs)
    return all(any(math.isclose(x, y, rel_tol=CLOSE, abs_tol=CLOSE) for y in b) for x in a) and all(
        any(math.isclose(x, y, rel_tol=CLOSE, abs_tol=CLOSE) for y in a) for x in b
    )
