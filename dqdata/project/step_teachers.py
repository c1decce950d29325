"""Checks of a step's teachers while it is planned: they exist, give what the step needs, and are bounded.

for name in teacher_names(operator, spec, root):
    add_teacher(name, spec, project, store, teachers)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dqdata.errors import InputError, ProjectError, nearest
from dqdata.operator import Operator
from dqdata.project.instances import children, family, make_operator, make_teacher
from dqdata.project.pipeline_table import Pipeline, StepSpec
from dqdata.project.problems import Problems
from dqdata.project.tables import Project, TeacherTable
from dqdata.source import StoreView
from dqdata.teacher import Teacher


def teacher_names(operator: Operator[Any], spec: StepSpec, root: Path) -> Iterator[str]:
    return (name for one in family(operator, spec, root) for name in one.teachers())


def teacher_table(project: Project, name: str, spec: StepSpec) -> TeacherTable:
    if name not in project.teachers:
        have = ", ".join(project.teachers) or "none"
        raise ProjectError(
            spec.where,
            f"no teacher {name!r}{nearest(name, project.teachers)} (have: {have}); add a table [teachers.{name}]",
            code="unknown-name",
        )
    return project.teachers[name]


def check_model(teacher: Teacher[Any], table: TeacherTable) -> None:
    """Raises what a model that can't be found is refused with, at the teacher's table."""
    try:
        teacher.identity  # noqa: B018
    except ProjectError:
        raise
    except InputError as error:
        raise type(error)(f"{table.where}: {error}") from error


def make_teachers(
    pipeline: Pipeline, project: Project, store: StoreView, teachers: dict[str, Teacher[Any]], problems: Problems
) -> None:
    """Adds the teachers of all steps to `teachers`; what is wrong with one is noted."""
    for spec in pipeline.steps:
        try:
            operator = make_operator(spec, project.root)
            names = list(teacher_names(operator, spec, project.root))
        except InputError:  # noted with the operators
            continue
        for name in names:
            with problems.noted():
                add_teacher(name, spec, project, store, teachers)


def add_teacher(
    name: str, spec: StepSpec, project: Project, store: StoreView, teachers: dict[str, Teacher[Any]]
) -> None:
    """Adds the teacher of that name where it is not there yet. Raises ProjectError at its table, or at the step."""
    if name not in teachers:
        table = teacher_table(project, name, spec)
        teacher = make_teacher(table, store)
        check_model(teacher, table)
        teachers[name] = teacher


_NEEDED = {
    "write": "text is needed here. Name a teacher that writes; scores of a reward model are the `model` of a step "
    "`score`, those of provider 'likelihood' the `student` of a step `student_fit`, vectors the `embedding` of `dedup`",
    "score": 'scores are needed here: name one with provider = "reward_model" (in `student_fit`: "likelihood"), or '
    "name this one as `judge`",
    "embed": 'vectors are needed here: name one with provider = "openai_embeddings"',
}


def _what_it_does(teacher: Teacher[Any]) -> str:
    scores = f"gives {', '.join(teacher.scores)} and writes no text"
    return {"write": "writes text", "score": scores, "embed": "embeds texts"}[teacher.does]


def check_answers(operator: Operator[Any], spec: StepSpec, root: Path, teachers: Mapping[str, Teacher[Any]]) -> None:
    """A judge must write, a scorer must give scores, and an embedder vectors. Raises ProjectError."""
    for name in operator.teachers():
        needed = "score" if name in operator.scorers() else "embed" if name in operator.embedders() else "write"
        teacher = teachers[name]
        if teacher.does != needed:
            raise ProjectError(
                spec.where,
                f"teacher {name!r} (provider {teacher.provider!r}) {_what_it_does(teacher)}, and {_NEEDED[needed]}",
            )
    for child in children(operator, spec, root):
        check_answers(child, spec, root, teachers)


def check_bounded(
    operator: Operator[Any], spec: StepSpec, pipeline: Pipeline, project: Project, teachers: Mapping[str, Teacher[Any]]
) -> None:
    """A budget reserves the worst case of each call, so each call needs a price and a bound. Raises ProjectError."""
    for name in operator.teachers() if pipeline.budget_usd is not None else ():
        if teachers[name].limits(project.teachers[name].limits).price is None:
            raise ProjectError(
                spec.where,
                f"the pipeline has a budget in USD, but teacher {name!r} has no price, so what its calls cost is "
                f"unknown: give [teachers.{name}] price = {{ input = ..., output = ... }}, in USD per million tokens, "
                "or the pipeline budget_tokens",
            )
    if getattr(operator.params, "max_tokens", 0) is None:
        for name in operator.teachers():
            price = teachers[name].limits(project.teachers[name].limits).price
            priced = pipeline.budget_usd is not None and price is not None and price.output > 0
            if (priced or pipeline.budget_tokens is not None) and teachers[name].context_tokens is None:
                raise ProjectError(
                    spec.where,
                    f"the pipeline has a budget, but nothing bounds the answers of teacher {name!r}: "
                    "give the step `max_tokens`, or the teacher `context_tokens`",
                )
    for child in children(operator, spec, project.root):
        check_bounded(child, spec, pipeline, project, teachers)
