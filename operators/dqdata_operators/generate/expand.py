"""Writes new problems in the manner of seed problems.

    { op = "expand", teacher = "v3", n = 4, against = "benchmarks.parquet" }

    problem_id | question                      ->  problem_id | question                          | seed_id | answer
    p1         | 3 bags of 4 apples: how many?     8c1f..     | A bus has 7 rows of 4 seats. ...  | p1      |

Each of the n is a call of its own, whose prompt asks to vary another aspect. Near-duplicates of the seed, of a sibling
or of a question in `against` are dropped with their similarity. The reference answer is left open: `generate` and
`majority` find one. `keep_seeds = true` and a `dedup` step afterwards compare new problems with all seeds.
"""

from __future__ import annotations

from pydantic import Field

from dqdata.operator import Row
from dqdata_operators.generate._synthesis import SynthesisOperator, SynthesisParams

WAYS = {
    "en": (
        "another situation that needs the same idea",
        "the same field, with one more step to think of",
        "the same field, asked the other way round: what was given is sought",
        "another field in which a similar thought helps",
        "a harder condition that has to be noticed",
    ),
    "zh": (
        "换一个情境，但用到同样的思路",
        "同一领域，多一步需要想到的推理",
        "同一领域，反过来问：原来的已知变成所求",
        "换一个领域，但类似的思路有用",
        "加一个需要留意的、更难的条件",
    ),
}


class ExpandParams(SynthesisParams):
    n: int = Field(1, ge=1)
    """New problems to ask for from each seed."""


class Expand(SynthesisOperator[ExpandParams]):
    """Writes new problems from seeds, each checked to be new."""

    name = "expand"
    Params = ExpandParams
    own = ("problem", "way")

    @property
    def samples(self) -> int:
        return self.params.n

    def values(self, row: Row, sample: int) -> dict[str, str]:
        ways = WAYS.get(self.params.language, WAYS["en"])
        return {"way": ways[sample % len(ways)]}
