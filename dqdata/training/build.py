"""`dqdata build NAME...`: makes the dependencies of pipelines and trainers in order, where they are out of date.

    for node in plan_build(project, ["slow_cogpo"], store):      # nothing runs
        print(node.name, node.made or node.why)
    build(project, ["slow_cogpo"], store, report=print)

What is up to date is what a run or a training would return without doing anything: the same recipe over the same
versions was made already. A recipe that went back to what it was uses the version that it made then, even where a
newer one of another recipe is there. A version that a query fixes (`problems@3`) is never made again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TextIO

from dqdata.engine.assertions import differ
from dqdata.engine.forecast import forecast
from dqdata.engine.run import run_pipeline
from dqdata.errors import InputError, ProjectError, ProjectErrors, nearest
from dqdata.project.check import NoStore, check_distinct, check_project, plans_ahead
from dqdata.project.graph import build_order, closure, reads
from dqdata.project.plan import Plan, check_ready, make_plan
from dqdata.project.tables import Project
from dqdata.training.plan import TrainPlan, check_trainer, lacks, make_train_plan
from dqdata.training.run import train

if TYPE_CHECKING:
    from dqdata.catalog import Store
    from dqdata.source import StoreView

UP_TO_DATE = "up to date"
DEPENDS = "depends on"


@dataclass(frozen=True)
class Node:
    """One pipeline or trainer of a build.

    made: `catalog@version` or `trained:name@version`, empty where it is still to be made. why: `up to date`, or why it
    is not. rows: of the version, None for a model. accuracy: of the model, where its table has `evaluate`.
    """

    name: str
    kind: Literal["pipeline", "trainer"]
    why: str
    made: str = ""
    rows: int | None = None
    accuracy: float | None = None
    built: bool = False
    seconds: float = 0.0
    calls: float | None = None
    """Calls to teachers that a run is expected to make; None for a trainer, for what is made, and where unknown."""
    cost_usd: float | None = None
    """Of those calls, as expected; None where it is unknown too."""
    most_usd: float | None = None
    """At worst."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def plan_build(project: Project, names: Sequence[str], store: Store | None, *, processes: int = 1) -> list[Node]:
    """What a build would do, and why; of what is still to be made also what it lacks: environment variables, packages.
    store: None where nothing was made yet. Raises InputError for everything else that is wrong with any of it."""
    nodes: dict[str, Node] = {}
    for name in _order(project, names, store, ready=False):
        waits = [feeder for feeder in reads(project, name, fixed=False) if not nodes[feeder].made]
        kind = _kind(project, name)
        if waits:
            nodes[name] = Node(name, kind, f"{DEPENDS} {', '.join(waits)}")
        elif store is None:
            nodes[name] = Node(name, kind, _never(kind))
        else:
            nodes[name] = _state(project, name, store, processes, ready=False)
    view = store or NoStore()
    plans = plans_ahead(project, names, view)
    return [_priced(_with_lacks(node, plans, project), plans, project, view) for node in nodes.values()]


def _with_lacks(node: Node, plans: Mapping[str, Plan], project: Project) -> Node:
    """With what a run or training that is still to be made would be refused for on this machine."""
    if node.made:
        return node
    lacking = ""
    if node.kind == "trainer":
        lacking = lacks(project.trainers[node.name], project)
    else:
        try:
            check_ready(plans[node.name], project)
        except InputError as error:
            lacking = "; ".join(map(str, error.errors if isinstance(error, ProjectErrors) else [error]))
    return replace(node, why=f"{node.why}; {lacking}") if lacking else node


def _priced(node: Node, plans: Mapping[str, Plan], project: Project, store: StoreView) -> Node:
    """With what a pipeline that is still to be made would call and cost. Whose input is still to be made sends other
    requests than those that the ledger may know."""
    if node.made or node.name not in plans:
        return node
    plan = plans[node.name]
    made = forecast(plan, project, store, retry_failed=True, subtract=not node.why.startswith(DEPENDS))
    if made.per_rows is not None and plan.teachers:
        return node
    calls = sum(one.expected.calls for one in made.teachers.values())
    return replace(node, calls=calls, cost_usd=made.cost_usd, most_usd=made.most_usd)


def build(
    project: Project,
    names: Sequence[str],
    store: Store,
    *,
    report: Callable[[Node], None],
    begin: Callable[[Node], None] | None = None,
    allow_partial: bool = False,
    workers: int | None = None,
    processes: int = 1,
    out: TextIO | None = None,
) -> list[Node]:
    """Runs and trains what isn't up to date; `begin` is called with each node that is about to be made, `report` with
    each that exists. The first failure ends it, as the error of that run or training: what was made stays, and the next
    build goes on from there."""
    nodes = []
    for name in _order(project, names, store):
        node = _state(project, name, store, processes)
        if not node.made:
            began = time.monotonic()
            if begin is not None:
                begin(node)
            if node.kind == "pipeline":
                run = run_pipeline(project, name, store, allow_partial=allow_partial, workers=workers, out=out)
                store.choose(run.catalog, run.version)
                node = replace(node, made=f"{run.catalog}@{run.version}", rows=run.rows_out)
            else:
                outcome = train(project, name, store, processes=processes, out=out)
                store.choose_model(outcome.name, outcome.version)
                accuracy = outcome.after.accuracy if outcome.after else None
                node = replace(node, made=f"trained:{outcome.name}@{outcome.version}", accuracy=accuracy)
            node = replace(node, built=True, seconds=time.monotonic() - began)
        nodes.append(node)
        report(node)
    return nodes


