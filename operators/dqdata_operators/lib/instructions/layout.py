"""The constraints of a row in IFEval's layout: `instruction_id_list`, names of kinds, and `kwargs`, arguments of each.

    >>> read(["punctuation:no_comma"], [{}])[0].followed("One, two.", loose=False)
    False

`kwargs` is a list of structs, in which arguments of other kinds are null, or JSON text, of the list or of each part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dqdata.errors import nearest
from dqdata_operators.lib.instructions.kinds import KINDS, LANGUAGE_BY, ArgumentError, Constraint, Values, loosened


class LayoutError(ValueError):
    """Constraints that can't be read; the message says which and why."""


@dataclass(frozen=True)
class Instruction:
    """One constraint of a row. fault: why it can't be checked; then there is no kind."""

    name: str
    kind: Constraint | None
    values: Values
    fault: str = ""

    def followed(self, response: str, *, loose: bool) -> bool | None:
        """Whether a response follows it; loose: whether one of its variants without first line, last line and asterisks
        does. None where nothing decides."""
        if self.kind is None:
            return None
        said = [self.kind.holds(one, self.values) for one in (loosened(response) if loose else (response,))]
        return True if True in said else None if None in said else False


def read(names: Any, arguments: Any, language_by: str = "words") -> list[Instruction]:
    """The constraints of a row. One that can't be checked has a fault. Raises LayoutError where names and arguments
    don't go together."""
    listed = _parsed(names, "instruction_id_list")
    if not listed:
        raise LayoutError("instruction_id_list is empty")
    given = _parsed(arguments, "kwargs") if arguments is not None else [None] * len(listed)
    if len(given) != len(listed):
        raise LayoutError(f"{len(listed)} instructions and {len(given)} kwargs")
    return [_instruction(name, one, language_by) for name, one in zip(listed, given, strict=True)]


def _instruction(name: Any, arguments: Any, language_by: str) -> Instruction:
    name = str(name).strip()
    kind = KINDS.get(name)
    if kind is None:
        return Instruction(name, None, {}, f"no kind {name!r}{nearest(name, KINDS)}")
    try:
        if isinstance(arguments, str):
            arguments = json.loads(arguments)
        if arguments is not None and not isinstance(arguments, Mapping):
            raise ArgumentError(f"kwargs are {arguments!r}, not an object")
        return Instruction(name, kind, {**kind.read(arguments or {}), LANGUAGE_BY: language_by})
    except ValueError as error:
        return Instruction(name, None, {}, f"{name}: {error}")


def _parsed(value: Any, column: str) -> Sequence[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise LayoutError(f"{column} is no JSON: {error}") from None
    if value is None:
        return ()
    if isinstance(value, Mapping) or not isinstance(value, Sequence):
        raise LayoutError(f"{column} is no list")
    return value
