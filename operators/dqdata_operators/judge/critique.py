"""Rates whether a trace suits a student of this size: too terse, fitting, or too complex.

    { op = "critique", judge = "qwq", student = "7B" }

    question       | reasoning                       ->  fit    | fit_agreement | fit_by
    What is 2 + 2? | By the Peano axioms S(S(0)) ...     hard   |           1.0 | QwQ-32B

easy: steps that this student needs are left out. medium: it fits. hard: too complex to follow. A tie between votes is
`medium`, which `rethink` leaves as it is.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from dqdata.columns import Columns
from dqdata.operator import Outcome, Row, Run, Schema
from dqdata_operators.lib.asking.judgement import Choice
from dqdata_operators.lib.asking.judging import JudgeOperator, JudgeParams

FITS = ("easy", "medium", "hard")


class CritiqueParams(JudgeParams):
    student: str = Field("7B", min_length=1)
    """Parameters of the student that will learn from the trace, as the prompt says them."""


class Critique(JudgeOperator[CritiqueParams]):
    """Asks a critic whether each trace is too terse, fitting or too complex for a student of a given size."""

    name = "critique"
    Params = CritiqueParams
    asked: ClassVar = {"fit": Choice(FITS, tie="medium")}
    own = (*JudgeOperator.own, "student")

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return self.judges(have).add(fit="VARCHAR", fit_agreement="DOUBLE", fit_by="VARCHAR")

    def material(self, row: Row) -> dict[str, str]:
        return {**super().material(row), "student": self.params.student}

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        said = await self.ask(row, run)
        fit, agreement = said.values["fit"]
        return [{**row, "fit": fit, "fit_agreement": agreement, "fit_by": said.judge}]
