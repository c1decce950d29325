"""What accuracy costs in tokens and seconds: distributions of every model on an evaluation, whole and by group.

    found = efficiency(store, "math500", by=["level"])
    found.models[0].whole.tokens.p90, found.models[0].tokens_ratio

The answers are those that `dqdata eval` kept in `eval_NAME`; of each model the newest ones, as `dqdata compare` takes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dqdata.errors import QueryError
from dqdata.history.rows import dicts
from dqdata.history.scores import scoreboard
from dqdata.notebook import Shown
from dqdata.sql import literal, quoted
from dqdata.statistics import Interval, Spread, clustered, holm, paired

if TYPE_CHECKING:
    from dqdata.catalog import Store

RESAMPLES = 2_000
"""Bootstrap samples of questions for the interval of a ratio (B. Efron, 1979)."""


@dataclass(frozen=True)
class Profile:
    """Answers of one model to some questions. tokens, seconds: over all answers; correct_tokens, wrong_tokens: over
    the correct ones and the others. tokens_a_correct: tokens spent for each correct answer, None where none is."""

    questions: int
    answers: int
    accuracy: float
    low: float
    high: float
    tokens: Spread
    correct_tokens: Spread
    wrong_tokens: Spread
    seconds: Spread
    cut: int
    tokens_a_correct: float | None


@dataclass(frozen=True)
class Efficient:
    """One model. groups: by column and value. tokens_ratio: its mean tokens over those of the model that it is compared
    with, on the same questions, with a 95% bootstrap interval; p_adjusted: of the difference in accuracy, corrected for
    the number of models (Holm)."""

    model: str
    answers: str
    whole: Profile
    groups: dict[str, dict[str, Profile]]
    tokens_ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    difference: float | None
    p_adjusted: float | None


@dataclass(frozen=True)
class Efficiency(Shown):
    """against: the model that the others are compared with."""

    evaluation: str
    against: str
    models: Sequence[Efficient]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def efficiency(
    store: Store,
    evaluation: str,
    models: Sequence[str] = (),
    against: str | None = None,
    by: Sequence[str] = (),
) -> Efficiency:
    """models: by default all that were measured. against: by default the first of them. by: columns of the answers.
    Raises QueryError for an evaluation, model or column that is not there."""
    [board] = scoreboard(store, [evaluation], models, against)
    answers = {row.model: _answers(store, row.answers, row.model, by) for row in board.rows}
    order = sorted(answers, key=lambda model: model != board.against)
    base = answers[board.against]
    tests = {model: _test(answers[model], base) for model in order if model != board.against}
    known = [model for model, p in tests.items() if p is not None]
    adjusted = dict(zip(known, holm([tests[model] or 0.0 for model in known]), strict=True))
    where = {row.model: row.answers for row in board.rows}
    made = []
    for model in order:
        rows = answers[model]
        whole = _profile(rows)
        groups = {
            column: {
                str(value): _profile([row for row in rows if row[column] == value])
                for value in sorted({row[column] for row in rows}, key=str)
            }
            for column in by
        }
        ratio = _ratio(rows, base) if model != board.against else None
        share, low, high = (None, None, None) if ratio is None else (ratio[0], ratio[1].low, ratio[1].high)
        difference = whole.accuracy - _profile(base).accuracy if model != board.against else None
        made.append(
            Efficient(
                model,
                where[model],
                whole,
                groups,
                share,
                low,
                high,
                difference,
                adjusted.get(model),
            )
        )
    return Efficiency(evaluation, board.against, made)


def _answers(store: Store, answers: str, model: str, by: Sequence[str]) -> list[dict[str, Any]]:
    name, _, version = answers.rpartition("@")
    columns = store.schema(name, int(version))
    for column in by:
        if column not in columns:
            raise QueryError(
                f"{answers} has no column {column!r} (it has: {', '.join(columns)}); `dqdata eval --by {column}` keeps "
                "a column of the questions",
                code="missing-column",
            )
    more = "".join(f", {quoted(column)}" for column in by)
    return dicts(
        store,
        "select problem_id, coalesce(correct, false) as dq_right, coalesce(output_tokens, 0) as dq_tokens, "
        f"seconds as dq_seconds, finish_reason = 'length' as dq_cut{more} from {quoted(answers)} "
        f"where model = {literal(model)} order by problem_id, sample",
    )


def _profile(rows: Sequence[dict[str, Any]]) -> Profile:
    right: dict[str, int] = {}
    answers: dict[str, int] = {}
    for row in rows:
        right[row["problem_id"]] = right.get(row["problem_id"], 0) + bool(row["dq_right"])
        answers[row["problem_id"]] = answers.get(row["problem_id"], 0) + 1
    tokens = [float(row["dq_tokens"]) for row in rows]
    low, high = clustered(list(right.values()), max(answers.values()))
    return Profile(
        len(right),
        len(rows),
        sum(right.values()) / len(rows),
        low,
        high,
        Spread.of(tokens),
        Spread.of([float(row["dq_tokens"]) for row in rows if row["dq_right"]]),
        Spread.of([float(row["dq_tokens"]) for row in rows if not row["dq_right"]]),
        Spread.of([row["dq_seconds"] for row in rows if row["dq_seconds"] is not None]),
        sum(bool(row["dq_cut"]) for row in rows),
        sum(tokens) / sum(right.values()) if any(right.values()) else None,
    )


def _by_question(rows: Sequence[dict[str, Any]]) -> dict[str, tuple[int, float, int]]:
    """Correct answers, mean tokens and answers of each question."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["problem_id"], []).append(row)
    return {
        problem: (sum(bool(one["dq_right"]) for one in own), sum(one["dq_tokens"] for one in own) / len(own), len(own))
        for problem, own in found.items()
    }


def _test(rows: Sequence[dict[str, Any]], base: Sequence[dict[str, Any]]) -> float | None:
    """None where the questions or the numbers of answers differ."""
    ours, theirs = _by_question(rows), _by_question(base)
    if {key: one[2] for key, one in ours.items()} != {key: one[2] for key, one in theirs.items()}:
        return None
    return paired([ours[key][0] for key in ours], [theirs[key][0] for key in ours])


def _ratio(rows: Sequence[dict[str, Any]], base: Sequence[dict[str, Any]]) -> tuple[float, Interval] | None:
    """Of mean tokens on the questions that both answered; questions are drawn with replacement for the interval."""
    ours, theirs = _by_question(rows), _by_question(base)
    both = sorted(ours.keys() & theirs.keys())
    pairs = [(ours[key][1], theirs[key][1]) for key in both]
    below = sum(other for _, other in pairs)
    if not below:
        return None
    drawn = random.Random(0)
    found = []
    for _ in range(RESAMPLES):
        sample = drawn.choices(pairs, k=len(pairs))
        if under := sum(other for _, other in sample):
            found.append(sum(one for one, _ in sample) / under)
    found.sort()
    ends = Interval(found[int(0.025 * len(found))], found[min(len(found) - 1, int(0.975 * len(found)))])
    return sum(one for one, _ in pairs) / below, ends
