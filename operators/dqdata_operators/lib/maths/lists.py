r"""Lists of answers: values by name, values of one name, and the pairing of items.

>>> from dqdata_operators.lib.maths.structure import read
>>> sorted(named_values(read("(x, y) = (2, 3)"))), alternatives(read("x = 1 or x = 2"))[0]
(['x', 'y'], 'x')
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import Protocol

from dqdata_operators.lib.maths.chains import is_name, name_of, squeeze, values_of
from dqdata_operators.lib.maths.notation import top_level
from dqdata_operators.lib.maths.shapes import Answer, Braces, Chain, Except, Scalar, Several, Tuple


class Undecided(enum.Enum):
    """That the names of values say nothing about two answers."""

    UNDECIDED = enum.auto()


UNDECIDED = Undecided.UNDECIDED


class Comparer(Protocol):
    def equal(self, ref: Answer, pred: Answer) -> bool | None: ...

    def all_of(self, refs: tuple[Answer, ...], preds: tuple[Answer, ...]) -> bool | None: ...


def named_values(answer: Answer) -> dict[str, Answer]:
    """Values by name: of `x = 2, y = 3` and `(x, y) = (2, 3)`. Empty where a value has no name, or two have one."""
    if isinstance(answer, Chain):
        name = name_of(answer)
        values = values_of(answer) if name else []
        if len(values) != 1:
            return {}
        names = top_level(name[1:-1], ",") if name.startswith("(") else []
        value = values[0]
        if len(names) > 1 and isinstance(value, Tuple) and len(value.items) == len(names):
            return dict(zip(names, value.items, strict=True))
        return {name: value}
    if not isinstance(answer, Several | Tuple | Braces):
        return {}
    found: dict[str, Answer] = {}
    for item in answer.items:
        mine = named_values(item)
        if not mine or found.keys() & mine.keys():
            return {}
        found |= mine
    return found


def alternatives(answer: Answer) -> tuple[str, Answer] | None:
    """The name and the list, where several values have one name: `x = 1 or x = 2`, `x = 1, 2`. None elsewhere."""
    if not isinstance(answer, Several) or not isinstance(answer.items[0], Chain):
        return None
    first, rest = answer.items[0], answer.items[1:]
    if first.ops == ("ne",) and is_name(first.parts[0]):
        holes = [_hole(item, first.parts[0]) for item in answer.items]
        return None if None in holes else (squeeze(first.parts[0]), Except(tuple(hole for hole in holes if hole)))
    name = name_of(first)
    if not name or not all(name_of(item) == name or isinstance(item, Scalar | Tuple) for item in rest):
        return None
    values: list[Answer] = []
    for item in answer.items:
        stated = values_of(item) if isinstance(item, Chain) else [item]
        if len(stated) != 1:
            return None
        values += stated
    return name, Several(tuple(values), answer.connective)


def _hole(item: Answer, name: str) -> Answer | None:
    from dqdata_operators.lib.maths.structure import read

    if isinstance(item, Chain):
        return read(item.parts[1]) if item.ops == ("ne",) and item.parts[0] == name else None
    return item if isinstance(item, Scalar) else None


def by_name(
    self: Comparer, ref: Answer, pred: Answer, mine: dict[str, Answer], theirs: dict[str, Answer]
) -> bool | Undecided | None:
    """Named values go together by name. A list without names is in the order of the names: x, y, z by the alphabet,
    others as written. UNDECIDED where a side is no list."""
    if mine and theirs:
        if mine.keys() == theirs.keys():
            verdict = self.all_of(tuple(mine.values()), tuple(theirs[name] for name in mine))
            if verdict is False and _roots(list(mine)):
                return matching(self, tuple(mine.values()), tuple(theirs.values()), sets=False) and None
            return verdict
        return False if len(mine) == len(theirs) else None if mine.keys() & theirs.keys() else False
    named, other = (mine, pred) if mine else (theirs, ref)
    if len(named) < 2 or not isinstance(other, Several | Tuple):
        return UNDECIDED
    if isinstance(other, Tuple) and other.opening + other.closing not in ("()", "[]"):
        return False
    if any(isinstance(item, Chain) for item in other.items):
        return UNDECIDED
    order = sorted(named) if set(named) <= {"x", "y", "z"} else list(named)
    values = tuple(named[name] for name in order)
    verdict = self.all_of(values, other.items) if mine else self.all_of(other.items, values)
    if verdict is False and any(isinstance(value, Several) for value in values):
        return None  # x = 2, y = ±3 are two points
    if verdict is False and isinstance(other, Several) and _roots(order):
        return matching(self, values, other.items, sets=False)
    return verdict


def _roots(names: list[str]) -> bool:
    """Whether the names only number the roots of one equation: x_1 and x_2."""
    return len({name[0] for name in names}) == 1 and all(re.fullmatch(r"[xrztk]_?[0-9]", name) for name in names)


def matching(self: Comparer, refs: Sequence[Answer], preds: Sequence[Answer], *, sets: bool) -> bool | None:
    """Whether the items go together one by one, in any order. sets: whether an item may be written twice."""
    table = [[self.equal(a, b) for b in preds] for a in refs]
    columns = [[row[at] for row in table] for at in range(len(preds))]
    lines = [_any(line) for line in (*table, *columns)]
    if False in lines:
        return False
    if None in lines:
        return None
    if sets:  # {1, 1, 2} and {1, 2, 2} are one set and two lists
        return None if len(refs) == len(preds) and not _paired(table) else True
    if len(refs) != len(preds):  # the same values, some of them more than once: perhaps a double root
        return None if any(isinstance(item, Scalar) for item in (*refs, *preds)) else True
    return _paired(table)


def _paired(table: list[list[bool | None]]) -> bool:
    """Whether rows and columns can be paired by True (augmenting paths; Kuhn 1955)."""
    taken: dict[int, int] = {}

    def place(row: int, seen: set[int]) -> bool:
        for column, verdict in enumerate(table[row]):
            if verdict is True and column not in seen:
                seen.add(column)
                if column not in taken or place(taken[column], seen):
                    taken[column] = row
                    return True
        return False

    return all(place(row, set()) for row in range(len(table)))


def same_connective(ref: Answer, pred: Answer) -> bool:
    said = {answer.connective for answer in (ref, pred) if isinstance(answer, Several) and answer.connective}
    return len(said) < 2


def _any(verdicts: Sequence[bool | None]) -> bool | None:
    return True if True in verdicts else None if None in verdicts else False
