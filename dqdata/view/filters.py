"""Which rows a person looks at: conditions on columns, a condition in SQL, and an order; as SQL, TOML and a command.

>>> chosen = Selection("traces@3", (Condition("rv", "ge", "5"),))
>>> chosen.sql(Columns({"trace_id": "VARCHAR", "rv": "DOUBLE"}))
'select * from traces@3 where ("rv" >= 5)'
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dqdata.columns import Columns, is_number
from dqdata.errors import ColumnError, QueryError, nearest
from dqdata.expressions import check_condition
from dqdata.refs import as_query
from dqdata.sql import literal, quoted

OPERATORS = {
    "eq": "=",
    "ne": "≠",
    "lt": "<",
    "le": "≤",
    "gt": ">",
    "ge": "≥",
    "has": "contains",
    "lacks": "does not contain",
    "starts": "begins with",
    "null": "is empty",
    "set": "is not empty",
}
"""How two values are compared, by the name that stands in addresses."""

_COMPARED = {"eq": "=", "ne": "is distinct from", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_SPECIAL = ("nan", "inf", "-inf")


@dataclass(frozen=True)
class Condition:
    """One column compared with one value. op: a key of OPERATORS."""

    column: str
    op: str
    value: str = ""

    def sql(self, columns: Columns) -> str:
        """The condition in SQL. Raises ColumnError for an unknown column, QueryError for an unknown comparison and a
        value that the column can't have."""
        if self.column not in columns:
            raise ColumnError(f"no column {self.column!r}{nearest(self.column, columns)}", code="missing-column")
        if self.op not in OPERATORS:
            raise QueryError(f"no comparison {self.op!r}; there are {', '.join(OPERATORS)}")
        name, kind = quoted(self.column), columns[self.column]
        if self.op in ("null", "set"):
            return f"{name} is {'not ' if self.op == 'set' else ''}null"
        text = name if kind == "VARCHAR" else f"{name}::varchar"
        if self.op == "has":
            return f"contains({text}, {literal(self.value)})"
        if self.op == "lacks":
            return f"coalesce(not contains({text}, {literal(self.value)}), true)"
        if self.op == "starts":
            return f"starts_with({text}, {literal(self.value)})"
        return f"{name if _is_typed(kind) else text} {_COMPARED[self.op]} {self._value(kind)}"

    def _value(self, kind: str) -> str:
        value = self.value.strip()
        if is_number(kind):
            if value.lower() in _SPECIAL:
                return f"'{value.lower()}'::DOUBLE"
            if not _NUMBER.fullmatch(value):
                raise QueryError(f"{self.column} holds numbers, and {self.value!r} is none")
            return value
        if kind == "BOOLEAN":
            if value.lower() not in ("true", "false"):
                raise QueryError(f"{self.column} is true or false, not {self.value!r}")
            return value.lower()
        return f"{literal(value)}::{kind}" if _is_typed(kind) else literal(self.value)


def _is_typed(kind: str) -> bool:
    """Whether values are compared in their own type; nested ones and bytes are compared as text."""
    return is_number(kind) or kind in ("VARCHAR", "BOOLEAN", "DATE", "TIME") or kind.startswith("TIMESTAMP")


@dataclass(frozen=True)
class Selection:
    """Rows of one table. table: `traces@3`. where: a condition in SQL beside the others. sort: a column, or "" for the
    order in which rows were made. given_store: what `--store` named when the viewer started, for commands."""

    table: str
    conditions: Sequence[Condition] = ()
    where: str = ""
    sort: str = ""
    descending: bool = False
    given_store: str = ""

    def condition(self, columns: Columns) -> str:
        """All conditions as one, "" where there is none. Raises QueryError, ColumnError for one that can't be used."""
        parts = [one.sql(columns) for one in self.conditions]
        if self.where.strip():
            check_condition(self.where, columns)
            parts.append(self.where.strip() + ("\n" if "--" in self.where else ""))
        return " and ".join(f"({part})" for part in parts)

    def order(self, columns: Columns) -> str:
        """The value that rows are sorted by, "" for none. Raises ColumnError for an unknown column."""
        if not self.sort:
            return ""
        if self.sort not in columns:
            raise ColumnError(f"no column {self.sort!r}{nearest(self.sort, columns)}", code="missing-column")
        return quoted(self.sort) if _is_typed(columns[self.sort]) else f"{quoted(self.sort)}::varchar"

    def sql(self, columns: Columns) -> str:
        """The query, as `dqdata sql` takes it."""
        condition, order = self.condition(columns), self.order(columns)
        text = as_query(self.table) + (f" where {condition}" if condition else "")
        return text + (f" order by {order}{' desc' if self.descending else ''} nulls last" if order else "")

    def toml(self, columns: Columns) -> str:
        """A step of a pipeline that keeps these rows."""
        return f'{{ op = "filter", where = {toml_text(self.condition(columns) or "true")} }}'

    def command(self, columns: Columns) -> str:
        """The command that prints these rows."""
        store = f" --store {shlex.quote(self.given_store)}" if self.given_store else ""
        return f"dqdata sql{store} {shlex.quote(self.sql(columns))}"

    def query(self, **changes: str) -> list[tuple[str, str]]:
        """The parameters of an address that means this selection, with others besides."""
        given: list[tuple[str, str]] = []
        for one in self.conditions:
            given += [("column", one.column), ("op", one.op), ("value", one.value)]
        given += [("where", self.where)] if self.where else []
        given += [("sort", self.sort)] if self.sort else []
        given += [("desc", "1")] if self.sort and self.descending else []
        return [*given, *((name, value) for name, value in changes.items() if value)]

    def sorted_by(self, column: str) -> Selection:
        """Sorted by this column; the other way round where it is already."""
        return replace(self, sort=column, descending=column == self.sort and not self.descending)

    def without(self, number: int) -> Selection:
        """Without one of its conditions, by its place."""
        return replace(self, conditions=[one for at, one in enumerate(self.conditions) if at != number])


def toml_text(text: str) -> str:
    """A text as a basic string of TOML, whose escapes are those of JSON; it admits no DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
