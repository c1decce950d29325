"""verify: every row to the verifier of its answer_type.

    answer_type  answer   tests                    ->  verifier
    math         1/2                                   verify_math
    choice       C                                     verify_choice
    text         Hastings                              verify_text
    code                  assert add(2, 3) == 5        verify_code

A row of no known type, or of a type left out of `types`, is unverifiable: `unknown_type`; so is a row of code where no
column holds tests, and any other where no column holds answers. What verify_code makes (tests_passed, ...) is there
where the column `tests` is. Parameters of a
verifier go under its type: { op = "verify", math = { rel_tol = 0.01 } }.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from pydantic import Field

from dqdata.columns import Columns
from dqdata.errors import ColumnError
from dqdata.operator import CallOperator, Outcome, Params, Reject, Row, Run, Schema, bind
from dqdata_operators.lib.maths import Judgement
from dqdata_operators.verify.verify_math import VERDICT_COLUMNS, judged

AnswerType = Literal["math", "choice", "text", "code"]
TYPES: tuple[AnswerType, ...] = get_args(AnswerType)


class VerifyParams(Params):
    answer_type: str = "answer_type"
    """Column that says which verifier applies."""
    default: AnswerType | None = None
    """Type of rows whose answer_type is null."""
    types: tuple[AnswerType, ...] = Field(TYPES, min_length=1)
    """Types to verify."""
    math: Mapping[str, Any] = {}
    """Parameters of verify_math."""
    choice: Mapping[str, Any] = {}
    """Parameters of verify_choice."""
    text: Mapping[str, Any] = {}
    """Parameters of verify_text."""
    code: Mapping[str, Any] = {}
    """Parameters of verify_code."""


class Verify(CallOperator[VerifyParams]):
    """Sends each row to verify_math, verify_choice, verify_text or verify_code, by its answer_type."""

    name = "verify"
    Params = VerifyParams

    def children(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        return tuple((f"verify_{kind}", getattr(self.params, kind)) for kind in self.params.types)

    def columns(self, have: Columns, schema: Schema) -> Columns:
        if self.params.default is None or self.params.answer_type in have:
            have.require(self.params.answer_type, "VARCHAR")
        if self.params.default is not None and self.params.default not in self.params.types:
            raise ColumnError(f"default = {self.params.default!r} is not among types = {list(self.params.types)}")
        made = have
        possible = {kind for kind in self.params.types if self._reference(kind) in have}
        for name, params in self.children():
            if possible and name.removeprefix("verify_") not in possible:
                continue
            try:
                made = made.add(**schema.child(name, params, have))
            except ColumnError as error:
                raise ColumnError(f"{name}: {error}") from error
        return made.add(**VERDICT_COLUMNS)

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        kind = row.get(self.params.answer_type) or self.params.default
        made = self._made(row)
        if kind not in self.params.types:
            return [judged(made, Judgement("unverifiable", None, f"unknown_type: {kind}"))]
        if self._reference(kind) not in row:
            why = "no_tests" if kind == "code" else "reference_unreadable: empty"
            return [judged(made, Judgement("unverifiable", None, why))]
        [outcomes] = await bind(f"verify_{kind}", getattr(self.params, kind), run)([row])
        return [outcome if isinstance(outcome, Reject) else {**made, **outcome} for outcome in outcomes]

    def _reference(self, kind: str) -> str:
        """Column with what a response of this type is judged by: the tests of a program, or the right answer."""
        name = "tests" if kind == "code" else "answer"
        return str(getattr(self.params, kind).get(name, name))

    def _made(self, row: Row) -> Row:
        """The row with every column that any of the verifiers makes, empty: each fills its own."""
        if "code" not in self.params.types or self._reference("code") not in row:
            return {**row, "extracted": None}
        from dqdata_operators.verify.verify_code import COLUMNS

        return {**row, "extracted": None, **dict.fromkeys(COLUMNS)}
