"""Rewords problems so that they are clear and complete, with the same question and answer.

    { op = "refine", teacher = "v3" }

    problem_id | question                      ->  problem_id | question                                 | seed_id
    p1         | 3 bags 4 apple each how many?     41aa..     | There are 3 bags with 4 apples each. ... | p1

The reworded problem must hold the same numbers as the original: one lost, added or altered makes another problem, and
it is dropped as `numbers_changed`. It keeps the reference answer. Near-duplicates are checked against `against` alone:
it is meant to be near its original.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dqdata.operator import Row
from dqdata_operators.generate._shape import numbers
from dqdata_operators.generate._synthesis import SynthesisOperator, SynthesisParams


class Refine(SynthesisOperator[SynthesisParams]):
    """Rewords problems to be clear and complete, with the same numbers and answer."""

    name = "refine"
    Params = SynthesisParams

    def fault(self, seed: str, new: str) -> tuple[str, str] | None:
        was, now = numbers(seed), numbers(new)
        return None if was == now else ("numbers_changed", f"{' '.join(was)} -> {' '.join(now)}")

    def inherited(self, row: Row) -> dict[str, Any]:
        return dict(row)

    def near(self, seed: str, siblings: Sequence[str], text: str) -> tuple[str, str] | None:
        score, other = self.known.nearest(text)
        return ("near_duplicate", f"{score:.3f}: {other}") if score >= self.params.near else None
