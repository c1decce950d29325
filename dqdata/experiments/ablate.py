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
from dqdata.experiments.comparison import Ablation, Entry, compared
from dqdata.experiments.tokens import GUESS, STUDENT, selection, weigh
from dqdata.notebook import Shown
from dqdata.project.check import check_project, plans_ahead
from dqdata.training.build import Node, build
from dqdata.training.evaluation import evaluate_models
from dqdata.training.evaluation_plan import Asked, settle
from dqdata.training.plan import check_trainer

if TYPE_CHECKING:
    from dqdata.project.experiments import ExperimentTable
    from dqdata.project.tables import Project
    from dqdata.source import StoreView


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


def plan_ablation(project: Project, name: str, store: StoreView, *, ready: bool = False) -> AblationPlan:
    """What an experiment would run and cost; makes no call. Raises InputError for everything that is wrong with it.
    ready: also for environment variables and packages that are missing."""
    table, arms = project.experiment(name), arms_of(project, name)
    settle(project, ("trained:x",), Asked(on=table.evaluation))
    whole = with_arms(project, arms, {})
    _checked(whole, arms, store, ready=ready)
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
    plan_ablation(project, name, store, ready=True)
    table, arms = project.experiment(name), arms_of(project, name)
    whole = with_arms(project, arms, {})

    def told(node: Node) -> None:
        if report is not None:
            report(f"{node.name}: {node.made}, {'made' if node.built else 'there already'}")

    nodes = build(whole, [arm.pipeline.name for arm in arms], store, report=told, workers=workers, out=out)
    made = {node.name: node.made for node in nodes}
    versions = {arm.name: int(made[arm.pipeline.name].partition("@")[2]) for arm in arms}
    problems = _problems(store, arms, versions, table)
    weighed = {arm.name: weigh(project, arm, store, versions[arm.name], problems) for arm in arms}
    if empty := [arm for arm, rows in weighed.items() if not rows.total]:
        raise InputError(f"{table.where}: arm {empty[0]} has no row to learn from; loosen its steps, or leave it out")
    fewest = min(weighed, key=lambda arm: weighed[arm].total)
    tokens = min(table.tokens or weighed[fewest].total, weighed[fewest].total)
    if report is not None and tokens < (table.tokens or tokens):
        report(f"tokens = {table.tokens:,}, but arm {fewest} has {tokens:,}: so many for every arm")
    chosen = {arm.name: [selection(weighed[arm.name], tokens, seed) for seed in table.seeds] for arm in arms}
    if empty := [arm for arm, listed in chosen.items() if not all(one.rows for one in listed)]:
        raise ProjectError(
            table.where,
            f"{tokens:,} tokens are less than a row of arm {empty[0]} has; give more `tokens`, or shorter rows",
        )
    trainers = {
        arm.name: [arm.trained_on(seed, one.query) for seed, one in zip(table.seeds, chosen[arm.name], strict=True)]
        for arm in arms
    }
    listed = [one for by_seed in trainers.values() for one in by_seed]
    trained = with_arms(project, arms, {one.name: one for one in listed})
    nodes = build(
        trained,
        [one.name for one in listed],
        store,
        report=told,
        workers=workers,
        processes=processes,
        out=out,
    )
    made = {node.name: node.made for node in nodes}
    entries = [
        Entry(
            arm.name,
            arm.changes,
            _table(arm, versions[arm.name]),
            [made[one.name] for one in trainers[arm.name]],
            chosen[arm.name],
        )
        for arm in arms
    ]
    asked = tuple(dict.fromkeys(model for entry in entries for model in entry.models))
    done = evaluate_models(trained, store, settle(trained, asked, Asked(on=table.evaluation)), out)
    counted = next((STUDENT for one in weighed.values() if one.source == STUDENT), GUESS)
    return compared(store, table, entries, done.answers, tokens, counted)


def _checked(project: Project, arms: Sequence[Arm], store: StoreView, *, ready: bool) -> None:
    """Raises InputError for an arm whose pipeline is wrong, or whose trainer cannot learn from its columns."""
    trainers = [arm.trained_on(0, f"select * from {arm.pipeline.into}") for arm in arms]
    whole = with_arms(project, arms, {one.name: one for one in trainers})
    check = partial(check_trainer, whole, store if isinstance(store, Store) else None, ready=ready)
    found, _ = check_project(whole, store, [one.name for one in trainers], check, ready=ready)
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
