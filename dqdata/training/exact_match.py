"""Exact match on held-out questions: greedy answers, checked by the verifier that pipelines use.

    evaluate = { data = "select question, answer from heldout", max_new_tokens = 64 }

    before   7 of  60 correct   11.7%  [5.8, 22.2]
    after   56 of  60 correct   93.3%  [84.1, 97.4]

Intervals are Wilson's at 95%, which hold for small counts and near 0 and 1, where the usual ones don't.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from dqdata.columns import Columns
from dqdata.errors import DqdataError, ProjectError
from dqdata.operator import Reject, Row, bind
from dqdata.params import Params

if TYPE_CHECKING:
    from dqdata.operator import Runtime

PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
THINKING = re.compile(r"^\s*(?:<think>)?(.*?)</think>(.*)$", re.DOTALL)


class Evaluate(Params):
    """The `evaluate` table of a trainer."""

    data: str
    """SQL or a catalog: the held-out questions, with `answer` and what `user` names."""
    user: str = "{{question}}"
    """The user's turn, as it is in training; {{column}} is put in."""
    system: str | None = None
    max_new_tokens: int = Field(256, ge=1)
    batch_size: int = Field(16, ge=1)
    limit: int | None = Field(None, ge=1)
    """Only so many questions, in the order of the query."""
    verify: str = "verify_math"
    """Operator that judges: it makes the column `correct` from response and answer."""
    verify_params: Mapping[str, Any] = Field(default_factory=dict)
    chat_template_kwargs: Mapping[str, Any] = Field(default_factory=dict)

    def needs(self, have: Columns, where: str) -> None:
        """Raises ProjectError where a column is missing."""
        try:
            for name in ("answer", *PLACEHOLDER.findall(self.user)):
                have.require(name)
        except DqdataError as error:
            raise ProjectError(where, str(error)) from error

    def prompt(self, row: Row) -> list[dict[str, str]]:
        """The chat up to the model's turn."""
        user = PLACEHOLDER.sub(lambda match: str(row[match[1]]), self.user)
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": user}]


class Interval(NamedTuple):
    low: float
    high: float


@dataclass(frozen=True)
class Score:
    """correct and total count questions; unverifiable ones aren't correct. tokens: mean length of an answer.
    unfinished: answers that ran into max_new_tokens."""

    correct: int
    total: int
    unverifiable: int
    unfinished: int
    tokens: float
    seconds: float
    verdicts: tuple[bool | None, ...] = ()
    """For each question, in the order of the query."""

    @property
    def accuracy(self) -> float:
        return self.correct / self.total if self.total else math.nan

    @property
    def interval(self) -> Interval:
        return wilson(self.correct, self.total)

    def as_json(self) -> dict[str, Any]:
        counts = {name: value for name, value in self.__dict__.items() if name != "verdicts"}
        return {**counts, "accuracy": self.accuracy, "low": self.interval.low, "high": self.interval.high}

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.correct} of {self.total} correct  {self.accuracy:.1%}  [{low:.1%}, {high:.1%}]"
            f"  {self.tokens:.0f} tokens an answer, {self.unfinished} unfinished"
        )


def wilson(correct: int, total: int, z: float = 1.959964) -> Interval:
    """Wilson's score interval of a share (E. B. Wilson, 1927); z for 95% by default.

    >>> wilson(0, 10)
    Interval(low=0.0, high=0.2775327998628892)
    """
    if total == 0:
        return Interval(0.0, 1.0)
    share, spread = correct / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def paired(ours: Sequence[bool | None], theirs: Sequence[bool | None]) -> float:
    """Exact two-sided p-value of McNemar's test: how likely so lopsided a split of the questions that only one of the
    two got right would be, were both equally good.

    >>> paired([True] * 6, [False] * 6)
    0.03125
    """
    only_ours = sum(a is True and b is not True for a, b in zip(ours, theirs, strict=True))
    only_theirs = sum(b is True and a is not True for a, b in zip(ours, theirs, strict=True))
    differ = only_ours + only_theirs
    tail = sum(math.comb(differ, k) for k in range(min(only_ours, only_theirs) + 1))
    return min(1.0, float(2 * tail / 2**differ))


def split_answer(text: str) -> tuple[str | None, str]:
    """(reasoning, response) of what a model wrote. An opened think tag that never closes is all reasoning."""
    if match := THINKING.match(text):
        return match[1].strip(), match[2].strip()
    if "<think>" in text:
        return text.partition("<think>")[2].strip(), ""
    return None, text.strip()


def score(answers: Path, evaluate: Evaluate, runtime: Runtime) -> Score:
    """Verifies what the model answered. `answers` is JSONL: question columns, text, tokens, finish_reason, seconds."""
    rows = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    rows.sort(key=lambda row: row["index"])
    outcomes = asyncio.run(verdicts(rows, evaluate, runtime))
    return Score(
        correct=sum(verdict is True for verdict in outcomes),
        total=len(rows),
        unverifiable=sum(verdict is None for verdict in outcomes),
        unfinished=sum(row["finish_reason"] == "length" for row in rows),
        tokens=sum(row["tokens"] for row in rows) / max(1, len(rows)),
        seconds=sum(row["seconds"] for row in rows),
        verdicts=tuple(outcomes),
    )


async def verdicts(rows: Sequence[Mapping[str, Any]], evaluate: Evaluate, runtime: Runtime) -> list[bool | None]:
    """Whether each answer is correct; None where that can't be told."""
    asked = []
    for index, row in enumerate(rows):
        reasoning, response = split_answer(row["text"])
        known = {"problem_id": str(index), "trace_id": str(index), "question": None, "answer_type": None}
        asked.append({**known, **row, "reasoning": reasoning, "response": response})
    outcomes = await bind(evaluate.verify, evaluate.verify_params, runtime)(asked)
    return [_correct(made[0]) if made else None for made in outcomes]


def _correct(outcome: Row | Reject) -> bool | None:
    row = outcome.row if isinstance(outcome, Reject) else outcome
    return None if row is None else row.get("correct")
