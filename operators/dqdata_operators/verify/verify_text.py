r"""verify_text: is the final answer of a response the reference, in words?

{ op = "verify_text", mode = "number", rel_tol = 0.01 }

mode       | answer                 | response                           | verdict
normalised | The Battle of Hastings | The answer is: battle of hastings. | correct
exact      | GATTACA                | \boxed{gattaca}                    | incorrect
regex      | colou?rs?              | #### Colours                       | correct
number     | 9.81                   | It is 9.8.                         | correct
"""

from __future__ import annotations

from pydantic import Field

from dqdata.columns import Columns
from dqdata.operator import Outcome, Params, Row, RowOperator, Schema
from dqdata_operators.lib.maths import PLACES, Judgement, Place, TextMode, Tolerance, compare_text
from dqdata_operators.verify.verify_math import VERDICT_COLUMNS, judged


class VerifyTextParams(Params):
    answer: str = "answer"
    """Column with the reference, or with a pattern for mode = 'regex'."""
    response: str = "response"
    """Column with the text to judge."""
    mode: TextMode = "normalised"
    """normalised: the same words, whatever their case, punctuation and leading article. exact: the same characters.
    regex: the whole answer matches the pattern, in any case. number: both are numbers, within the tolerances."""
    places: tuple[Place, ...] = Field(PLACES, min_length=1)
    """Where an answer is looked for: a box, after ####, a phrase such as "the answer is", the last
    line."""
    rel_tol: float = Field(0.0, ge=0, lt=1)
    """number: relative distance at which two still match."""
    abs_tol: float = Field(0.0, ge=0)
    """number: absolute distance at which two still match."""
    deadline: float = Field(5.0, gt=0)
    """CPU seconds for one row; past them it is unverifiable, with the reason `timeout`."""


class VerifyText(RowOperator[VerifyTextParams]):
    """Compares the final answer of a response with the reference as text, pattern or number."""

    name = "verify_text"
    Params = VerifyTextParams

    @property
    def deadline(self) -> float:
        return self.params.deadline

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require(self.params.answer, "VARCHAR").require(self.params.response, "VARCHAR")
        return have.add(**VERDICT_COLUMNS)

    def process(self, row: Row) -> Outcome:
        return judged(
            row,
            compare_text(
                reference=row[self.params.answer],
                response=row[self.params.response],
                mode=self.params.mode,
                tolerance=Tolerance(self.params.rel_tol, self.params.abs_tol),
                places=self.params.places,
            ),
        )

    def timed_out(self, row: Row) -> Outcome:
        return judged(row, Judgement("unverifiable", None, "timeout"))
