r"""The structures of an answer: numbers, expressions, and their containers.

\left(\frac{1}{2}, 3\right]   is   Tuple("(", (Scalar(...), Scalar(...)), "]")

Scalar        one number or expression, with a unit:   3\sqrt{2}   18 dollars   28\%   52_8
Several       more than one answer, in no order:       1, -2       6 and 8      1 \pm \sqrt{19}
Parts         answers with labels:                     (a) 4 (b) 5
Tuple         an ordered tuple, a point, an interval:  (3, 4]      (1, -16, 4)
Braces        a finite set:                            \{1, 2\}
Union         of intervals and sets:                   (2, 12) \cup (12, 102)
Chain         equation or inequality:                  x = 5       -2 \le x < 7    x \in [1, 2]
Matrix        rows of cells:                           \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}
Ratio         3 : 4
Intersection  of intervals and sets:                   [1, 3] \cap [2, 4]
Except        all reals but some:                      \mathbb{R} \setminus \{3\}
Clock         3:30 p.m.
Date          March 3, 2021
Congruence    x \equiv 3 \pmod 7
Cases         a function by cases:                     \begin{cases} x & x > 0 \\ 0 & x \le 0 \end{cases}
Qualified     3k \text{ where } k \text{ is an integer}
Words         Evelyn, no solution, (C)
Opaque        mathematics that only sympy may read:    \int_0^1 x\,dx
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from dqdata_operators.lib.maths.expression import Node
from dqdata_operators.lib.maths.units import NO_UNIT, Unit


class Unreadable(ValueError):
    """The text is no answer that can be compared with another."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """text: as normalised. base: the subscript of 52_8. percent: whether % was written; `node` is without it."""

    text: str
    node: Node
    unit: Unit = NO_UNIT
    percent: bool = False
    base: int | None = None


@dataclass(frozen=True, slots=True)
class Several:
    """connective: "and", "or", or nothing where only commas join the items."""

    items: tuple[Answer, ...]
    connective: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    labels: tuple[str, ...]
    items: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Tuple:
    opening: str
    items: tuple[Answer, ...]
    closing: str


@dataclass(frozen=True, slots=True)
class Braces:
    items: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Union:
    parts: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Intersection:
    parts: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Except:
    """All real numbers but these. name: the variable that was written, or nothing."""

    items: tuple[Answer, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """parts[0] ops[0] parts[1] ...: as normalised text, since `f(x)` or `AB` is a name on one side only."""

    parts: tuple[str, ...]
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    rows: tuple[tuple[Answer, ...], ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    parts: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """half: "a", "p" or nothing. A time such as 3:45 without a half may also be a ratio."""

    hour: int
    minute: int
    half: str
    second: int = 0


@dataclass(frozen=True, slots=True)
class Date:
    """readings: (year or 0, month, day); two where the order of day and month is open, as in 3/4/2021."""

    readings: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Congruence:
    """name: empty for `3 mod 7` alone."""

    name: str
    residue: Answer
    modulus: Answer


@dataclass(frozen=True, slots=True)
class Cases:
    """Values with their conditions, as normalised text."""

    branches: tuple[tuple[Answer, str], ...]


@dataclass(frozen=True, slots=True)
class Qualified:
    """parameters: letters with the set that they run through ("Z", "N", "R", "" where it isn't said). condition: the
    qualifier as it was written."""

    answer: Answer
    parameters: tuple[tuple[str, str], ...]
    condition: str


@dataclass(frozen=True, slots=True)
class Words:
    text: str


@dataclass(frozen=True, slots=True)
class Opaque:
    text: str


Answer: TypeAlias = (
    "Scalar | Several | Parts | Tuple | Braces | Union | Intersection | Except | Chain | Matrix | Ratio | Clock | Date "
    "| Congruence | Cases | Qualified | Words | Opaque"
)
