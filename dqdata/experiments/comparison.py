"""What an experiment found: arms by accuracy, with intervals, paired tests against the first, and what each cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dqdata.experiments.tokens import Selection
from dqdata.notebook import Shown
from dqdata.refs import model_ref
from dqdata.sql import literal, quoted
from dqdata.statistics import clustered, holm, paired

if TYPE_CHECKING:
    from dqdata.catalog import Store
    from dqdata.project.experiments import ExperimentTable


@dataclass(frozen=True)
class ArmResult:
    """rows, problems, tokens: that its models are given, the mean over seeds; trained_tokens: that their training logs
    count, over all epochs, None where the trainer counts none. accuracy: of all seeds and samples, with the interval of
    answers clustered by question. by_seed: accuracy of each model. p_value: that arm and baseline are equally good,
    paired by question; p_adjusted: corrected for the number of arms (Holm). paid_usd: for calls that no earlier arm had
    paid for; None where a price is unknown."""

    name: str
    changes: str
    catalog: str
    models: Sequence[str]
    rows: int
    problems: int
    tokens: int
    trained_tokens: int | None
    accuracy: float
    low: float
    high: float
    by_seed: Sequence[float]
    difference: float | None
    p_value: float | None
    p_adjusted: float | None
    answer_tokens: float
    seconds: float
    calls: int
    paid_usd: float | None


@dataclass(frozen=True)
class Entry:
    """An arm that is trained. catalog: NAME@VERSION. models: one for each seed, and the rows that it was given."""

    name: str
    changes: str
    catalog: str
    models: Sequence[str]
    chosen: Sequence[Selection]


@dataclass(frozen=True)
class Ablation(Shown):
    """tokens: that every arm was given at most; counted_by: where the number is from, `student` for the student's own
    tokens. step_tokens: that a step of a training has, the largest mean of any. equal: whether the training logs of all
    arms lie within one step an epoch of each other, None where they count no tokens. answers: the version with every
    answer."""

    experiment: str
    baseline: str
    evaluation: str
    questions: int
    samples: int
    tokens: int
    counted_by: str
    step_tokens: int | None
    equal: bool | None
    seeds: Sequence[int]
    answers: str
    arms: Sequence[ArmResult]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def compared(
    store: Store, table: ExperimentTable, entries: Sequence[Entry], answers: str, tokens: int, counted_by: str
) -> Ablation:
    """entries: the first is the baseline. answers: the version that holds those of every model."""
    counts = {entry.name: _answers(store, answers, entry.models) for entry in entries}
    questions = sorted({problem for found in counts.values() for problem in found.right})
    samples = max(found.samples for found in counts.values())
    right = {name: [found.right.get(one, 0) for one in questions] for name, found in counts.items()}
    base = entries[0].name
    p_values = [paired(right[entry.name], right[base]) for entry in entries[1:]]
    tests = [(None, None), *zip(p_values, holm(p_values), strict=True)]
    logs = {entry.name: [_logged(store, model) for model in entry.models] for entry in entries}
    made: list[ArmResult] = []
    for entry, (p_value, p_adjusted) in zip(entries, tests, strict=True):
        found, seeds = counts[entry.name], len(entry.models)
        trained = [log.tokens for log in logs[entry.name] if log is not None]
        low, high = clustered(right[entry.name], found.samples)
        accuracy = sum(right[entry.name]) / len(questions) / found.samples
        calls, paid = _paid(store, entry.catalog)
        made.append(
            ArmResult(
                entry.name,
                entry.changes,
                entry.catalog,
                entry.models,
                round(sum(one.rows for one in entry.chosen) / seeds),
                round(sum(one.problems for one in entry.chosen) / seeds),
                round(sum(one.tokens for one in entry.chosen) / seeds),
                round(sum(trained) / seeds) if len(trained) == seeds else None,
                accuracy,
                low,
                high,
                found.by_model,
                accuracy - made[0].accuracy if made else None,
                p_value,
                p_adjusted,
                found.tokens,
                found.seconds,
                calls,
                paid,
            )
        )
    step, equal = _equal([log for listed in logs.values() for log in listed])
    return Ablation(
        table.name,
        base,
        table.evaluation,
        len(questions),
        samples // len(table.seeds),
        tokens,
        counted_by,
        step,
        equal,
        table.seeds,
        answers,
        made,
    )


@dataclass(frozen=True)
class _Log:
    """tokens: that a training went through; step_tokens: the mean of a step; epochs: how often it saw its rows."""

    tokens: int
    step_tokens: float
    epochs: float


def _logged(store: Store, model: str) -> _Log | None:
    """From the training's log (dq_metrics); None where its trainer counts no tokens."""
    ref = model_ref(model)
    assert ref is not None
    sql = (
        "select step, max(value) filter (where name = 'num_tokens') as tokens, "
        "max(value) filter (where name = 'epoch') as epochs "
        f"from dq_metrics where model = {literal(ref.name)} and version = {literal(int(ref.version or 0))} "
        "group by step having tokens is not null order by step desc limit 1"
    )
    rows = store.query(sql).read_all().to_pylist()
    if not rows:
        return None
    [row] = rows
    return _Log(round(row["tokens"]), row["tokens"] / max(1, row["step"]), row["epochs"] or 1.0)


