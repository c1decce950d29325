"""Scores of a model's answers: pass@1, majority of k, lengths and rates, overall and by column.

before   7 of  60 correct   11.7%  [5.8, 22.2]
after   56 of  60 correct   93.3%  [84.1, 97.4]

scored = score(Path("answers.jsonl"), evaluate, runtime)
scored.accuracy, scored.interval, scored.majority, scored.by(levels)["hard"].accuracy
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.operator import Reject, Row, bind
from dqdata.statistics import Interval, Spread, clustered, pass_at, voted, wilson
from dqdata.thinking import TAGS, split
from dqdata.training.exact_match import Evaluate

if TYPE_CHECKING:
    from dqdata.operator import Runtime


@dataclass(frozen=True)
class Answered:
    """One sample of one question. correct: None where it is undecided. said: the final answer as it was found; None
    where there is none. truncated: it ran into max_new_tokens. formed: it ended, and a response follows the thinking.
    thought: there is thinking before the response.
    """

    question: int
    sample: int
    correct: bool | None
    said: str | None
    tokens: int
    seconds: float
    truncated: bool
    formed: bool
    thought: bool


@dataclass(frozen=True)
class Score:
    """answers: by question, then sample; each question has `samples` of them. votes: whether samples can vote: the
    verifier tells what was answered, which it doesn't of programs."""

    answers: tuple[Answered, ...]
    samples: int = 1
    votes: bool = False

    @cached_property
    def correct_of(self) -> dict[int, int]:
        """Correct answers to each question; what can't be verified isn't correct."""
        return {question: sum(one.correct is True for one in group) for question, group in self._questions()}

    @property
    def total(self) -> int:
        """Questions."""
        return len(self.correct_of)

    @property
    def correct(self) -> int:
        """Correct answers, over all samples."""
        return sum(self.correct_of.values())

    @property
    def accuracy(self) -> float:
        """pass@1: the mean over questions of the share of their samples that are correct."""
        return self.correct / (self.total * self.samples) if self.total else math.nan

    @property
    def interval(self) -> Interval:
        return clustered(list(self.correct_of.values()), self.samples)

    @cached_property
    def majority(self) -> float | None:
        """maj@k: the share of questions whose most frequent answer is correct. None for a single sample, and where no
        votes can be counted."""
        if not self.votes or self.samples < 2 or not self.total:
            return None
        won = [voted([one.said for one in group], [one.correct for one in group]) for _, group in self._questions()]
        return sum(won) / self.total

    @property
    def unverifiable(self) -> int:
        return sum(one.correct is None for one in self.answers)

    @property
    def unfinished(self) -> int:
        """Answers that ran into max_new_tokens."""
        return sum(one.truncated for one in self.answers)

    @property
    def tokens(self) -> Spread:
        """Lengths of answers."""
        return Spread.of([one.tokens for one in self.answers])

    @property
    def seconds(self) -> Spread:
        """Times of answers; a batch's time is shared out among its answers."""
        return Spread.of([one.seconds for one in self.answers])

    @property
    def format_rate(self) -> float:
        return self._mean([one.formed for one in self.answers])

    @property
    def think_rate(self) -> float:
        """The share of answers with thinking before the response."""
        return self._mean([one.thought for one in self.answers])

    @property
    def pass_at(self) -> dict[int, float]:
        """pass@k for k = 2, 4, 8, ... and the number of samples; nothing for a single one."""
        sizes = {2**power for power in range(1, self.samples.bit_length()) if 2**power < self.samples}
        if self.samples > 1:
            sizes.add(self.samples)
        return {k: pass_at(k, list(self.correct_of.values()), self.samples) for k in sorted(sizes)}

    def by(self, values: Sequence[Any]) -> dict[str, Score]:
        """The score of each group of questions. values: each question's own, in the order of the query."""
        groups: dict[str, list[Answered]] = {}
        for one in self.answers:
            groups.setdefault(str(values[one.question]), []).append(one)
        return {name: Score(tuple(groups[name]), self.samples, self.votes) for name in sorted(groups, key=_as_number)}

    def as_json(self) -> dict[str, Any]:
        majority = {}
        if self.majority is not None:
            low, high = wilson(self.majority * self.total, self.total)
            majority = {"majority": self.majority, "majority_low": low, "majority_high": high}
        answers = max(1, len(self.answers))
        return {
            "correct": self.correct,
            "total": self.total,
            "samples": self.samples,
            "accuracy": self.accuracy,
            "low": self.interval.low,
            "high": self.interval.high,
            **majority,
            **({"pass_at": {str(k): share for k, share in self.pass_at.items()}} if self.pass_at else {}),
            "unverifiable": self.unverifiable,
            "unfinished": self.unfinished,
            "truncation_rate": self.unfinished / answers,
            "format_rate": self.format_rate,
            "think_rate": self.think_rate,
            "tokens": self.tokens.mean,
            "seconds": self.seconds.mean,
            "tokens_spread": self.tokens._asdict(),
            "seconds_spread": self.seconds._asdict(),
        }

    def __str__(self) -> str:
        low, high = self.interval
        majority = "" if self.majority is None else f"  maj@{self.samples} {self.majority:.1%}"
        best = "" if self.samples < 2 else f"  pass@{self.samples} {self.pass_at[self.samples]:.1%}"
        return (
            f"{self.correct} of {self.total * self.samples} correct  {self.accuracy:.1%}  [{low:.1%}, {high:.1%}]"
            f"{majority}{best}  {self.tokens.mean:.0f} tokens and {self.seconds.mean:.2g} s an answer, "
            f"{self.unfinished} unfinished, {self.format_rate:.0%} well-formed"
        )

    def _questions(self) -> Iterator[tuple[int, list[Answered]]]:
        for question, group in groupby(self.answers, key=lambda one: one.question):
            yield question, list(group)

    def _mean(self, values: Sequence[float]) -> float:
        return sum(values) / max(1, len(values))


