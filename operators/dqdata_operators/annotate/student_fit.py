"""Measures how each trace fits a student, by one forward pass of the student over it.

    [teachers.student]
    provider = "likelihood"
    model = "Qwen/Qwen2.5-7B-Instruct"

    steps = [{ op = "to_messages" }, { op = "student_fit", student = "student" },
      { op = "select", by = "student_rsr asc", k = 1 }]

    messages                 ->  student_nll | student_rank | student_rsr | student_surprising | student_tokens
    [user: .., assistant: ..]            0.71 |          2.4 |        3.38 |               0.25 |            212

student_nll is the mean negative log-likelihood of the assistant's tokens in nats, student_rank the mean rank of each
among the vocabulary (1 for the likeliest), and student_rsr their ratio, rank by negative log-likelihood: the
rank-surprisal ratio of arXiv 2601.14249. A low one fits better: the trace is new to the student, and yet its tokens are
among those that the student considers. student_surprising is the share of steps, which blank lines part, whose mean
negative log-likelihood is above `surprising`. The tokens are those that `sft` trains on, thinking and end of turn
included, rendered by the student's chat template. The ledger keeps what a student made of a trace: the weights and the
chat name it.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from dqdata.columns import MESSAGES, Columns
from dqdata.errors import ColumnError, RowError
from dqdata.models import LIKELIHOOD
from dqdata.operator import CallEstimate, CallOperator, Estimate, Outcome, Params, Row, Run, Schema, ScorerName
from dqdata.teacher import Message, Request, ToolMessage
from dqdata_operators.lib.asking.judging import PROBLEM_TOKENS, trace_tokens

COLUMNS = {
    "nll": "DOUBLE",
    "rank": "DOUBLE",
    "rsr": "DOUBLE",
    "surprising": "DOUBLE",
    "steps": "BIGINT",
    "tokens": "BIGINT",
    "by": "VARCHAR",
}


class StudentFitParams(Params):
    student: ScorerName
    """A `[teachers.NAME]` table with provider = "likelihood": the student before training."""
    surprising: float = Field(1.0, gt=0)
    """Nats per token above which the mean of a step is surprising."""
    prefix: str = Field("student", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Of the columns, so that two students can be measured side by side."""


class StudentFit(CallOperator[StudentFitParams]):
    """Measures how each trace fits a student: likelihood, token rank, their ratio (RSR) and surprising steps."""

    name = "student_fit"
    Params = StudentFitParams
    reads_scores = LIKELIHOOD

    def columns(self, have: Columns, schema: Schema) -> Columns:
        if set(schema.scores[self.params.student]) != set(LIKELIHOOD):
            raise ColumnError(
                f"student = {self.params.student!r} gives {', '.join(schema.scores[self.params.student])}: name a "
                'teacher with provider = "likelihood", which reads traces'
            )
        if "messages" not in have:
            raise ColumnError(
                "reads column 'messages', the chat that the student is to learn: put a step `to_messages` before"
            )
        have.require("messages", MESSAGES)
        if "tools" in have:
            have.require("tools", "VARCHAR")
        return have.add(**{self._column(name): kind for name, kind in COLUMNS.items()})

    def estimate(self, rows: float) -> Estimate:
        given = self.tokens_of("question", PROBLEM_TOKENS) + trace_tokens(self.tokens_of)
        return Estimate(rows, {self.params.student: CallEstimate(rows, rows * given, 0)})

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        turns = tuple(_message(turn) for turn in row["messages"] or ())
        if not turns or turns[-1].role != "assistant":
            raise RowError("no_trace", "`messages` doesn't end with a turn of the assistant")
        student = run.teacher(self.params.student)
        said = json.loads((await student.complete(Request(turns, tools=row.get("tools") or ""))).response)
        nll, rank, steps = said["nll"], said["rank"], said["step_nll"]
        made: dict[str, Any] = {
            "nll": nll,
            "rank": rank,
            "rsr": rank / nll if nll > 0 else None,
            "surprising": sum(step > self.params.surprising for step in steps) / len(steps),
            "steps": len(steps),
            "tokens": said["tokens"],
            "by": student.model,
        }
        return [{**row, **{self._column(name): value for name, value in made.items()}}]

    def _column(self, name: str) -> str:
        return f"{self.params.prefix}_{name}"


def _message(turn: Row) -> Message:
    more = {name: value for name, value in turn.items() if name not in ("role", "content") and value is not None}
    content = turn["content"] or ""
    return ToolMessage(turn["role"], content, more) if more else Message(turn["role"], content)
