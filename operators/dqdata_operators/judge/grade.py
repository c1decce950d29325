"""Grades each trace: RV, reasoning verbosity, and CD, cognitive difficulty, 0-9.

    steps = [{ op = "length" }, { op = "length_scale" }, { op = "grade", judge = "qwq", votes = 3, alpha = 0.5 }]

    trace_id | tokens | rv_length  ->  rv_judge | rv_length | rv   | cd  | graded_by
    t1       |    400 |       4.5           3.0 |       4.5 | 3.75 | 2.0 | QwQ-32B

    rv = alpha * rv_judge + (1 - alpha) * rv_length

Both parts stay in columns of their own, since a judge's idea of length and a count of tokens go wrong in different
ways. The length part comes from `length_scale`, or from `length_at`: ten rising token counts at which it is 0, 1, .. 9
(straight lines between them), so that single rows can be graded and later catalogs share one scale. alpha = 1 needs no
length. CD is the difficulty of this trace, not of its problem: rows are judged one by one and keyed by trace_id.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import Any, ClassVar

from pydantic import Field, model_validator

from dqdata.columns import NUMBERS, Columns
from dqdata.errors import ColumnError, RowError
from dqdata.operator import Outcome, Row, Run, Schema
from dqdata_operators.lib.asking.judgement import Scale
from dqdata_operators.lib.asking.judging import JudgeOperator, JudgeParams


class GradeParams(JudgeParams):
    alpha: float = Field(0.5, ge=0, le=1)
    """Weight of the judge in rv."""
    length_at: tuple[float, ...] | None = None
    """Token counts at which the length part is 0 to 9."""
    tokens: str = "tokens"
    """Column that `length_at` speaks of."""

    @model_validator(mode="after")
    def _thresholds(self) -> GradeParams:
        if self.length_at is not None:
            if len(self.length_at) != 10:
                raise ValueError(f"`length_at` has {len(self.length_at)} counts; ten are needed, for 0 to 9")
            if any(later <= earlier for earlier, later in pairwise(self.length_at)):
                raise ValueError("`length_at` must rise from each count to the next")
        return self


class Grade(JudgeOperator[GradeParams]):
    """Asks a judge for the verbosity and the difficulty of each trace; joins the length to the former."""

    name = "grade"
    Params = GradeParams
    asked: ClassVar = {"rv": Scale(0, 9), "cd": Scale(0, 9)}

    def columns(self, have: Columns, schema: Schema) -> Columns:
        self.judges(have)
        if self.params.length_at is not None:
            have.require(self.params.tokens, *NUMBERS)
        elif self.params.alpha < 1 and "rv_length" not in have:
            raise ColumnError(
                "needs 'rv_length' for the length part of rv: put steps `length` and `length_scale` before, or give "
                "`length_at`, or alpha = 1 for the judge alone"
            )
        return have.add(
            rv_judge="DOUBLE",
            rv_length="DOUBLE",
            rv="DOUBLE",
            cd="DOUBLE",
            rv_agreement="DOUBLE",
            cd_agreement="DOUBLE",
            graded_by="VARCHAR",
        )

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        length = self._length(row)
        said = await self.ask(row, run)
        judge, alpha = said.values["rv"].value, self.params.alpha
        made: dict[str, Any] = {
            "rv_judge": judge,
            "rv_length": length,
            "rv": judge if length is None else alpha * judge + (1 - alpha) * length,
            "cd": said.values["cd"].value,
            "rv_agreement": said.values["rv"].agreement,
            "cd_agreement": said.values["cd"].agreement,
            "graded_by": said.judge,
        }
        return [{**row, **made}]

    def _length(self, row: Row) -> float | None:
        """The length part. Asked for before the judge is paid. Raises RowError."""
        if self.params.length_at is None:
            given = row.get("rv_length")
        else:
            tokens = row[self.params.tokens]
            given = None if tokens is None else on_scale(float(tokens), self.params.length_at)
        if given is None and self.params.alpha < 1:
            raise RowError("no_length", "the row has no length, and rv needs it; alpha = 1 grades without")
        return None if given is None else float(given)


def on_scale(tokens: float, marks: tuple[float, ...]) -> float:
    """The position of a length between the marks: 0 at the first and below, 9 at the last and above."""
    after = bisect_right(marks, tokens)
    if after == 0:
        return 0.0
    if after == len(marks):
        return float(len(marks) - 1)
    low, high = marks[after - 1], marks[after]
    return after - 1 + (tokens - low) / (high - low)
