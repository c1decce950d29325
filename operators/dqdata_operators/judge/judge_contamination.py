"""Is a row the benchmark's problem? A judge for the pairs that decontaminate has left in doubt.

    { op = "decontaminate", benchmarks = [{ name = "gsm8k" }], actions = { doubtful = "flag" } },
    { op = "judge_contamination", judge = "qwq", votes = 3 },

    question                    contamination  contamination_text          ->  contamination_verdict
    Anna shares 24 sweets ...   doubtful       24 pieces of candy are ...      same_problem    dropped, with both texts
    Anna's bag of 31 nuts ...   same_template  24 pieces of candy are ...      same_template   stays
    A train leaves at 9 ...                                                                    (no call)

The rules' class, score and neighbour stay as they are; the judge's verdict has columns of its own, and where the two
differ is a query. The judge sees both texts and no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from dqdata.columns import Columns
from dqdata.errors import ColumnError
from dqdata.ids import canonical
from dqdata.operator import Estimate, Outcome, Reject, Row, Run, Schema
from dqdata_operators.lib.asking.judgement import Asked, Choice
from dqdata_operators.lib.asking.judging import (
    PROBLEM_TOKENS,
    JudgeOperator,
    JudgeParams,
    fenced,
    required,
)

DOUBTFUL_SHARE = 0.05
"""Rows taken to be in doubt when costs are estimated: of a train set against its own benchmark it was one in twenty."""

Relation = Literal["same_problem", "same_template", "different"]
RELATIONS: tuple[Relation, ...] = ("same_problem", "same_template", "different")


class JudgeContaminationParams(JudgeParams):
    classes: tuple[str, ...] = Field(("doubtful",), min_length=1)
    """Classes of decontaminate that are judged; it must flag them."""
    drop: tuple[Relation, ...] = ("same_problem",)
    """Verdicts whose rows are dropped."""
    column: str = "question"
    """Column with the row's text, as `decontaminate` compared it."""
    flag_column: str = "contamination"
    """Column with the class, as `flag_column` of decontaminate."""


class JudgeContamination(JudgeOperator[JudgeContaminationParams]):
    """Asks a judge whether a flagged row and its benchmark problem are one problem, one template or neither."""

    name = "judge_contamination"
    Params = JudgeContaminationParams
    own = ("problem", "benchmark")
    asked: ClassVar[Mapping[str, Asked]] = {"relation": Choice(RELATIONS, tie="same_template")}

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require(self.params.column, "VARCHAR")
        flag = self.params.flag_column
        if f"{flag}_text" not in have:
            raise ColumnError(
                f"needs {flag!r} and {flag + '_text'!r}: put it after a decontaminate whose actions flag "
                f'{", ".join(self.params.classes)}, as actions = {{ doubtful = "flag" }}'
            )
        have.require(flag, "VARCHAR").require(f"{flag}_text", "VARCHAR")
        self.prompt.require(have, *self.own)
        return have.add(**{f"{flag}_verdict": "VARCHAR", f"{flag}_agreement": "DOUBLE", f"{flag}_judged_by": "VARCHAR"})

    def estimate(self, rows: float) -> Estimate:
        return self.votes_on(rows, rows * DOUBTFUL_SHARE)

    @property
    def prompt_tokens(self) -> float:
        return self.prompt.overhead + self.tokens_of(self.params.column, PROBLEM_TOKENS) + PROBLEM_TOKENS

    def material(self, row: Row) -> dict[str, str]:
        return {
            "problem": fenced("problem", required(row, self.params.column)),
            "benchmark": fenced("benchmark", required(row, f"{self.params.flag_column}_text")),
        }

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        flag = self.params.flag_column
        if row[flag] not in self.params.classes:
            return [{**row, f"{flag}_verdict": None, f"{flag}_agreement": None, f"{flag}_judged_by": None}]
        said = await self.ask(row, run)
        relation = said.values["relation"]
        made: dict[str, Any] = {
            **row,
            f"{flag}_verdict": relation.value,
            f"{flag}_agreement": relation.agreement,
            f"{flag}_judged_by": said.judge,
        }
        if relation.value not in self.params.drop:
            return [made]
        return [Reject(f"contaminated_judged_{relation.value}", self._detail(made), row=made)]

    def _detail(self, row: Row) -> str:
        """The report of a row that goes: both texts, what the rules said and what the judge said."""
        flag = self.params.flag_column
        return canonical(
            {
                "class": row[flag],
                "benchmark": row.get(f"{flag}_benchmark"),
                "benchmark_text": row[f"{flag}_text"],
                "text": row[self.params.column],
                "score": row.get(f"{flag}_score"),
                "verdict": row[f"{flag}_verdict"],
                "agreement": row[f"{flag}_agreement"],
                "judged_by": row[f"{flag}_judged_by"],
            }
        )