def check_names(project: Project, names: Sequence[str]) -> None:
    """Raises ProjectError for a name that is neither a pipeline nor a trainer, or is both."""
    known = [*project.pipelines, *project.trainers]
    for name in names:
        if name not in known:
            have = ", ".join(known) or "none"
            message = f"no pipeline or trainer {name!r}{nearest(name, known)} (have: {have})"
            raise ProjectError(project.path.name, message, code="unknown-name")
    check_distinct(project)


def _order(project: Project, names: Sequence[str], store: Store | None, *, ready: bool = True) -> list[str]:
    """The names and their dependencies, each after what it reads; checked as a whole, before anything is paid for.
    ready: also for what a plan does not need."""
    check_names(project, names)
    needed = closure(project, names, fixed=False)
    order = [name for name in build_order(project) if name in needed]
    makers: dict[str, str] = {}
    into = {project.pipelines[name].into for name in order if name in project.pipelines}
    for pipeline in (pipeline for pipeline in project.pipelines.values() if pipeline.into in into):
        if (other := makers.setdefault(pipeline.into, pipeline.name)) != pipeline.name:
            raise ProjectError(
                pipeline.where,
                f"writes into {pipeline.into!r} as {other!r} does: a build cannot decide which is newest",
            )
    trainer = partial(check_trainer, project, store, ready=ready)
    problems, _ = check_project(project, store or NoStore(), order, trainer, ready=ready)
    if problems:
        raise InputError("\n".join(problems))
    return order


def _state(project: Project, name: str, store: Store, processes: int, *, ready: bool = True) -> Node:
    """Whether a node is there as its recipe makes it today; then what depends on it reads this very version."""
    if name in project.pipelines:
        plan = make_plan(project, name, store)
        if plan.made is None:
            return Node(name, "pipeline", _changed(plan, store))
        catalog, number = plan.made
        if (catalog, number) in store.held():
            return Node(name, "pipeline", f"{catalog}@{number} failed its checks")
        if differ(store.checks(catalog, number), plan.pipeline.checks):
            return Node(name, "pipeline", f"{catalog}@{number} was checked otherwise")
        store.choose(catalog, number)
        return Node(name, "pipeline", UP_TO_DATE, f"{catalog}@{number}", store.version(catalog, number).rows)
    training = make_train_plan(project, name, store, processes, ready=ready)
    models = store.models(name)
    for model in reversed(models):
        if json.loads(model["recipe"])["fingerprint"] == training.fingerprint:
            store.choose_model(name, int(model["version"]))
            accuracy = json.loads(model["metrics"]).get("after_accuracy")
            return Node(name, "trainer", UP_TO_DATE, f"trained:{name}@{model['version']}", accuracy=accuracy)
    return Node(name, "trainer", _changed_training(training, models))


def _kind(project: Project, name: str) -> Literal["pipeline", "trainer"]:
    return "pipeline" if name in project.pipelines else "trainer"


def _never(kind: str) -> str:
    return "never run" if kind == "pipeline" else "never trained"


def _changed(plan: Plan, store: Store) -> str:
    """What of the recipe is no longer as it was when the newest version was made."""
    catalog = plan.pipeline.into
    number = store.latest(catalog)
    if number is None:
        return _never("pipeline")
    version = store.version(catalog, number)
    if version.fingerprint == plan.fingerprint:
        return f"{catalog}@{number} lacks the rows that failed"
    since = f"since {catalog}@{number}"
    if version.recipe.get("source_fingerprint") != plan.source_fingerprint:
        return f"other rows come in {since}"
    was = [step["fingerprint"] for step in version.recipe.get("steps", [])]
    for index, step in enumerate(plan.steps):
        if index >= len(was) or was[index] != step.fingerprint:
            return f"step {index + 1} ({step.spec.op}) changed {since}"
    return f"its last steps went {since}"


def _changed_training(plan: TrainPlan, models: Sequence[Mapping[str, Any]]) -> str:
    if not models:
        return _never("trainer")
    was, now = json.loads(models[-1]["recipe"]), json.loads(json.dumps(plan.recipe(), default=str))
    parts = {"data": "data", "models": "models", "params": "keys", "processes": "processes", "version": "trainer"}
    changed = [word for part, word in parts.items() if was.get(part) != now[part]]
    return f"other {' and '.join(changed or ['files'])} since trained:{plan.name}@{models[-1]['version']}"
