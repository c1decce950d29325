"""Rubrics: weighted criteria by which a response is scored, as rows hold them and as a judge writes them.

>>> rubric = [Criterion("States 4.", 5), Criterion("Guesses.", -2)]
>>> score(rubric, [True, True])
0.6
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dqdata.ids import digest
from dqdata_operators.lib.asking.judgement import Settled, UnreadableError

RUBRIC = "STRUCT(criterion VARCHAR, weight BIGINT)[]"
"""Type of a rubric in a row."""
HEAVIEST = 10


class Criterion(NamedTuple):
    """criterion: a statement that is true or false of a response. weight: points, negative for a mistake."""

    criterion: str
    weight: int


class RubricError(ValueError):
    """What is no rubric; the message says why."""


def read(value: Any) -> list[Criterion]:
    """The rubric of a row: a list of structs, or JSON text of one. Raises RubricError."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise RubricError(f"no JSON: {error}") from None
    if not value or not isinstance(value, Sequence):
        raise RubricError("there is no criterion")
    criteria = [_criterion(one) for one in value]
    if all(one.weight < 0 for one in criteria):
        raise RubricError("no criterion has a weight above 0, so that no response can earn a point")
    return criteria


def _criterion(value: Any) -> Criterion:
    if not isinstance(value, Mapping) or not {"criterion", "weight"} <= set(value):
        raise RubricError(f"{json.dumps(value, ensure_ascii=False, default=str)[:60]} has no `criterion` and `weight`")
    text, weight = value["criterion"], value["weight"]
    if not isinstance(text, str) or not text.strip():
        raise RubricError("a criterion is empty")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or weight != int(weight) or weight == 0:
        raise RubricError(f"the weight {weight!r} is no whole number other than 0")
    if abs(weight) > HEAVIEST:
        raise RubricError(f"the weight {weight!r} is not from -{HEAVIEST} to {HEAVIEST}")
    return Criterion(" ".join(text.split()), int(weight))


def version(rubric: Sequence[Criterion]) -> str:
    """Names the rubric by what it says: another wording or weight is another version."""
    return digest("rubric", *(f"{one.weight}:{one.criterion}" for one in rubric))[:12]


def score(rubric: Sequence[Criterion], met: Sequence[bool]) -> float:
    """Points of the criteria that are true, as a share of the points that can be earned, 0 to 1."""
    earned = sum(one.weight for one, is_met in zip(rubric, met, strict=True) if is_met)
    return min(1.0, max(0.0, earned / sum(one.weight for one in rubric if one.weight > 0)))


@dataclass(frozen=True)
class Criteria:
    """A list of criteria, as a judge is asked for it."""

    least: int
    most: int

    @property
    def schema(self) -> dict[str, Any]:
        one = {
            "type": "object",
            "properties": {
                "criterion": {"type": "string"},
                "weight": {"type": "integer", "minimum": -HEAVIEST, "maximum": HEAVIEST},
            },
            "required": ["criterion", "weight"],
            "additionalProperties": False,
        }
        return {"type": "array", "items": one, "minItems": self.least, "maxItems": self.most}

    def check(self, value: Any) -> list[Criterion]:
        try:
            found = read(value if isinstance(value, list) else None)
        except RubricError as error:
            raise UnreadableError(str(error)) from None
        if not self.least <= len(found) <= self.most:
            raise UnreadableError(f"{len(found)} criteria are not from {self.least} to {self.most}")
        if len({one.criterion.casefold() for one in found}) < len(found):
            raise UnreadableError("a criterion is there twice")
        return found

    def settle(self, votes: Sequence[Any]) -> Settled:
        """The first vote: rubrics can't be averaged."""
        return Settled(votes[0], 1.0)
