r"""Adds verifiable constraints to prompts, in the layout that `verify_instructions` checks.

    { op = "add_instructions", n = 2, constraints = [1, 3] }

    problem_id | question              ->  problem_id | question                         | instruction_id_list | kwargs
    p1         | Why is the sky blue?      7be2..     | Why is .. blue?\n\nDo not use .. | [punctuation:no_..] | [{}]

Each of the n prompts is a row of its own with `seed_id`; constraints and arguments depend on the seed, the problem and
the variant alone. Kinds that one response can hardly follow together are not drawn together. No teacher is called.
`kwargs` is JSON text. What was known of the question's answer stays: a response may be verified for both.
"""

from __future__ import annotations

import json
import random
from typing import Any, ClassVar

from pydantic import Field, model_validator

from dqdata.columns import Columns
from dqdata.errors import ColumnError, nearest
from dqdata.ids import digest
from dqdata.operator import CallOperator, Estimate, Outcome, Params, Reject, Row, Run, Schema
from dqdata_operators.lib.asking.judging import required
from dqdata_operators.lib.instructions.drawing import draw
from dqdata_operators.lib.instructions.kinds import KINDS


class AddInstructionsParams(Params):
    n: int = Field(1, ge=1)
    """Prompts to make from each problem."""
    constraints: tuple[int, int] = (1, 3)
    """Least and most constraints of a prompt."""
    kinds: tuple[str, ...] = tuple(KINDS)
    """Kinds to draw from; a name before the colon stands for all of its group."""
    keep_seeds: bool = False
    """The problems go on beside the new prompts, without constraints."""
    seed: int | None = None
    """The pipeline's own where not given."""

    @model_validator(mode="after")
    def _known(self) -> AddInstructionsParams:
        for name in self.kinds:
            if name not in KINDS and not any(kind.startswith(f"{name}:") for kind in KINDS):
                raise ValueError(f"no kind of constraint {name!r}{nearest(name, KINDS)}")
        low, high = self.constraints
        if not 1 <= low <= high or not self.kinds:
            raise ValueError("`constraints` is [least, most], from 1, and `kinds` names one at least")
        return self

    @property
    def drawn_from(self) -> tuple[str, ...]:
        return tuple(kind for kind in KINDS if kind in self.kinds or kind.split(":")[0] in self.kinds)


class AddInstructions(CallOperator[AddInstructionsParams]):
    """Adds verifiable constraints to prompts, for `verify_instructions`."""

    name = "add_instructions"
    Params = AddInstructionsParams
    reasons: ClassVar = {
        "constraints_conflict": "The kinds that were drawn first exclude so many that too few are left."
    }

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("problem_id", "VARCHAR").require("question", "VARCHAR")
        if "trace_id" in have or "pair_id" in have:
            raise ColumnError("makes prompts from problems; these rows are traces (leave the reasoning out in `from`)")
        return have.add(instruction_id_list="VARCHAR[]", kwargs="VARCHAR", seed_id="VARCHAR")

    def estimate(self, rows: float) -> Estimate:
        return Estimate(rows * (self.params.n + self.params.keep_seeds))

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        question = required(row, "question").strip()
        seed = run.seed if self.params.seed is None else self.params.seed
        made: list[Outcome] = []
        if self.params.keep_seeds:
            made.append({**row, "instruction_id_list": None, "kwargs": None, "seed_id": row.get("seed_id")})
        for variant in range(self.params.n):
            rng = random.Random(digest("instructions", str(seed), str(row["problem_id"]), str(variant)))
            drawn = draw(rng, question, rng.randint(*self.params.constraints), self.params.drawn_from)
            new = self._row(row, question, drawn)
            if len(drawn) < self.params.constraints[0]:
                made.append(Reject("constraints_conflict", f"{len(drawn)} of {self.params.constraints[0]}", row=new))
            elif all(new["question"] != one.get("question") for one in made if not isinstance(one, Reject)):
                made.append(new)
            else:
                made.append(Reject("duplicate", "the same constraints as another variant", row=new))
        return made

    def _row(self, row: Row, question: str, drawn: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
        asked = [KINDS[name].words(KINDS[name].read(arguments)) for name, arguments in drawn]
        return {
            **row,
            "problem_id": None,
            "question": "\n\n".join([question, *asked]),
            "instruction_id_list": [name for name, _ in drawn],
            "kwargs": json.dumps([arguments for _, arguments in drawn], ensure_ascii=False),
            "seed_id": row["problem_id"],
        }
