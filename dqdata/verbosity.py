"""RV*(CD): how verbose a trace should be for its difficulty. `mix` chooses traces by it, GRPO rewards by it.

>>> target = VerbosityTarget(((0, 1), (9, 8)))
>>> target.at(4.5), target.at(12)
(4.5, 8.0)

Reasoning verbosity (RV) and cognitive difficulty (CD) run from 0 to 9 (OmniThought, arXiv 2505.10937): concise on easy
problems, long on hard ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

SCALE = 9.0
"""RV and CD run from 0 to this."""
Points = tuple[tuple[float, float], ...]
USUAL: Points = ((0, 1), (9, 8))


@dataclass(frozen=True)
class VerbosityTarget:
    """Straight lines through points (CD, RV); level before the first point and after the last. Raises ValueError for
    points whose CD does not rise, and for values off the scales."""

    points: Points = USUAL

    def __post_init__(self) -> None:
        if not self.points or any(right[0] <= left[0] for left, right in pairwise(self.points)):
            raise ValueError("`rv_target` needs points whose CD rises")
        if any(not (0 <= cd <= SCALE and 0 <= rv <= SCALE) for cd, rv in self.points):
            raise ValueError("`rv_target` must stay on the scales, 0 to 9")

    def at(self, cd: float) -> float:
        """RV for this CD."""
        if cd <= self.points[0][0]:
            return float(self.points[0][1])
        for (x, y), (x2, y2) in pairwise(self.points):
            if cd <= x2:
                return y + (cd - x) * ((y2 - y) / (x2 - x))
        return float(self.points[-1][1])

    def sql(self, cd: str) -> str:
        """The same as an expression of DuckDB over the column `cd`; null for null."""
        first, last = self.points[0], self.points[-1]
        pieces = [f"when {cd} <= {first[0]} then {first[1]}"]
        for (x, y), (x2, y2) in pairwise(self.points):
            pieces.append(f"when {cd} <= {x2} then {y} + ({cd} - {x}) * {(y2 - y) / (x2 - x)}")
        return f"(case when {cd} is null then null {' '.join(pieces)} else {last[1]} end)::double"
