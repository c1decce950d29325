"""Runs an experiment: every arm's pipeline, then its trainings at equal tokens, then one evaluation of all models.

    found = ablate(project, "what_helps", store)
    for arm in found.arms: print(arm.name, arm.accuracy, arm.p_adjusted)

Everything is a version of a catalog, a model or an answer of the store, found again by its fingerprint: a killed
experiment goes on where it was, and one whose table got another arm makes that arm alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

from dqdata.catalog import Store
from dqdata.engine.forecast import cost_of, price_of
from dqdata.errors import InputError, ProjectError
from dqdata.experiments.arms import Arm, arms_of, with_arms
from dqdata.notebook import Shown
from dqdata.project.check import check_project, plans_ahead
from dqdata.sql import literal, quoted
from dqdata.statistics import clustered, holm, paired
from dqdata.training.build import Node, build
from dqdata.training.evaluation import Asked, evaluate_models, settle
from dqdata.training.plan import check_trainer

if TYPE_CHECKING:
    from dqdata.project.experiments import ExperimentTable
    from dqdata.project.tables import Project, TrainerTable
    from dqdata.source import StoreView

CHARACTERS = 4
"""Characters that a token is taken to have, where rows have no `output_tokens`."""


@dataclass(frozen=True)
class ArmPlan:
    """calls, cost_usd: that the arm would make by itself; own_calls, own_usd: that no earlier arm makes too. None where
    a teacher has no price, or nobody knows the rows."""

    name: str
    changes: str
    rows: float | None
    calls: float | None
    cost_usd: float | None
    own_calls: float | None
    own_usd: float | None


@dataclass(frozen=True)
class AblationPlan(Shown):
    """trainings: arms times seeds. cost_usd: of the calls of all arms, shared ones once, before the ledger answers."""

    experiment: str
    baseline: str
    evaluation: str
    arms: Sequence[ArmPlan]
    trainings: int
    cost_usd: float | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ArmResult:
    """rows, problems, tokens: that its models learn from. accuracy: of all seeds and samples, with the interval of
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
class Ablation(Shown):
    """tokens: that every arm was given at most. answers: the version with every answer."""

    experiment: str
    baseline: str
    evaluation: str
    questions: int
    samples: int
    tokens: int
    seeds: Sequence[int]
    answers: str
    arms: Sequence[ArmResult]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def plan_ablation(project: Project, name: str, store: StoreView) -> AblationPlan:
    """What an experiment would run and cost; makes no call. Raises InputError for everything that is wrong with it."""
    table, arms = project.experiment(name), arms_of(project, name)
    settle(project, ("trained:x",), Asked(on=table.evaluation))
    whole = with_arms(project, arms, {})
    _checked(whole, arms, store)
    plans = plans_ahead(whole, [arm.pipeline.name for arm in arms], store)
    seen: set[str] = set()
    made = []
    for arm in arms:
        plan = plans[arm.pipeline.name]
        totals: list[tuple[float, float | None]] = []
        for steps in (plan.steps, [step for step in plan.steps if step.fingerprint not in seen]):
            calls, costs = 0.0, list[float | None]()
            for step in steps:
                for teacher, estimate in (step.estimate.calls if step.estimate else {}).items():
                    calls += estimate.calls
                    costs.append(cost_of(price_of(plan, whole, teacher), estimate))
            totals.append((calls, None if None in costs else math.fsum(cost for cost in costs if cost is not None)))
        seen |= {step.fingerprint for step in plan.steps}
        last = plan.steps[-1].estimate if plan.steps else None
        rows = last.rows if last else plan.rows
        known = plan.rows is not None
        (calls, cost), (own, own_usd) = totals
        made.append(
            ArmPlan(arm.name, arm.changes, rows, *((calls, cost, own, own_usd) if known else (None, None, None, None)))
        )
    costs = [arm.own_usd for arm in made]
    total = None if None in costs else math.fsum(cost for cost in costs if cost is not None)
    return AblationPlan(name, arms[0].name, table.evaluation, made, len(arms) * len(table.seeds), total)


