"""Annotates traces with a judge's overall score, 0-9, or with the scores of a reward model.

{ op = "score", judge = "qwq", rubric = "correct, complete, easy to learn from", votes = 3 }

question       | response    ->  score | score_agreement | score_by
What is 2 + 2? | It is four.       6.0 |             1.0 | QwQ-32B

steps = [{ op = "to_messages" }, { op = "score", model = "style" }]

messages                 ->  score_rv | score_cd | score_by            (trained on the targets rv and cd)
[user: .., assistant: ..]        3.2 |      2.8 | trained:style@3
                         ->  score | score_by                          (trained on pairs: 0 to 1)

A reward model reads the chat in `messages`, as it did when it was trained; its scores stand beside those that a judge
gave (`rv`, `cd`), so that the two can be compared. A chat that is longer than the model reads fails its row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pydantic import Field, model_validator

from dqdata.columns import MESSAGES, Columns
from dqdata.errors import ColumnError, RowError
from dqdata.models import LIKELIHOOD, PREFERENCE
from dqdata.operator import (
    CallEstimate,
    CallOperator,
    Estimate,
    Outcome,
    Params,
    Row,
    Run,
    Schema,
    ScorerName,
    TeacherName,
)
from dqdata.teacher import Message, Request
from dqdata_operators.lib.asking.judgement import Scale
from dqdata_operators.lib.asking.judging import PROBLEM_TOKENS, JudgeOperator, JudgeParams, VoteParams, trace_tokens

RUBRIC = "the reasoning is correct, complete, and easy to learn from"


class ToScorer(Params):
    judge: TeacherName | None = None
    """A `[teachers.NAME]` table whose model judges; `judge` or `model`, one of them."""
    model: ScorerName | None = None
    """A teacher with provider = "reward_model", instead of a judge."""


class ScoreParams(VoteParams, ToScorer):
    rubric: str = Field(RUBRIC, min_length=1)
    """What a good trace is, as the judge's prompt says it."""

    @model_validator(mode="after")
    def _one_scorer(self) -> ScoreParams:
        if (self.judge is None) == (self.model is None):
            raise ValueError('give `judge`, a teacher that writes, or `model`, one with provider = "reward_model"')
        if self.model is not None and (beside_model := sorted(self.model_fields_set - {"model"})):
            raise ValueError(
                f"`{beside_model[0]}` instructs a judge; a reward model needs no instruction: leave it out"
            )
        return self


class RubricParams(JudgeParams):
    rubric: str


class ByJudge(JudgeOperator[RubricParams]):
    """Asks a judge for one overall score of each trace by a rubric."""

    name = "score"
    Params = RubricParams
    asked: ClassVar = {"score": Scale(0, 9)}
    own = (*JudgeOperator.own, "rubric")

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return self.judges(have).add(score="DOUBLE", score_agreement="DOUBLE", score_by="VARCHAR")

    def material(self, row: Row) -> dict[str, str]:
        return {**super().material(row), "rubric": self.params.rubric}

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        said = await self.ask(row, run)
        score, agreement = said.values["score"]
        return [{**row, "score": score, "score_agreement": agreement, "score_by": said.judge}]


class Score(CallOperator[ScoreParams]):
    """Scores each trace: a judge's overall score by a rubric, or the scores of a reward model."""

    name = "score"
    Params = ScoreParams

    @cached_property
    def _judge(self) -> ByJudge:
        return ByJudge(RubricParams(**self.params.model_dump(exclude={"model"})))

    def files(self) -> tuple[Path, ...]:
        return self._judge.files() if self.params.model is None else ()

    def columns(self, have: Columns, schema: Schema) -> Columns:
        if self.params.model is None:
            return self._judge.columns(have, schema)
        if "messages" not in have:
            raise ColumnError(
                "a reward model reads column 'messages', the chat to score: put a step `to_messages` before"
            )
        have.require("messages", MESSAGES)
        if set(schema.scores[self.params.model]) == set(LIKELIHOOD):
            raise ColumnError(f"model = {self.params.model!r} reads traces for a step `student_fit`; it scores none")
        return have.add(**{column_of(name): "DOUBLE" for name in schema.scores[self.params.model]}, score_by="VARCHAR")

    def estimate(self, rows: float) -> Estimate:
        if self.params.model is None:
            return self._judge.estimate(rows)
        given = self.tokens_of("question", PROBLEM_TOKENS) + trace_tokens(self.tokens_of)
        return Estimate(rows, {self.params.model: CallEstimate(rows, rows * given, 0)})

    def at_most(self, rows: float) -> Estimate:
        return self._judge.at_most(rows) if self.params.model is None else self.estimate(rows)

    def expect(self, tokens: Mapping[str, float]) -> None:
        super().expect(tokens)
        if self.params.model is None:
            self._judge.expect(tokens)

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        if self.params.model is None:
            return list(await self._judge.process(row, run))
        turns = [Message(turn["role"], turn["content"] or "") for turn in row["messages"] or ()]
        if not turns or turns[-1].role != "assistant" or not turns[-1].content.strip():
            raise RowError("no_trace", "`messages` doesn't end with an answer of the assistant")
        scorer = run.teacher(self.params.model)
        said = await scorer.complete(Request(tuple(turns)))
        scores = {column_of(name): value for name, value in json.loads(said.response).items()}
        return [{**row, **scores, "score_by": scorer.model}]


def column_of(figure: str) -> str:
    """The column of a score: `score_rv` for rv, `score` for how likely a trace is to be preferred."""
    return "score" if figure == PREFERENCE else f"score_{figure}"
