"""Annotates traces with a judge's overall score, 0-9.

{ op = "score", judge = "qwq", rubric = "correct, complete, easy to learn from", votes = 3 }

question       | response    ->  score | score_agreement | score_by
What is 2 + 2? | It is four.       6.0 |             1.0 | QwQ-32B
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from dqdata.columns import Columns
from dqdata.operator import Outcome, Row, Run
from dqdata_operators.judgement import Scale
from dqdata_operators.judging import JudgeOperator, JudgeParams


class ScoreParams(JudgeParams):
    rubric: str = Field("the reasoning is correct, complete, and easy to learn from", min_length=1)
    """What a good trace is, as the prompt says it."""


class Score(JudgeOperator[ScoreParams]):
    """Asks a judge for one overall score of each trace by a rubric."""

    name = "score"
    Params = ScoreParams
    asked: ClassVar = {"score": Scale(0, 9)}
    own = (*JudgeOperator.own, "rubric")

    def columns(self, have: Columns) -> Columns:
        return self.judges(have).add(score="DOUBLE", score_agreement="DOUBLE", score_by="VARCHAR")

    def material(self, row: Row) -> dict[str, str]:
        return {**super().material(row), "rubric": self.params.rubric}

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        said = await self.ask(row, run)
        score, agreement = said.values["score"]
        return [{**row, "score": score, "score_agreement": agreement, "score_by": said.judge}]
