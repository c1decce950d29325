"""verify_choice: does a response choose the right option?

    answer   choices               response                        extracted  verdict    verdict_reason
    C        [Rome, Bern, Paris]   ... so the answer is (C).       C          correct    equal
    Paris    [Rome, Bern, Paris]   The answer is Bern.             B          incorrect  different
    C                              A, B, C or D                               incorrect  several_choices

The reference is a letter, or the text of an option where the column `choices` (VARCHAR[]) is there.
"""

from __future__ import annotations

from pydantic import Field

from dqdata.columns import Columns
from dqdata.operator import Outcome, Params, Row, RowOperator, Schema
from dqdata_operators.lib.maths import PLACES, Judgement, Place, compare_choice
from dqdata_operators.verify.verify_math import VERDICT_COLUMNS, judged


class VerifyChoiceParams(Params):
    answer: str = "answer"
    """Column with the right letter, or the right option's text."""
    response: str = "response"
    """Column with the text to judge."""
    choices: str = "choices"
    """Column with the options' texts, in order; used where it exists."""
    places: tuple[Place, ...] = Field(PLACES, min_length=1)
    """Where an answer is looked for: a box, after ####, a phrase such as "the answer is", the last
    line."""
    deadline: float = Field(5.0, gt=0)
    """CPU seconds for one row; past them it is unverifiable, with the reason `timeout`."""


class VerifyChoice(RowOperator[VerifyChoiceParams]):
    """Compares the option that a response chooses with the right one, by letter or by text."""

    name = "verify_choice"
    Params = VerifyChoiceParams

    @property
    def deadline(self) -> float:
        return self.params.deadline

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require(self.params.answer, "VARCHAR").require(self.params.response, "VARCHAR")
        if self.params.choices in have:
            have.require(self.params.choices, "VARCHAR[]")
        return have.add(**VERDICT_COLUMNS)

    def process(self, row: Row) -> Outcome:
        return judged(
            row,
            compare_choice(
                reference=row[self.params.answer],
                response=row[self.params.response],
                choices=row.get(self.params.choices),
                places=self.params.places,
            ),
        )

    def timed_out(self, row: Row) -> Outcome:
        return judged(row, Judgement("unverifiable", None, "timeout"))