def ablate(
    project: Project,
    name: str,
    store: Store,
    *,
    workers: int | None = None,
    processes: int = 1,
    out: TextIO | None = None,
    report: Callable[[str], None] | None = None,
) -> Ablation:
    """report: gets a line for each thing that is there. Raises InputError before anything runs; RunError, resumable."""
    plan_ablation(project, name, store)
    table, arms = project.experiment(name), arms_of(project, name)
    whole = with_arms(project, arms, {})

    def told(node: Node) -> None:
        if report is not None:
            report(f"{node.name}: {node.made}, {'made' if node.built else 'there already'}")

    build(
        whole,
        [arm.pipeline.name for arm in arms],
        store,
        report=told,
        workers=workers,
        out=out,
    )
    versions = {arm.name: store.latest(arm.pipeline.into) or 0 for arm in arms}
    problems = _problems(store, arms, versions, table)
    sizes = {arm.name: _total(store, arm, versions[arm.name], problems) for arm in arms}
    if empty := [arm for arm, tokens in sizes.items() if not tokens]:
        raise InputError(f"{table.where}: arm {empty[0]} has no row to learn from; loosen its steps, or leave it out")
    tokens = table.tokens or min(sizes.values())
    trainers: dict[str, dict[int, TrainerTable]] = {}
    for arm in arms:
        trainers[arm.name] = {
            seed: arm.trained_on(seed, _selection(store, arm, versions[arm.name], problems, tokens, seed))
            for seed in table.seeds
        }
    trained = with_arms(project, arms, {one.name: one for by_seed in trainers.values() for one in by_seed.values()})
    nodes = build(
        trained,
        [one.name for by_seed in trainers.values() for one in by_seed.values()],
        store,
        report=told,
        workers=workers,
        processes=processes,
        out=out,
    )
    made = {node.name: node.made for node in nodes}
    models = {arm.name: [made[one.name] for one in trainers[arm.name].values()] for arm in arms}
    asked = tuple(dict.fromkeys(model for listed in models.values() for model in listed))
    done = evaluate_models(trained, store, settle(trained, asked, Asked(on=table.evaluation)), out)
    chosen = {
        arm.name: [_selection(store, arm, versions[arm.name], problems, tokens, seed) for seed in table.seeds]
        for arm in arms
    }
    return _compared(store, table, arms, versions, models, done.answers, tokens, chosen)


def _checked(project: Project, arms: Sequence[Arm], store: StoreView) -> None:
    """Raises InputError for an arm whose pipeline is wrong, or whose trainer cannot learn from its columns."""
    trainers = [arm.trained_on(0, f"select * from {arm.pipeline.into}") for arm in arms]
    whole = with_arms(project, arms, {one.name: one for one in trainers})
    check = partial(check_trainer, whole, store if isinstance(store, Store) else None)
    found, _ = check_project(whole, store, [one.name for one in trainers], check)
    if found:
        raise InputError("\n".join(str(problem) for problem in found))


def _table(arm: Arm, version: int) -> str:
    return f"{arm.pipeline.into}@{version}"


def _problems(store: Store, arms: Sequence[Arm], versions: Mapping[str, int], table: ExperimentTable) -> str | None:
    """The query for the problems that arms may learn from; None where each takes its own."""
    if table.problems == "all":
        return None
    shared = " intersect ".join(f"select problem_id from {_table(arm, versions[arm.name])}" for arm in arms)
    limit = "" if table.problems == "equal" else f" limit {table.problems}"
    query = f"select problem_id from ({shared}) order by md5(problem_id), problem_id{limit}"
    [count] = store.query(f"select count(*) as n from ({query})").read_all()["n"].to_pylist()
    if isinstance(table.problems, int) and count < table.problems:
        raise ProjectError(
            table.where, f'problems = {table.problems}, and all arms share {count}: give fewer, or "equal"'
        )
    return query


def _tokens_of(store: Store, arm: Arm, version: int) -> str:
    """SQL for the tokens of a row: as the endpoint counted, else by its characters."""
    columns = store.schema(arm.pipeline.into, version)
    texts = [name for name in ("reasoning", "response", "messages", "chosen", "rejected") if name in columns]
    if not texts:
        texts = [name for name, kind in columns.items() if kind == "VARCHAR" and not name.endswith("_id")]
    length = " + ".join(f"coalesce(length({quoted(name)}::varchar), 0)" for name in texts) or "0"
    guess = f"ceil(({length}) / {CHARACTERS})::bigint"
    return f"coalesce(output_tokens, {guess})" if "output_tokens" in columns else guess