@dataclass(frozen=True)
class Judged:
    """answers: one row a sample, by question and then sample: the question's columns, index, sample, reasoning,
    response, tokens, seconds, finish_reason, and what the verifier made of it (correct, verdict, extracted, ...)."""

    answers: Sequence[Row]
    score: Score


def score(answers: Path, evaluate: Evaluate, runtime: Runtime) -> Score:
    """Verifies what the model answered. `answers` is JSONL: question columns, index, sample, text, tokens,
    finish_reason, seconds. Samples beyond those asked for are left out."""
    return judge(answers, evaluate, runtime).score


def judge(answers: Path, evaluate: Evaluate, runtime: Runtime) -> Judged:
    """The same, with the answers."""
    read = (json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines())
    rows = [row for row in read if row.get("sample", 0) < evaluate.samples]
    rows.sort(key=lambda row: (row["index"], row.get("sample", 0)))
    judged = asyncio.run(_judged(rows, evaluate, runtime))
    votes = all(row is None or ("extracted" in row and row.get("tests") is None) for row in judged)
    scored = Score(tuple(map(_answered, rows, judged)), evaluate.samples, votes)
    return Judged([_whole(row, verdict) for row, verdict in zip(rows, judged, strict=True)], scored)


def _whole(row: Row, verdict: Row | None) -> Row:
    """The answer in its parts, with the verdict."""
    reasoning, response = split(row["text"])
    parts = {name: value for name, value in row.items() if name != "text"}
    return {**parts, **(verdict or {}), "reasoning": reasoning, "response": response, "sample": row.get("sample", 0)}


async def _judged(rows: Sequence[Mapping[str, Any]], evaluate: Evaluate, runtime: Runtime) -> list[Row | None]:
    """What the verifier makes of each answer; None where it makes nothing."""
    asked = []
    for place, row in enumerate(rows):
        reasoning, response = split(row["text"])
        known = {"problem_id": str(row["index"]), "trace_id": str(place), "question": None, "answer_type": None}
        asked.append({**known, **row, "reasoning": reasoning, "response": response})
    outcomes = await bind(evaluate.verify, evaluate.verify_params, runtime)(asked)
    return [None if not made else made[0].row if isinstance(made[0], Reject) else made[0] for made in outcomes]


def _answered(row: Mapping[str, Any], judged: Row | None) -> Answered:
    text, truncated = str(row["text"]), row["finish_reason"] == "length"
    verdict = judged or {}
    return Answered(
        question=int(row["index"]),
        sample=int(row.get("sample", 0)),
        correct=verdict.get("correct"),
        said=verdict.get("extracted"),
        tokens=int(row["tokens"]),
        seconds=float(row["seconds"]),
        truncated=truncated,
        formed=not truncated and bool(split(text)[1]) and max(map(text.count, TAGS)) <= 1,
        thought=bool(split(text)[0]),
    )


def _as_number(text: str) -> tuple[bool, float, str]:
    """Orders 2 before 10, and words after numbers."""
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text
