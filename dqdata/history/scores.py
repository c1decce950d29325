"""The scores of a store side by side: models by evaluation, with paired tests, beside what others published.

found = scoreboard(store, evaluations=["math500"])
found[0].rows[1].p_value
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dqdata.benchmarks.published import Published, published
from dqdata.errors import QueryError, nearest
from dqdata.history.rows import dicts
from dqdata.sql import literal, quoted
from dqdata.statistics import paired

if TYPE_CHECKING:
    from dqdata.catalog import Store


@dataclass(frozen=True)
class Scored:
    """One model on one evaluation. scores: everything that was measured, as `dqdata eval --json` prints it. p_value:
    of the difference from the model that it is compared with, on the same questions; None for that model itself, and
    where the questions or the numbers of samples differ or answers were dropped."""

    model: str
    answers: str
    questions: int
    samples: int
    accuracy: float
    low: float
    high: float
    majority: float | None
    tokens: float
    p_value: float | None
    scores: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Board:
    """The models of one evaluation, the best first. against: the model that p-values are of the difference from."""

    evaluation: str
    benchmark: str | None
    against: str
    rows: Sequence[Scored]
    published: Sequence[Published]


def scoreboard(
    store: Store, evaluations: Sequence[str] = (), models: Sequence[str] = (), against: str | None = None
) -> list[Board]:
    """The newest score of each model on each evaluation. evaluations, models: by default all. against: the model that
    the others are compared with, by default the first that was measured. Raises QueryError for an unknown name."""
    rows = dicts(store, "select * from dq_evals order by created_at")
    _check(evaluations, [row["evaluation"] for row in rows], "evaluation")
    _check([*models, *([against] if against else [])], [row["model"] for row in rows], "model")
    boards = []
    for name in dict.fromkeys(row["evaluation"] for row in rows):
        newest = {row["model"]: row for row in rows if row["evaluation"] == name}
        if (evaluations and name not in evaluations) or not newest:
            continue
        base = against if against is not None and against in newest else next(iter(newest))
        shown = [row for model, row in newest.items() if not models or model in models or model == base]
        if models and not any(row["model"] in models for row in shown):
            continue
        there = {f"{one.catalog}@{one.version}" for one in store.versions()}
        counts = {row["model"]: _correct(store, row) if row["answers"] in there else {} for row in shown}
        scored = [_scored(row, counts, base, newest[base]["samples"]) for row in shown]
        scored.sort(key=lambda one: -one.accuracy)
        benchmark = newest[base]["benchmark"]
        boards.append(Board(name, benchmark, base, scored, published(benchmark) if benchmark else ()))
    return boards


def _scored(row: dict[str, Any], counts: dict[str, dict[str, int]], base: str, samples: int) -> Scored:
    ours, theirs = counts[row["model"]], counts[base]
    same = row["model"] != base and ours and ours.keys() == theirs.keys() and row["samples"] == samples
    return Scored(
        model=row["model"],
        answers=row["answers"],
        questions=row["questions"],
        samples=row["samples"],
        accuracy=row["pass_at_1"],
        low=row["low"],
        high=row["high"],
        majority=row["majority"],
        tokens=row["tokens"],
        p_value=paired([ours[one] for one in ours], [theirs[one] for one in ours]) if same else None,
        scores=json.loads(row["scores"]),
    )


def _correct(store: Store, row: dict[str, Any]) -> dict[str, int]:
    """Correct answers of a model by problem."""
    found = dicts(
        store,
        f"select problem_id, count(*) filter (where correct) as correct from {quoted(row['answers'])} "
        f"where model = {literal(row['model'])} group by problem_id",
    )
    return {one["problem_id"]: int(one["correct"]) for one in found}


def _check(given: Sequence[str], known: Sequence[str], what: str) -> None:
    for name in given:
        if name not in known:
            have = ", ".join(dict.fromkeys(known)) or "none; `dqdata eval` measures one"
            raise QueryError(f"no {what} {name!r} was measured{nearest(name, known)} (have: {have})")