def _weighed(store: Store, arm: Arm, version: int, problems: str | None) -> str:
    """The key and the tokens of every row that the arm may learn from."""
    key = quoted(store.schema(arm.pipeline.into, version).key)
    chosen = "" if problems is None else f" where problem_id in ({problems})"
    return f"select {key} as k, {_tokens_of(store, arm, version)} as t from {_table(arm, version)}{chosen}"


def _total(store: Store, arm: Arm, version: int, problems: str | None) -> int:
    query = f"select coalesce(sum(t), 0)::bigint as n from ({_weighed(store, arm, version, problems)})"
    return int(store.query(query).read_all()["n"].to_pylist()[0])


def _selection(store: Store, arm: Arm, version: int, problems: str | None, tokens: int, seed: int) -> str:
    """The query for rows of at most so many tokens, drawn by the seed, in the order of the catalog."""
    key = quoted(store.schema(arm.pipeline.into, version).key)
    drawn = (
        f"select k, sum(t) over (order by md5(k || ':{seed}'), k rows unbounded preceding) as used "
        f"from ({_weighed(store, arm, version, problems)})"
    )
    return f"select * from {_table(arm, version)} where {key} in (select k from ({drawn}) where used <= {tokens})"


def _compared(
    store: Store,
    table: ExperimentTable,
    arms: Sequence[Arm],
    versions: Mapping[str, int],
    models: Mapping[str, Sequence[str]],
    answers: str,
    tokens: int,
    chosen: Mapping[str, Sequence[str]],
) -> Ablation:
    counts = {arm.name: _answers(store, answers, models[arm.name]) for arm in arms}
    questions = sorted({problem for found in counts.values() for problem in found.right})
    samples = max(found.samples for found in counts.values())
    base = counts[arms[0].name]
    p_values = [
        paired([counts[arm.name].right.get(one, 0) for one in questions], [base.right.get(one, 0) for one in questions])
        for arm in arms[1:]
    ]
    adjusted = holm(p_values)
    made: list[ArmResult] = []
    for number, arm in enumerate(arms):
        found = counts[arm.name]
        right = [found.right.get(one, 0) for one in questions]
        accuracy = sum(right) / len(right) / found.samples
        low, high = clustered(right, found.samples)
        learned = _learned(store, arm, versions[arm.name], chosen[arm.name])
        calls, paid = _paid(store, arm, versions[arm.name])
        made.append(
            ArmResult(
                arm.name,
                arm.changes,
                f"{arm.pipeline.into}@{versions[arm.name]}",
                models[arm.name],
                *learned,
                accuracy,
                low,
                high,
                found.by_model,
                None if not number else accuracy - made[0].accuracy,
                None if not number else p_values[number - 1],
                None if not number else adjusted[number - 1],
                found.tokens,
                found.seconds,
                calls,
                paid,
            )
        )
    per_model = samples // len(table.seeds)
    return Ablation(
        table.name, arms[0].name, table.evaluation, len(questions), per_model, tokens, table.seeds, answers, made
    )


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
        "sum(output_tokens) as tokens, sum(seconds) as seconds "
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


def _learned(store: Store, arm: Arm, version: int, queries: Sequence[str]) -> tuple[int, int, int]:
    """Rows, problems and tokens that a model learns from: the mean over its seeds."""
    tokens = _tokens_of(store, arm, version)
    sums = [0, 0, 0]
    for query in queries:
        sql = f"select count(*) as n, count(distinct problem_id) as p, sum({tokens})::bigint as t from ({query})"
        [row] = store.query(sql).read_all().to_pylist()
        sums = [total + (row[name] or 0) for total, name in zip(sums, "npt", strict=True)]
    rows, problems, learned = (round(total / len(queries)) for total in sums)
    return rows, problems, learned


def _paid(store: Store, arm: Arm, version: int) -> tuple[int, float | None]:
    """Calls that the arm's run made, over all its attempts, and their cost."""
    run = store.version(arm.pipeline.into, version).run_id
    sql = (
        "select coalesce(sum(calls_made), 0)::bigint as calls, "
        "case when bool_and(cost_usd is not null) then sum(cost_usd) end as usd "
        f"from dq_runs where run_id = {literal(run)}"
    )
    [row] = store.query(sql).read_all().to_pylist()
    return int(row["calls"]), row["usd"]
