"""Scores responses by a rubric: a judge says of each weighted criterion whether it is true of the response.

    from = "select t.*, r.rubric from traces t join rubrics r using (problem_id)"
    steps = [{ op = "score_rubric", judge = "qwq" }]

    response  | rubric                                 ->  rubric_score | rubric_met    | rubric_version | rubric_by
    It is 4.  | [{States 4., 10}, {Guesses., -3}, ..]             0.77 | [true, false, ..] | 3f0a..     | QwQ-32B

rubric_score is the points of the criteria that are true, as a share of the points above 0 that can be earned, cut to 0
to 1 (as in arXiv 2507.17746). rubric_met has the verdict of each criterion, in the order of the rubric. `criteria` is a
rubric for all rows, where they have none of their own. As a reward: { op = "score_rubric", column = "rubric_score",
params = { judge = "qwq" } }.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, field_validator

from dqdata.columns import Columns
from dqdata.errors import ColumnError, RowError
from dqdata.operator import Outcome, Params, Row, Run, Schema
from dqdata_operators.lib.asking.judgement import Asked, YesNo
from dqdata_operators.lib.asking.judging import (
    PROBLEM_TOKENS,
    TRACE_TOKENS,
    JudgeOperator,
    JudgeParams,
    fenced,
    required,
)
from dqdata_operators.lib.asking.rubrics import RUBRIC, Criterion, RubricError, read, score, version

CRITERIA_TOKENS = 150
"""Tokens that the criteria of a rubric are taken to have when costs are estimated."""


class CriterionTable(Params):
    criterion: str
    """A statement that is true or false of a response."""
    weight: int
    """Points, 1 to 10; below 0 for a mistake."""


class ScoreRubricParams(JudgeParams):
    rubric: str = "rubric"
    """Column with the rubric of each row: a list of {criterion, weight}, or JSON text."""
    criteria: tuple[CriterionTable, ...] = ()
    """A rubric for all rows, in place of the column."""
    response: str = Field("response", min_length=1)
    """Column with the text to judge."""

    @field_validator("criteria")
    @classmethod
    def _readable(cls, criteria: tuple[CriterionTable, ...]) -> tuple[CriterionTable, ...]:
        if criteria:
            read([one.model_dump() for one in criteria])
        return criteria


class ScoreRubric(JudgeOperator[ScoreRubricParams]):
    """Asks a judge which criteria of a rubric a response meets, and adds up their weights."""

    name = "score_rubric"
    Params = ScoreRubricParams
    own = ("problem", "reference", "response", "criteria", "keys")
    reasons: ClassVar = {"no_rubric": "The row has no rubric that can be read."}

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("question", "VARCHAR").require(self.params.response, "VARCHAR")
        if not self.params.criteria:
            kind = have.require(self.params.rubric)[self.params.rubric]
            if kind != "VARCHAR" and not (kind.endswith("[]") and "criterion" in kind and "weight" in kind):
                raise ColumnError(f"column {self.params.rubric!r} is {kind}, not {RUBRIC} and not JSON text")
        self.prompt.require(have, *self.own)
        made = {"rubric_score": "DOUBLE", "rubric_met": "BOOLEAN[]", "rubric_agreement": "DOUBLE"}
        return have.add(**made, rubric_version="VARCHAR", rubric_by="VARCHAR")

    @property
    def prompt_tokens(self) -> float:
        given = self.tokens_of(self.params.response, TRACE_TOKENS / 4) + CRITERIA_TOKENS
        return self.prompt.overhead + self.tokens_of("question", PROBLEM_TOKENS) + given

    def questions(self, row: Row) -> Mapping[str, Asked]:
        return {f"c{number}": YesNo() for number, _ in enumerate(self._rubric(row), 1)}

    def material(self, row: Row) -> dict[str, str]:
        rubric = self._rubric(row)
        listed = "\n".join(f"c{number}: {one.criterion}" for number, one in enumerate(rubric, 1))
        keys = ", ".join(f'"c{number}": ...' for number, _ in enumerate(rubric, 1))
        return {
            "problem": fenced("problem", required(row, "question")),
            "reference": fenced("reference", str(row["answer"])) if row.get("answer") else "",
            "response": fenced("response", required(row, self.params.response)),
            "criteria": fenced("criteria", listed),
            "keys": f"{{{keys}}}",
        }

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        rubric = self._rubric(row)
        said = await self.ask(row, run)
        settled = [said.values[f"c{number}"] for number, _ in enumerate(rubric, 1)]
        met = [bool(one.value) for one in settled]
        return [
            {
                **row,
                "rubric_score": score(rubric, met),
                "rubric_met": met,
                "rubric_agreement": sum(one.agreement for one in settled) / len(settled),
                "rubric_version": version(rubric),
                "rubric_by": said.judge,
            }
        ]

    def _rubric(self, row: Row) -> list[Criterion]:
        """The rubric of a row. Raises RowError where there is none."""
        if self.params.criteria:
            return [Criterion(" ".join(one.criterion.split()), one.weight) for one in self.params.criteria]
        try:
            return read(row[self.params.rubric])
        except RubricError as error:
            raise RowError("no_rubric", str(error)) from None
