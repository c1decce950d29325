"""Arms of an experiment as pipelines and trainers of a project.

    found = arms_of(project, "what_helps")
    found[0].pipeline.into, found[0].trainers(tokens=...)

An arm's pipeline is the experiment's with the changes of the arm, into the catalog EXPERIMENT_ARM. Steps that arms
share send the same requests, which the ledger answers, so they are paid for once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dqdata.errors import ProjectError, nearest
from dqdata.project.experiments import ArmSpec, ExperimentTable
from dqdata.project.pipeline_table import Pipeline, StepSpec
from dqdata.project.tables import EVALUATE, Project, TrainerTable
from dqdata.refs import as_query
from dqdata.sql import base_tables, edited, parsed, quote_refs, quoted

_PINNED = re.compile(r'"([a-z_][a-z0-9_]*)@(\w+|\d{4}-\d\d-\d\d)"', re.IGNORECASE)
TEACHER_KEYS = ("teacher", "teachers", "judge", "judges", "student", "model", "scorer")
"""Parameters of steps that name teachers."""


@dataclass(frozen=True)
class Arm:
    """catalog: that of the experiment's pipeline, which the trainer reads. changes: the arm in words."""

    name: str
    catalog: str
    pipeline: Pipeline
    trainer: TrainerTable
    changes: str

    def trained_on(self, seed: int, selection: str) -> TrainerTable:
        """The trainer of one seed, whose training rows are those of the selection, a query."""
        split = "train" if "train" in self.trainer.data else next(iter(self.trainer.data))
        query = with_table(self.trainer.data[split], self.catalog, selection)
        return self.trainer.model_copy(
            update={
                "name": f"{self.pipeline.name}_{seed}",
                "data": {**self.trainer.data, split: query},
                "params": {**self.trainer.params, "seed": seed},
            }
        )


def arms_of(project: Project, name: str) -> list[Arm]:
    """The arms in the order of the table. Raises ProjectError for what is wrong with any of them, by its name."""
    table = project.experiment(name)
    pipeline, trainer = project.pipeline(table.pipeline), project.trainer(table.trainer)
    reading = [split for split, query in trainer.data.items() if _reads(query, pipeline.into)]
    if not reading:
        raise ProjectError(
            table.where,
            f"trainer {trainer.name!r} does not read {pipeline.into!r}, the catalog of pipeline {pipeline.name!r}: "
            "its arms would all learn the same",
        )
    found = [_arm(project, table, arm, spec) for arm, spec in table.arms.items()]
    taken = {*project.pipelines, *project.trainers, *(one.into for one in project.pipelines.values())}
    if clash := [arm.pipeline.name for arm in found if arm.pipeline.name in taken]:
        raise ProjectError(table.where, f"its arm would be named {clash[0]!r}, which a pipeline or trainer has already")
    return found


def with_arms(project: Project, arms: Sequence[Arm], trainers: Mapping[str, TrainerTable]) -> Project:
    """The project with the arms' pipelines, and with trainers by their names."""
    pipelines = {**project.pipelines, **{arm.pipeline.name: arm.pipeline for arm in arms}}
    return project.model_copy(update={"pipelines": pipelines, "trainers": {**project.trainers, **trainers}})


def with_table(text: str, catalog: str, query: str) -> str:
    """SQL, or the name of a catalog, with every read of one catalog, at any version, as a read of a query."""
    sql, _ = quote_refs(as_query(text))
    raw, edits = sql.encode(), []
    for node in base_tables(parsed(sql).get("statements", [])):
        if str(node["table_name"]).lower().partition("@")[0] != catalog:
            continue
        start = int(node["query_location"])
        found = re.compile(rb'"[^"]*"|[A-Za-z_][A-Za-z0-9_]*').match(raw, start)
        assert found is not None
        alias = "" if node["alias"] else f" as {quoted(catalog)}"
        edits.append((start, found.end(), f"({query}){alias}"))
    return _PINNED.sub(r"\1@\2", edited(raw, edits))  # as people write versions, which every check knows


def _reads(text: str, catalog: str) -> bool:
    sql, _ = quote_refs(as_query(text))
    names = [str(node["table_name"]) for node in base_tables(parsed(sql).get("statements", []))]
    return catalog in [name.lower().partition("@")[0] for name in names]


def _arm(project: Project, table: ExperimentTable, name: str, spec: ArmSpec) -> Arm:
    where = f"{table.where} arm {name}"
    base, trainer = project.pipeline(table.pipeline), project.trainer(table.trainer)
    ids = [step.id for step in base.steps]
    for key, given in (
        ("without", spec.without),
        ("only", spec.only or ()),
        ("steps", spec.steps),
        ("replace", spec.replace),
    ):
        for step in given:
            if step not in ids:
                raise ProjectError(
                    where,
                    f"{key}: pipeline {base.name!r} has no step {step!r}{nearest(step, ids)} (has: {', '.join(ids)})",
                )
    for old, new in spec.teachers.items():
        project.teacher(old), project.teacher(new)
    kept = [step for step in base.steps if step.id not in spec.without and (spec.only is None or step.id in spec.only)]
    into = f"{table.name}_{name}".lower().replace("-", "_")
    steps = tuple(_step(step, spec, where) for step in kept)
    pipeline = base.model_copy(update={"name": into, "into": into, "steps": steps, "where": where})
    args = {**trainer.params.get("args", {}), **spec.trainer.get("args", {})}
    params = {**trainer.params, **spec.trainer, **({"args": args} if args else {})}
    params.pop(EVALUATE, None)  # the experiment measures all of them alike
    return Arm(name, base.into, pipeline, trainer.model_copy(update={"params": params, "where": where}), _words(spec))


def _step(step: StepSpec, spec: ArmSpec, where: str) -> StepSpec:
    place = f"{where} step {step.id}"
    if step.id in spec.replace:
        body = dict(spec.replace[step.id])
        return StepSpec(op=str(body.pop("op")), id=step.id, params=body, where=place)
    params = {**step.params, **spec.steps.get(step.id, {})}
    return step.model_copy(update={"params": _taught(params, spec.teachers), "where": place})


def _taught(params: Mapping[str, Any], teachers: Mapping[str, str]) -> dict[str, Any]:
    """Parameters with other teachers."""
    made = dict(params)
    for key in TEACHER_KEYS:
        value = made.get(key)
        if isinstance(value, str):
            made[key] = teachers.get(value, value)
        elif isinstance(value, list | tuple):
            made[key] = [teachers.get(one, one) if isinstance(one, str) else one for one in value]
    return made


def _words(spec: ArmSpec) -> str:
    parts = []
    if spec.only is not None:
        parts.append(f"only {', '.join(spec.only)}")
    if spec.without:
        parts.append(f"without {', '.join(spec.without)}")
    parts += [
        f"{step}: {', '.join(f'{key} = {value}' for key, value in body.items())}" for step, body in spec.steps.items()
    ]
    parts += [f"{body['op']} in place of {step}" for step, body in spec.replace.items()]
    parts += [f"{new} in place of {old}" for old, new in spec.teachers.items()]
    parts += [f"trainer {key} = {value}" for key, value in spec.trainer.items()]
    return "; ".join(parts) or "as it is"
