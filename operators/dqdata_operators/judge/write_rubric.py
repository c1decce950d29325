"""Writes a rubric for each problem from good and bad answers: weighted criteria that tell them apart.

    { op = "sql", query = '''select problem_id, any_value(question) as question,
        list(response order by trace_id) filter (correct) as good, list(response order by trace_id)
        filter (not correct) as bad, list(trace_id) as parent_ids from rows group by problem_id''' },
    { op = "write_rubric", judge = "qwq", max_tokens = 4096 }

    question       | good       | bad         ->  rubric                          | rubric_version | rubric_by
    What is 2 + 2? | [It is 4.] | [It is 5.]      [{States that it is 4, 10}, ..] | 3f0a..         | QwQ-32B

A rubric is a row of a catalog, with the catalog's version; rubric_version is a hash of what it says, which
`score_rubric` puts beside each score. A weight is a whole number from 1 to 10, below 0 for a mistake. Contrastive
writing as in arXiv 2510.07743.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field, model_validator

from dqdata.columns import Columns
from dqdata.errors import ColumnError, RowError
from dqdata.operator import Outcome, Row, Run, Schema
from dqdata_operators.lib.asking.judgement import Asked
from dqdata_operators.lib.asking.judging import (
    PROBLEM_TOKENS,
    TRACE_TOKENS,
    JudgeOperator,
    JudgeParams,
    fenced,
    required,
)
from dqdata_operators.lib.asking.rubrics import RUBRIC, Criteria, version


class WriteRubricParams(JudgeParams):
    good: str = "good"
    """Column with good answers, a list of texts."""
    bad: str = "bad"
    """Column with bad answers, a list of texts; null where there is none."""
    least: int = Field(3, ge=1)
    """Fewest criteria."""
    most: int = Field(8, ge=1)
    """Most criteria."""
    shown: int = Field(3, ge=1)
    """Answers of each kind that the judge sees, the first of the list."""

    @model_validator(mode="after")
    def _one_vote(self) -> WriteRubricParams:
        if self.votes > 1:
            raise ValueError("`votes` is 1 here: rubrics can't be averaged; another `draw` writes another one")
        if self.least > self.most:
            raise ValueError(f"least = {self.least} is more than most = {self.most}")
        return self


class WriteRubric(JudgeOperator[WriteRubricParams]):
    """Asks a judge for weighted criteria that tell the good answers to a problem from the bad ones."""

    name = "write_rubric"
    Params = WriteRubricParams
    own = ("problem", "reference", "good", "bad", "least", "most")
    reasons: ClassVar = {"no_answers": "There is no good answer to write a rubric from."}

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("question", "VARCHAR").require(self.params.good, "VARCHAR[]").require(self.params.bad, "VARCHAR[]")
        if "trace_id" in have:
            raise ColumnError("writes a rubric for a problem; these rows are traces: put a step `sql` that groups them")
        self.prompt.require(have, *self.own)
        return have.add(rubric=RUBRIC, rubric_version="VARCHAR", rubric_by="VARCHAR")

    @property
    def prompt_tokens(self) -> float:
        answers = sum(self.tokens_of(name, TRACE_TOKENS / 2) for name in (self.params.good, self.params.bad))
        return self.prompt.overhead + self.tokens_of("question", PROBLEM_TOKENS) + answers

    def questions(self, row: Row) -> Mapping[str, Asked]:
        return {"criteria": Criteria(self.params.least, self.params.most)}

    def material(self, row: Row) -> dict[str, str]:
        good = self._shown(row[self.params.good], "good", "Good")
        if not good:
            raise RowError("no_answers", f"column {self.params.good!r} holds no text")
        return {
            "problem": fenced("problem", required(row, "question")),
            "reference": fenced("reference", str(row["answer"])) if row.get("answer") else "",
            "good": good,
            "bad": self._shown(row[self.params.bad], "bad", "Bad"),
            "least": str(self.params.least),
            "most": str(self.params.most),
        }

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        said = await self.ask(row, run)
        rubric = said.values["criteria"].value
        made = [one._asdict() for one in rubric]
        return [{**row, "rubric": made, "rubric_version": version(rubric), "rubric_by": said.judge}]

    def _shown(self, answers: Sequence[str | None] | None, kind: str, head: str) -> str:
        texts = [text.strip() for text in answers or () if text and text.strip()][: self.params.shown]
        listed = "\n\n".join(f"{head} answer {number}:\n{text}" for number, text in enumerate(texts, 1))
        return fenced(kind, listed) if listed else ""
