"""The base of operators that write new problems: novelty is checked, and a new problem has no reference answer.

    class Expand(SynthesisOperator[SynthesisParams]): ...

A new problem is refused where it is a near-duplicate of its seed, of a sibling, or of any question in the file
`against` (the benchmarks, or all seeds). It is a row of its own with `seed_id`, and columns that spoke of the seed's
answer, tests or difficulty are null in it.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import Field

from dqdata.columns import Columns
from dqdata.errors import ColumnError, TeacherError
from dqdata.operator import (
    CallEstimate,
    CallOperator,
    Estimate,
    Outcome,
    PromptFile,
    Reject,
    Row,
    Run,
    Schema,
    TeacherName,
)
from dqdata.teacher import Message
from dqdata_operators.generate._novelty import Known, read_texts, similarity
from dqdata_operators.generate._shape import same_language, size
from dqdata_operators.lib.asking.answers import flaw
from dqdata_operators.lib.asking.judging import PROBLEM_TOKENS, fenced, required
from dqdata_operators.lib.asking.prompting import Prompt, load_prompt
from dqdata_operators.lib.asking.requests import AskParams

OF_THE_SEED = (
    "answer",
    "answer_type",
    "tests",
    "pass_rate",
    "pass_low",
    "pass_high",
    "pass_n",
    "pass_correct",
    "level",
)
MARKS = re.compile(
    r"</?(?:problem|task|question)\b[^>]*>|^\s*(?:new problem|problem|question|题目|新题目)\s*[:：]\s*", re.IGNORECASE
)
"""What an answer may have around the problem."""


class SynthesisParams(AskParams):
    teacher: TeacherName
    """Writes the new problems."""
    prompt: PromptFile | None = None
    """Instead of the built-in one; may use the same placeholders."""
    against: PromptFile | None = None
    """Parquet or JSONL with questions that no new problem may be near to."""
    against_column: str = "question"
    """Column of the file `against` that holds the questions."""
    near: float = Field(0.4, gt=0, le=1)
    """Similarity at which a problem is no new one: Jaccard index of three-word runs, digits ignored."""
    keep_seeds: bool = False
    """The seeds go on beside the new problems."""


SP = TypeVar("SP", bound=SynthesisParams)


class SynthesisOperator(CallOperator[SP]):
    """Writes problems from a seed. Subclasses say how many, and what else must hold: `samples`, `fault`."""

    own: ClassVar[tuple[str, ...]] = ("problem",)

    @property
    def samples(self) -> int:
        """New problems to ask for from each seed."""
        return 1

    @cached_property
    def prompt(self) -> Prompt:
        return load_prompt(self.name, self.params.language, self.params.prompt)

    @cached_property
    def known(self) -> Known:
        path = self.params.against
        return Known(read_texts(path, self.params.against_column) if path else ())

    def files(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.prompt.path, self.params.against) if path)

    def columns(self, have: Columns, schema: Schema) -> Columns:
        have.require("problem_id", "VARCHAR").require("question", "VARCHAR")
        if "trace_id" in have or "pair_id" in have:
            raise ColumnError("makes problems from problems; these rows are traces (leave the reasoning out in `from`)")
        self.prompt.require(have, *self.own)
        return have.add(seed_id="VARCHAR")

    def estimate(self, rows: float) -> Estimate:
        return self._estimate(rows, self.params.max_tokens or PROBLEM_TOKENS)

    def at_most(self, rows: float) -> Estimate:
        return self._estimate(rows, self.params.max_tokens or math.inf)

    def _estimate(self, rows: float, answer: float) -> Estimate:
        calls = rows * self.samples
        given = self.prompt.overhead + self.tokens_of("question", PROBLEM_TOKENS)
        made = calls + (rows if self.params.keep_seeds else 0)
        written = calls * answer if calls else 0.0
        return Estimate(made, {self.params.teacher: CallEstimate(calls, calls * given, written)})

    def values(self, row: Row, sample: int) -> dict[str, str]:
        """More placeholders of a subclass."""
        return {}

    def fault(self, seed: str, new: str) -> tuple[str, str] | None:
        """What is wrong with a new problem as such."""
        return None

    def inherited(self, row: Row) -> dict[str, Any]:
        """The row of a new problem, without id and question."""
        return {**row, **{name: None for name in OF_THE_SEED if name in row}}

    async def process(self, row: Row, run: Run) -> list[Outcome]:
        seed = required(row, "question").strip()
        drawn = await asyncio.gather(
            *(self._draw(row, seed, sample, run) for sample in range(self.samples)), return_exceptions=True
        )
        outcomes: list[Outcome] = [{**row, "seed_id": row.get("seed_id")}] if self.params.keep_seeds else []
        siblings: list[str] = []
        for one in drawn:
            if isinstance(one, TeacherError) and one.kind != "fatal":
                outcomes.append(Reject(one.reason, str(one), kind="failed", retryable=one.kind == "retryable"))
                continue
            if isinstance(one, BaseException):
                raise one
            text, wrong = one
            made = {**self.inherited(row), "problem_id": None, "question": text, "seed_id": row["problem_id"]}
            wrong = wrong or self.fault(seed, text) or self.near(seed, siblings, text)
            if wrong:
                outcomes.append(Reject(*wrong, row=made))
                continue
            siblings.append(text)
            outcomes.append(made)
        return outcomes

    async def _draw(self, row: Row, seed: str, sample: int, run: Run) -> tuple[str, tuple[str, str] | None]:
        shown = {"problem": fenced("problem", seed), **self.values(row, sample)}
        messages: tuple[Message, ...] = self.prompt.render(row, **shown)
        answer = await run.teacher(self.params.teacher).complete(self.params.request(messages, self.name, sample))
        text = MARKS.sub("", answer.response).strip()
        if found := flaw(answer):
            return text, (found.reason, found.detail)
        if size(text) < 4:
            return text, ("no_problem", "too short to be a problem")
        if not same_language(seed, text):
            return text, ("language_changed", "")
        return text, None

    def near(self, seed: str, siblings: Sequence[str], text: str) -> tuple[str, str] | None:
        """What a new problem is too near to."""
        for kind, score, other in (
            ("seed", similarity(seed, text), seed),
            *(("sibling", similarity(sibling, text), sibling) for sibling in siblings),
            ("known", *self.known.nearest(text)),
        ):
            if score >= self.params.near:
                detail = {"of": kind, "similarity": round(score, 3), "text": other}
                return "near_duplicate", json.dumps(detail, ensure_ascii=False)
        return None
