r"""verify_math: is the final answer of a response the reference answer?

    answer    response                                  extracted   verdict     verdict_reason
    18        ... She makes \boxed{\$18.00} a day.      \$18.00     correct     equal
    1/3       So the answer is 0.3.                     0.3         incorrect   different
    \frac{1}{ The answer is 1/2.                        1/2         unverifiable  reference_unreadable: ...

The response alone is searched: a box that only the thinking holds is no answer, unless `search_reasoning` says so.
Each row has a deadline; a row that takes longer is unverifiable with the reason `timeout`, one at which a rule breaks
with the reason `error`.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from dqdata.columns import Columns
from dqdata.operator import Outcome, Params, Row, RowOperator, Schema
from dqdata_operators.lib.maths import PLACES, Judgement, Place, Tolerance, compare, correct, extract

VERDICT_COLUMNS = {"extracted": "VARCHAR", "verdict": "VARCHAR", "verdict_reason": "VARCHAR", "correct": "BOOLEAN"}


class VerifyMathParams(Params):
    answer: str = "answer"
    """Column with the reference answer."""
    response: str = "response"
    """Column with the text to judge."""
    question: str = "question"
    """Column with the question, used where it exists: "what percent" decides whether 50% is 50."""
    reasoning: str = "reasoning"
    """Column with the thinking, for search_reasoning."""
    search_reasoning: bool = False
    """Take the thinking where the response marks no answer."""
    places: tuple[Place, ...] = Field(PLACES, min_length=1)
    """Where an answer is looked for: a box, after ####, a phrase such as "the answer is", the last
    line."""
    rel_tol: float = Field(0.0, ge=0, lt=1)
    """Relative distance at which numbers still match."""
    abs_tol: float = Field(0.0, ge=0)
    """Absolute distance at which numbers still match."""
    rounded_digits: int = Field(4, ge=0)
    """Significant digits from which a decimal may be a rounding of the other side, as 2.6667 of 8/3; 0: none may."""
    deadline: float = Field(10.0, gt=0)
    """CPU seconds for one row; past them it is unverifiable, with the reason `timeout`."""


class VerifyMath(RowOperator[VerifyMathParams]):
    """Compares the final answer of a response with the reference: numbers, LaTeX, sets, equations, matrices."""

    name = "verify_math"
    Params = VerifyMathParams

    @property
    def deadline(self) -> float:
        return self.params.deadline

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require(self.params.answer, "VARCHAR").require(self.params.response, "VARCHAR")
        if self.params.search_reasoning:
            have.require(self.params.reasoning, "VARCHAR")
        return have.add(**VERDICT_COLUMNS)

    def process(self, row: Row) -> Outcome:
        tolerance = Tolerance(self.params.rel_tol, self.params.abs_tol, self.params.rounded_digits)
        response, places = row[self.params.response], self.params.places
        if self.params.search_reasoning and row[self.params.reasoning]:
            marked = [place for place in places if place != "line"]
            if not response or extract(response, marked) is None:
                response = row[self.params.reasoning]
        return judged(
            row,
            compare(
                reference=row[self.params.answer],
                response=response,
                question=row.get(self.params.question),
                tolerance=tolerance,
                places=places,
            ),
        )

    def timed_out(self, row: Row) -> Outcome:
        return judged(row, Judgement("unverifiable", None, "timeout"))


def judged(row: Row, judgement: Judgement) -> dict[str, Any]:
    """The row with the four columns of a verdict."""
    return {
        **row,
        "extracted": judgement.extracted,
        "verdict": judgement.verdict,
        "verdict_reason": judgement.reason,
        "correct": correct(judgement.verdict),
    }
