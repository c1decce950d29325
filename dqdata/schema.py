"""What a plan knows beside the columns that a step meets: columns of catalogs, scores of reward models, children.

    def columns(self, have: Columns, schema: Schema) -> Columns:
        judged = schema.child("verify_math", {}, have)        # columns once that operator ran on the rows
        return judged.add(level=schema.catalogs["graded"]["level"])

`Operator.columns` reads it and keeps nothing of it: the instance that processes rows may be another one, in another
process, whose `columns` was never called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from dqdata.columns import Columns
from dqdata.errors import ColumnError, InputError, boundary
from dqdata.ids import canonical
from dqdata.plugins import load

if TYPE_CHECKING:
    from dqdata.operator import Operator


@dataclass(frozen=True)
class Child:
    """An operator that another one runs, as it was planned: the columns that it meets and leaves, and its own
    children."""

    operator: Operator[Any]
    before: Columns
    after: Columns
    children: Mapping[str, Child]


def child_key(name: str, params: Mapping[str, Any]) -> str:
    """What a child is found by: its name and parameters as its parent writes them."""
    return canonical([name, params])


def make_child(name: str, params: Mapping[str, Any]) -> Operator[Any]:
    """An installed operator. Raises PluginError, and InputError that names a wrong parameter."""
    kind: type[Operator[Any]] = load("operators", name)
    try:
        return kind(kind.Params(**params))
    except ValidationError as error:
        [first, *_] = error.errors()
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"operator {name!r}: parameter {where!r}: {first['msg']}") from None


@dataclass(frozen=True)
class Schema:
    """catalogs: columns of each catalog that the operator named, by the name as written. scores: what each scorer that
    it named gives. make: how child operators are made. planned: the children that `child` planned so far."""

    catalogs: Mapping[str, Columns] = field(default_factory=dict)
    scores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    make: Callable[[str, Mapping[str, Any]], Operator[Any]] | None = None
    planned: dict[str, Child] = field(default_factory=dict)

    def child(self, name: str, params: Mapping[str, Any], have: Columns) -> Columns:
        """Columns once an operator that this one runs has seen rows of these columns. In a run its rows are cast to
        them and accounted for. Raises ColumnError as a step would, InputError for wrong parameters, and ColumnError
        where one child is planned over different columns."""
        key = child_key(name, params)
        operator = (self.make or make_child)(name, params)
        inner = Schema(self.catalogs, self.scores, self.make)
        with boundary("operator", name):
            after = operator.columns(have, inner)
        if key in self.planned and self.planned[key].before != have:
            raise ColumnError(f"operator {name!r} is planned twice with the same parameters over different columns")
        self.planned[key] = Child(operator, have, after, inner.planned)
        return after