def _equal(logs: Sequence[_Log | None]) -> tuple[int | None, bool | None]:
    """Tokens of a step, and whether all trainings had the same number of tokens, to within a step for each epoch: the
    rows of an arm end before the one that would be too many."""
    known = [log for log in logs if log is not None]
    if len(known) < len(logs):
        return None, None
    step = max(log.step_tokens for log in known)
    spread = max(log.tokens for log in known) - min(log.tokens for log in known)
    return round(step), spread <= step * max(1.0, *(log.epochs for log in known))


@dataclass(frozen=True)
class _Answers:
    """right: correct answers by problem, of all models. samples: answers of each problem. by_model: accuracies."""

    right: Mapping[str, int]
    samples: int
    by_model: Sequence[float]
    tokens: float
    seconds: float


def _answers(store: Store, answers: str, models: Sequence[str]) -> _Answers:
    names = ", ".join(literal(model) for model in models)
    sql = (
        "select problem_id, model, count(*) filter (where correct) as right_, count(*) as n, "
        "sum(output_tokens)::double as tokens, sum(seconds) as seconds "
        f"from {quoted(answers)} where model in ({names}) group by all order by all"
    )
    rows = store.query(sql, repeatable=True).read_all().to_pylist()
    right: dict[str, int] = {}
    samples: dict[str, int] = {}
    for row in rows:
        right[row["problem_id"]] = right.get(row["problem_id"], 0) + row["right_"]
        samples[row["problem_id"]] = samples.get(row["problem_id"], 0) + row["n"]
    total = sum(samples.values())
    by_model = []
    for model in models:
        own = [row for row in rows if row["model"] == model]
        by_model.append(sum(row["right_"] for row in own) / sum(row["n"] for row in own))
    return _Answers(
        right,
        max(samples.values()),
        by_model,
        sum(row["tokens"] or 0 for row in rows) / total,
        sum(row["seconds"] or 0.0 for row in rows) / total,
    )


def _paid(store: Store, catalog: str) -> tuple[int, float | None]:
    """Calls that the arm's run made, over all its attempts, and their cost."""
    name, _, version = catalog.partition("@")
    run = store.version(name, int(version)).run_id
    sql = (
        "select coalesce(sum(calls_made), 0)::bigint as calls, "
        "case when bool_and(cost_usd is not null) then sum(cost_usd) end as usd "
        f"from dq_runs where run_id = {literal(run)}"
    )
    [row] = store.query(sql).read_all().to_pylist()
    return int(row["calls"]), row["usd"]
