"""Writes harder versions of problems, and keeps those that several solvers answer alike.

    { op = "evolve", teacher = "v3", n = 2, solvers = ["r1", "qwq"], max_tokens = 2048 }

    problem_id | question                      ->  problem_id | question                             | answer | seed_id
    p1         | 3 bags of 4 apples: how many?     77b0..     | 3 bags of 4 apples each, but a fi... | 9      | p1

Each of the n is a call of its own, whose prompt makes the problem harder in another way (in-depth evolving, as in
WizardLM, arXiv 2304.12244). A new problem is solvable where k solvers reach one answer (`agree`, whose columns it
gets): that is its reference answer. The others are dropped as `no_agreement`. Two steps `evolve` raise the difficulty
twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pydantic import Field, model_validator

from dqdata.columns import Columns
from dqdata.operator import CallEstimate, Estimate, Outcome, Reject, Row, Run, Schema, TeacherName, bind
from dqdata.schema import make_child
from dqdata_operators.generate._synthesis import SynthesisOperator, SynthesisParams

WAYS = {
    "en": (
        "add one condition that has to be taken into account and changes the answer",
        "make it need at least one more step of reasoning, without adding a second question",
        "replace a general notion by a more specific one that is harder to handle",
        "ask for a quantity that has to be derived from what was asked before",
        "give one of the known quantities indirectly, so that it has to be found first",
    ),
    "zh": (
        "加一个必须考虑、并且会改变答案的条件",
        "至少多需要一步推理，但不增加第二个问题",
        "把一个一般的概念换成更具体、更难处理的概念",
        "改问一个必须由原来所求推导出来的量",
        "把一个已知量改为间接给出，需要先求出它",
    ),
}


class EvolveParams(SynthesisParams):
    n: int = Field(1, ge=1)
    """Harder versions to ask for from each problem."""
    near: float = Field(0.95, gt=0, le=1)
    """Similarity to its seed, a sibling or a question in `against` at which a problem is no new one: a version shares
    most of its text with its seed."""
    solvers: tuple[TeacherName, ...] = Field(min_length=2)
    """Teachers who try to solve a new problem."""
    k: int | None = Field(None, ge=2)
    """Solvers that must reach the same answer; all of them where not given."""
    verifier: str = "verify_math"
    """Operator that says whether two answers are equal."""
    verifier_params: Mapping[str, Any] = {}
    """Parameters of the verifier."""
    solver_tokens: int | None = Field(None, ge=1)
    """`max_tokens` of the solvers."""
    solver_temperature: float | None = Field(None, ge=0)
    """Temperature of the solvers; the endpoint's own where not given."""

    @model_validator(mode="after")
    def _solvable(self) -> EvolveParams:
        if len(set(self.solvers)) < len(self.solvers):
            raise ValueError("`solvers` names one teacher twice; an answer would agree with itself")
        if self.k is not None and self.k > len(self.solvers):
            raise ValueError(f"k = {self.k} is more than the {len(self.solvers)} solvers")
        return self

    @property
    def agreement(self) -> dict[str, Any]:
        """Parameters of `agree`."""
        asked = {
            "k": self.k,
            "max_tokens": self.solver_tokens,
            "temperature": self.solver_temperature,
            "verifier_params": self.verifier_params or None,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        return {"teachers": self.solvers, "verifier": self.verifier, "language": self.language, **given}


class Evolve(SynthesisOperator[EvolveParams]):
    """Writes harder versions of problems, each with the answer that several solvers agree on."""

    name = "evolve"
    Params = EvolveParams
    own = ("problem", "way")

    @property
    def samples(self) -> int:
        return self.params.n

    @cached_property
    def agreed(self) -> Any:
        return make_child("agree", self.params.agreement)

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return schema.child("agree", self.params.agreement, super().columns(have, schema))

    def children(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        return (("agree", self.params.agreement),)

    def _estimate(self, rows: float, answer: float) -> Estimate:
        """The calls of the writer and of the solvers, who try every new problem."""
        made = super()._estimate(rows, answer)
        tried = self.agreed.at_most if answer == float("inf") else self.agreed.estimate
        calls = dict(made.calls)
        for name, more in tried(rows * self.params.n).calls.items():
            calls[name] = _sum(calls[name], more) if name in calls else more
        return Estimate(made.rows, calls)

    def values(self, row: Row, sample: int) -> dict[str, str]:
        ways = WAYS.get(self.params.language, WAYS["en"])
        return {"way": ways[sample % len(ways)]}

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        made = await super().process(row, run)
        bound = bind("agree", self.params.agreement, run)
        new = [one for one in made if not isinstance(one, Reject) and one["problem_id"] is None]
        solved = iter(await bound([{**one, "problem_id": row["problem_id"]} for one in new]))
        outcomes: list[Outcome] = []
        for one in made:
            if isinstance(one, Reject):
                outcomes.append(one)
            elif one["problem_id"] is not None:  # the seed
                outcomes.append({**dict.fromkeys(bound.columns or ()), **one})
            else:
                [outcome] = next(solved)
                outcomes.append(_new(outcome))
        return outcomes


def _new(outcome: Outcome) -> Outcome:
    """A problem without the id of its seed, which it had while it was solved."""
    if not isinstance(outcome, Reject):
        return {**outcome, "problem_id": None}
    row = None if outcome.row is None else {**outcome.row, "problem_id": None}
    return Reject(outcome.reason, outcome.detail, outcome.kind, row, outcome.retryable)


def _sum(one: CallEstimate, other: CallEstimate) -> CallEstimate:
    return CallEstimate(
        one.calls + other.calls, one.input_tokens + other.input_tokens, one.output_tokens + other.output_tokens
    )
