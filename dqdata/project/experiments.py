"""`[experiments.NAME]`: arms of one pipeline and trainer that `dqdata ablate` compares.

[experiments.what_helps]
pipeline = "traces"
trainer = "student"
evaluation = "heldout"
seeds = [0, 1, 2]

[experiments.what_helps.arms]
full = {}                                                   # the first arm is the baseline of the tests
raw = { only = ["generate"] }
no_verification = { without = ["verify_math", "right"] }
random = { replace = { mix = { op = "sample", rows = 1000 } } }
few_samples = { steps = { generate = { n = 1 } } }
other_teacher = { teachers = { r1 = "qwq" } }
slow_learning = { trainer = { args = { learning_rate = 1e-6 } } }
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from dqdata.params import Params

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


class ArmSpec(Params):
    """How an arm differs from the pipeline and trainer of its experiment; steps are named by their ids."""

    without: tuple[str, ...] = ()
    """Steps that the arm leaves out."""
    only: tuple[str, ...] | None = None
    """The steps that it keeps, and no other."""
    steps: Mapping[str, Mapping[str, Any]] = {}
    """Parameters of steps that it sets."""
    replace: Mapping[str, Mapping[str, Any]] = {}
    """Steps in place of others: tables with `op`."""
    teachers: Mapping[str, str] = {}
    """Teachers in place of others, in every step."""
    trainer: Mapping[str, Any] = {}
    """Keys of the trainer's table that it sets; of `args` single ones."""

    @model_validator(mode="after")
    def _is_one(self) -> ArmSpec:
        if self.only is not None and self.without:
            raise ValueError("`only` and `without` are two ways to say the same: give one")
        if bad := [step for step, body in self.replace.items() if not isinstance(body.get("op"), str)]:
            raise ValueError(f"replace.{bad[0]} needs `op`: the operator in its place")
        return self


class ExperimentKeys(Params):
    """Keys of `[experiments.NAME]`."""

    pipeline: str
    trainer: str
    evaluation: str
    """An `[evaluations.NAME]` or a public benchmark: what every arm is measured on."""
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    """A model is trained with each."""
    tokens: int | None = Field(None, ge=1)
    """Tokens that every arm learns from; by default as many as the arm with the fewest has."""
    problems: int | Literal["all", "equal"] = "all"
    """equal: each arm learns from the problems alone that all arms have; a number: from so many of these."""
    arms: Mapping[str, ArmSpec] = Field(min_length=2)
    """At least two; the first is the baseline."""

    @field_validator("seeds")
    @classmethod
    def _once(cls, seeds: Sequence[int]) -> Sequence[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed occurs twice")
        return seeds

    @field_validator("problems")
    @classmethod
    def _some(cls, problems: int | str) -> int | str:
        if isinstance(problems, int) and problems < 1:
            raise ValueError("at least 1 problem is needed")
        return problems

    @field_validator("arms")
    @classmethod
    def _named(cls, arms: Mapping[str, ArmSpec]) -> Mapping[str, ArmSpec]:
        if bad := [name for name in arms if not _NAME.fullmatch(name)]:
            raise ValueError(f"arm {bad[0]!r}: small letters, digits and _, at most 31, a letter first")
        return arms


class ExperimentTable(ExperimentKeys):
    name: str
    where: str
