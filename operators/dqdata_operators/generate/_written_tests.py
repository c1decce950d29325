"""Test cases of a programming problem, as a model writes them and as rows hold them.

>>> read_cases({"entry_point": "f", "cases": [{"args": [1], "expected": 2}]}).entry_point
'f'
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dqdata_operators.lib.asking.judgement import Settled, UnreadableError

CALL, RUN = {"args", "expected"}, {"input", "output"}


@dataclass(frozen=True)
class Cases:
    """entry_point: the function that the cases call; empty where each is a run of the program. cases: {args, expected}
    or {input, output}, no input twice."""

    entry_point: str
    cases: tuple[Mapping[str, Any], ...]

    def text(self, *places: int) -> str:
        """The cases at these places, all without any, as `tests` of `verify_code`."""
        chosen = [self.cases[place] for place in places] if places else list(self.cases)
        return json.dumps(
            {"entry_point": self.entry_point, "cases": chosen} if self.entry_point else chosen, ensure_ascii=False
        )


def read_cases(value: Any, entry_point: str = "") -> Cases:
    """Cases of a JSON value. entry_point: the function that they must call, where it is known. Raises
    UnreadableError."""
    if not isinstance(value, Mapping) or not isinstance(value.get("cases"), Sequence):
        raise UnreadableError("not an object with a list `cases`")
    named = value.get("entry_point") or ""
    if not isinstance(named, str) or (named and not named.isidentifier()):
        raise UnreadableError(f"entry_point {named!r} is no name of a function")
    if entry_point and named != entry_point:
        raise UnreadableError(f"entry_point is {named!r}, the problem's function is {entry_point!r}")
    keys = CALL if named else RUN
    made: dict[str, Mapping[str, Any]] = {}
    for number, case in enumerate(value["cases"], 1):
        if not isinstance(case, Mapping) or set(case) != keys:
            raise UnreadableError(f"case {number} must have the keys {' and '.join(sorted(keys))}")
        if named and not isinstance(case["args"], list):
            raise UnreadableError(f"case {number}: args is no list")
        if not named and not all(isinstance(case[key], str) for key in keys):
            raise UnreadableError(f"case {number}: input and output are texts")
        given = json.dumps(case["args" if named else "input"], sort_keys=True)
        if given in made and made[given] != case:
            raise UnreadableError(f"case {number} has the input of an earlier one, and another result")
        made[given] = case
    return Cases(named, tuple(made.values()))


@dataclass(frozen=True)
class WrittenCases:
    """The cases, as a model is asked for them."""

    least: int
    most: int
    entry_point: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        def case(**properties: Any) -> dict[str, Any]:
            kind = {"type": "object", "properties": properties, "required": list(properties)}
            return {**kind, "additionalProperties": False}

        text = {"type": "string"}
        calls, runs = case(args={"type": "array"}, expected={}), case(input=text, output=text)
        kinds = [calls] if self.entry_point else [calls, runs]
        listed = {"type": "array", "items": {"anyOf": kinds}, "minItems": self.least, "maxItems": self.most}
        return case(entry_point=text, cases=listed)

    def check(self, value: Any) -> Cases:
        found = read_cases(value, self.entry_point)
        if len(found.cases) < self.least:
            raise UnreadableError(f"{len(found.cases)} different cases, fewer than {self.least}")
        return Cases(found.entry_point, found.cases[: self.most])

    def settle(self, votes: Sequence[Any]) -> Settled:
        """The first vote: cases can't be averaged."""
        return Settled(votes[0], 1.0)
