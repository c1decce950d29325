"""Is the final answer right? A judge for what the rules leave unverifiable, its verdict kept apart from theirs.

    { op = "judge_answer", judge = "qwq", votes = 3 }

    answer                        response                      verdict       ->  judge_verdict | judge_reason
    "forms a regular hexagon"     "they are a hexagon's ..."    unverifiable      correct       | same_meaning
    "42"                          "#### 42"                     correct                          (no call)

`verdict` and `correct` stay as they are. With `rows = "all"` every row is judged, and where rules and judge disagree is
a query: where verdict != judge_verdict. The judge sees the end of the response, never the thinking, and no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from dqdata.columns import Columns
from dqdata.operator import Estimate, Outcome, Row, Run, Schema
from dqdata_operators.lib.asking.judgement import Asked, Choice, UnreadableError
from dqdata_operators.lib.asking.judging import JudgeOperator, JudgeParams, fenced, required
from dqdata_operators.lib.maths.extract import answer_part

REASONS = {
    "correct": ("same_value", "same_meaning"),
    "incorrect": ("different_value", "different_meaning", "incomplete", "several_answers", "no_final_answer"),
    "undecided": ("reference_unclear", "cannot_tell"),
}
UNVERIFIABLE_SHARE = 0.05
"""Rows taken to need a judge when costs are estimated; rules decide the others."""


class JudgeAnswerParams(JudgeParams):
    rows: Literal["unverifiable", "all"] = "unverifiable"
    """unverifiable: only rows whose `verdict` is that. all: every row, so that rules and judge can be compared."""
    answer: str = "answer"
    """Column with the reference answer."""
    response: str = "response"
    """Column with the text to judge."""
    end: int = Field(3000, ge=200)
    """Characters of the response, from its end, that the judge sees; thinking within it is left out."""


class JudgeAnswer(JudgeOperator[JudgeAnswerParams]):
    """Asks a judge whether the final answer means the same as the reference, where rules couldn't tell."""

    name = "judge_answer"
    Params = JudgeAnswerParams
    own = ("problem", "reference", "response")
    asked: ClassVar[Mapping[str, Asked]] = {
        "verdict": Choice(tuple(REASONS), tie="undecided"),
        "reason": Choice(tuple(reason for reasons in REASONS.values() for reason in reasons), tie="cannot_tell"),
    }

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("question", "VARCHAR")
        have.require(self.params.answer, "VARCHAR").require(self.params.response, "VARCHAR")
        if self.params.rows == "unverifiable":
            have.require("verdict", "VARCHAR")
        self.prompt.require(have, *self.own)
        return have.add(judge_verdict="VARCHAR", judge_reason="VARCHAR", judge_agreement="DOUBLE", judge_by="VARCHAR")

    def estimate(self, rows: float) -> Estimate:
        return self.votes_on(rows, rows if self.params.rows == "all" else rows * UNVERIFIABLE_SHARE)

    def material(self, row: Row) -> dict[str, str]:
        said = answer_part(str(row[self.params.response] or "")) or ""
        return {
            "problem": fenced("problem", required(row, "question")),
            "reference": fenced("reference", str(row[self.params.answer])),
            "response": fenced("response", said[-self.params.end :]),
        }

    def check(self, values: Mapping[str, Any], row: Row) -> None:
        if values["reason"] not in REASONS[values["verdict"]]:
            raise UnreadableError(
                f"reason {values['reason']!r} doesn't go with verdict {values['verdict']!r}: "
                f"give one of {', '.join(REASONS[values['verdict']])}"
            )

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        if self.params.rows == "unverifiable" and row["verdict"] != "unverifiable":
            return [self._judged(row)]
        if not (row[self.params.answer] or "").strip():
            return [self._judged(row, "undecided", "no_reference")]
        if not (answer_part(row[self.params.response] or "") or "").strip():
            return [self._judged(row, "incorrect", "no_final_answer")]
        said = await self.ask(row, run)
        verdict, reason = said.values["verdict"], said.values["reason"].value
        if reason not in REASONS[verdict.value]:  # votes of unlike verdicts can leave a reason behind
            reason = "votes_differ"
        return [self._judged(row, verdict.value, reason, verdict.agreement, said.judge)]

    def _judged(
        self,
        row: Row,
        verdict: str | None = None,
        reason: str | None = None,
        agreement: float | None = None,
        judge: str | None = None,
    ) -> dict[str, Any]:
        return {
            **row,
            "judge_verdict": verdict,
            "judge_reason": reason,
            "judge_agreement": agreement,
            "judge_by": judge,
        }
