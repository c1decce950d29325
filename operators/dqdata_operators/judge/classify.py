"""Sorts problems into classes of your own; `balance` then evens them out.

{ op = "classify", judge = "small", classes = { algebra = "equations, unknowns", counting = "how many ways" } }

question                        ->  task     | task_agreement | task_by
How many ways to seat 4 guests?     counting |            1.0 | qwen-0.5b
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from dqdata.columns import Columns
from dqdata.operator import InOrder, Outcome, Row, Run, Schema
from dqdata_operators.lib.asking.judgement import Asked, Choice
from dqdata_operators.lib.asking.judging import (
    PROBLEM_TOKENS,
    JudgeOperator,
    JudgeParams,
    fenced,
    required,
)

TASKS = {
    "math": "calculation, proof, word problems with numbers",
    "code": "writing, reading or repairing programs",
    "science": "physics, chemistry, biology, medicine",
    "logic": "puzzles and deduction without much calculation",
    "knowledge": "facts about the world, history, culture",
    "writing": "composing, rewriting, summarising or translating text",
    "other": "none of these",
}


class ClassifyParams(JudgeParams):
    classes: Annotated[Mapping[str, str], InOrder()] = Field(TASKS)
    """Name of each class, and what belongs to it."""
    column: str = "question"
    """Column with the text that is classed."""
    into: str = "task"
    """Column for the class."""

    @model_validator(mode="after")
    def _several(self) -> ClassifyParams:
        if len(self.classes) < 2:
            raise ValueError("`classes` needs two classes at least")
        return self


class Classify(JudgeOperator[ClassifyParams]):
    """Asks a judge which of several classes each problem belongs to."""

    name = "classify"
    Params = ClassifyParams
    own = ("problem", "classes")

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require(self.params.column, "VARCHAR")
        self.prompt.require(have, *self.own)
        into = self.params.into
        return have.add(**{into: "VARCHAR", f"{into}_agreement": "DOUBLE", f"{into}_by": "VARCHAR"})

    @property
    def prompt_tokens(self) -> float:
        text = self.tokens_of(self.params.column, PROBLEM_TOKENS)
        return self.prompt.overhead + text + 12 * len(self.params.classes)

    def questions(self, row: Row) -> Mapping[str, Asked]:
        return {"class": Choice(tuple(self.params.classes))}

    def material(self, row: Row) -> dict[str, str]:
        listed = "\n".join(f"- {name}: {meaning}" for name, meaning in self.params.classes.items())
        return {"problem": fenced("problem", required(row, self.params.column)), "classes": listed}

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        said = await self.ask(row, run)
        word, agreement = said.values["class"]
        into = self.params.into
        return [{**row, into: word, f"{into}_agreement": agreement, f"{into}_by": said.judge}]
