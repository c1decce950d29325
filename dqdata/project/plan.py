"""Derives columns, fingerprints and estimates of a pipeline, step by step. Makes no call and reads no rows.

    >>> plan = make_plan(project, "quickstart", store)
    >>> [step.spec.op for step in plan.segments[0].steps]
    ['generate', 'verify_math']

A wrong pipeline fails here: an unknown operator, teacher, parameter or column, with file, table, step and the nearest
valid name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dqdata.columns import Columns, check_names
from dqdata.errors import ColumnError, DataError, InputError, ProjectError, boundary
from dqdata.ids import fingerprint
from dqdata.operator import CallEstimate, Estimate, Operator, TableOperator
from dqdata.packages import check_packages
from dqdata.params import markers, orders
from dqdata.plugins import distribution, found, source_hash
from dqdata.project.bindings import check_bindings
from dqdata.project.estimates import Estimator, added, estimated
from dqdata.project.instances import (
    Context,
    check_keys,
    check_operators,
    child_spec,
    children,
    family,
    make_operator,
    make_source,
    make_teacher,
)
from dqdata.project.pipeline_table import Pipeline, StepSpec
from dqdata.project.problems import Problems
from dqdata.project.sampling import Lengths
from dqdata.project.step_teachers import (
    add_teacher,
    check_answers,
    check_bounded,
    make_teachers,
    teacher_names,
    teacher_table,
)
from dqdata.project.tables import Project, plain
from dqdata.schema import Child, Schema
from dqdata.source import Source, StoreView
from dqdata.sql import versions_read
from dqdata.teacher import Teacher
from dqdata.types import stored_columns

TRACE_COLUMNS = ("reasoning", "response", "messages")
PAIR_COLUMNS = ("chosen", "rejected")


@dataclass(frozen=True)
class Step:
    """One step of a plan: its operator, what columns it meets and leaves, who it is, what it is expected to do."""

    spec: StepSpec
    operator: Operator[Any]
    before: Columns
    after: Columns
    fingerprint: str
    catalogs: Mapping[str, str]
    """Catalogs it reads beside its rows: the name as written, to the query of the version it was pinned to."""
    children: Mapping[str, Child]
    """Operators that it runs, by `dqdata.schema.child_key`."""
    estimate: Estimate | None = None
    """As expected; None where the number of rows isn't known before they are read."""
    most: Estimate | None = None
    """At worst."""
    estimator: Estimator | None = None
    """Estimates it over other numbers of rows; None for a step outside a pipeline."""

    @property
    def sees_all(self) -> bool:
        return isinstance(self.operator, TableOperator)


@dataclass(frozen=True)
class Segment:
    """Steps between two places where every row must have arrived; a table step is a segment of its own."""

    steps: tuple[Step, ...]
    before: Columns

    @property
    def after(self) -> Columns:
        return self.steps[-1].after if self.steps else self.before

    @property
    def fingerprint(self) -> str:
        return self.steps[-1].fingerprint

    @property
    def is_table(self) -> bool:
        return self.steps[0].sees_all


@dataclass(frozen=True)
class Plan:
    pipeline: Pipeline
    source: Source[Any]
    columns: Columns
    """Of the rows as they enter the first step, ids included."""
    source_fingerprint: str
    steps: tuple[Step, ...]
    teachers: Mapping[str, Teacher[Any]]
    rows: float | None
    """Rows expected to enter the first step."""
    counted: bool
    """Whether the source counted them; otherwise they are what feeds it is expected to make."""
    made: tuple[str, int] | None
    """The (catalog, version) this recipe made already."""
    id_scheme: str
    """The store's scheme of ids for problems: a name in `dqdata.ids.SCHEMES`."""

    @property
    def fingerprint(self) -> str:
        """Of the whole recipe, its destination included: a second run finds the version by it."""
        last = self.steps[-1].fingerprint if self.steps else self.source_fingerprint
        target = self.pipeline.target_rows
        more: dict[str, Any] = {} if target is None else {"target_rows": target}
        if self.pipeline.mode == "append":
            more["source"] = self.source_fingerprint
        return fingerprint({"into": self.pipeline.into, "rows": last, **more})

    @property
    def license(self) -> str:
        """Licence of the rows of the source, empty where nobody states it."""
        return self.pipeline.license or self.source.license()

    @property
    def read(self) -> list[str]:
        """Versions whose rows become part of the result."""
        steps = [query for step in self.steps if not step.operator.compares for query in step.catalogs.values()]
        return list(dict.fromkeys([*self.source.reads(), *(name for query in steps for name in versions_read(query))]))

    def checkpoints(self, segment: Segment) -> str:
        """Name of the folder of a segment's checkpoints in a run of this plan."""
        if self.pipeline.mode == "append":
            return fingerprint({"source": self.source_fingerprint, "rows": segment.fingerprint})
        return segment.fingerprint

    @property
    def after(self) -> Columns:
        return self.steps[-1].after if self.steps else self.columns

    def first(self, rows: int) -> Plan:
        """The plan over the first rows of the source, with the same fingerprints and so the same ids."""
        return replace(self, pipeline=self.pipeline.model_copy(update={"limit": rows}))

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        return tuple(_segments(self.steps, self.columns))

    def calls(self) -> dict[str, CallEstimate]:
        """Expected calls by teacher over all steps, those that the ledger can answer among them."""
        total: dict[str, CallEstimate] = {}
        for step in self.steps:
            total = added(total, step.estimate.calls if step.estimate else {})
        return total


def make_plan(
    project: Project,
    name: str,
    store: StoreView,
    *,
    namespace_ids: bool = True,
    expected_rows: float | None = None,
    sampled: bool = True,
) -> Plan:
    """Plan of one pipeline. `expected_rows`: for the estimate, where the source can't count its rows. sampled: whether
    the estimate looks at the first rows of the source. Raises InputError of some kind for everything that is wrong with
    it."""
    pipeline = project.pipeline(name)
    teachers: dict[str, Teacher[Any]] = {}
    problems = Problems(pipeline.where)
    with problems.noted():
        source = make_source(pipeline.source, Context(project.root, store, pipeline.mode == "append"), pipeline.where)
        origin, counted, given = _asked(source, pipeline.source.kind, f"{pipeline.where} from")
    with problems.noted():
        check_operators(pipeline, project.root)
    make_teachers(pipeline, project, store, teachers, problems)
    problems.check()
    if pipeline.license is not None and source.reads():
        raise ProjectError(
            pipeline.where,
            f"the rows come from {', '.join(source.reads())}, and `license` is for rows that are new in the store: "
            f"leave it out, or state it there with `dqdata tag {source.reads()[0]} --license NAME`",
        )
    origins = {
        "source": pipeline.source.kind,
        "rows": origin,
        "seed": pipeline.seed,
        "namespace": source.namespace() if namespace_ids else "",
        **({} if pipeline.limit is None else {"limit": pipeline.limit}),
    }
    base = fingerprint(origins)
    if counted is not None and pipeline.limit is not None:
        counted = min(counted, pipeline.limit)

    columns, before = with_ids(given), base
    if pipeline.mode == "append":  # what a step makes of a row has the same ids whichever rows are beside it
        before = fingerprint({name: origins[name] for name in ("source", "seed", "namespace")} | {"mode": "append"})
    rows = expected_rows if counted is None else counted
    steps: list[Step] = []
    for spec in pipeline.steps:
        step = plan_step(spec, columns, before, project, teachers, store)
        check_bounded(step.operator, spec, pipeline, project, teachers)
        steps.append(step)
        columns, before = step.after, step.fingerprint
    check_bindings(pipeline.checks, columns, pipeline.where)
    planned = estimated(steps, rows, Lengths.of(source) if sampled else Lengths(), project.root) if steps else ()
    known = counted is not None
    plan = Plan(pipeline, source, with_ids(given), base, planned, teachers, rows, known, None, store.id_scheme)
    return replace(plan, made=store.find(plan.fingerprint))


def _asked(source: Source[Any], kind: str, where: str) -> tuple[str, int | None, Columns]:
    """Fingerprint, number of rows where it is known, and columns. Raises InputError of the source's own kind."""
    try:
        with boundary("source", kind):
            return source.fingerprint(), source.row_count(), _held(source.schema())
    except ProjectError:
        raise
    except InputError as error:
        raise type(error)(f"{where}: {error}") from error


def check_ready(plan: Plan, project: Project) -> None:
    """Raises what a run would end with at its first call, and a plan does not need: environment variables that are not
    set, packages that are not installed. All problems at once."""
    problems = Problems(plan.pipeline.where)
    with problems.noted():
        check_keys(project.teachers[name] for name in plan.teachers)
    for name, teacher in plan.teachers.items():
        with problems.noted():
            check_packages(teacher.requires(), project.teachers[name].where)
    for step in plan.steps:
        for operator in (step.operator, *children(step.operator, step.spec, project.root)):
            with problems.noted(), boundary("operator", operator.name):
                check_packages(operator.requires(), step.spec.where)
    problems.check()


def plan_step(
    spec: StepSpec,
    columns: Columns,
    before: str,
    project: Project,
    teachers: dict[str, Teacher[Any]],
    store: StoreView,
) -> Step:
    """One step over these columns; the teachers it names are added to `teachers`."""
    return plan_operator(make_operator(spec, project.root), spec, columns, before, project, teachers, store)


def plan_operator(
    operator: Operator[Any],
    spec: StepSpec,
    columns: Columns,
    before: str,
    project: Project,
    teachers: dict[str, Teacher[Any]],
    store: StoreView,
) -> Step:
    """The step of an operator that is there already."""
    for name in teacher_names(operator, spec, project.root):
        add_teacher(name, spec, project, store, teachers)
    check_answers(operator, spec, project.root, teachers)
    try:
        everyone = list(family(operator, spec, project.root))
        pinned = {name: store.query_columns(f"select * from {name}") for one in everyone for name in one.catalogs()}
        schema = Schema(
            {name: seen for name, (_, seen) in pinned.items()},
            {name: teachers[name].scores for one in everyone for name in one.scorers()},
            lambda name, params: make_operator(child_spec(spec, name, params), project.root),
        )
        with boundary("operator", spec.op):
            after = operator.columns(columns, schema)
        after.key  # noqa: B018  (raises where a step leaves rows without a key)
        _check_types(after, columns, spec)
    except ProjectError:
        raise
    except InputError as error:
        raise type(error)(f"{spec.where}: {error}") from error
    catalogs = {name: query for name, (query, _) in pinned.items()}
    identity = _step_fingerprint(operator, before, teachers, project.root, catalogs)
    return Step(spec, operator, columns, after, identity, catalogs, schema.planned)


def operator_identity(spec: StepSpec, project: Project, store: StoreView) -> dict[str, Any]:
    """What makes the values of an operator outside a pipeline, such as a reward: itself, its parameters, the teachers
    that it asks. Raises InputError for what a step would be refused for, but for its columns."""
    operator = make_operator(spec, project.root)
    names = dict.fromkeys(teacher_names(operator, spec, project.root))
    teachers = {name: make_teacher(teacher_table(project, name, spec), store) for name in names}
    check_answers(operator, spec, project.root, teachers)
    return _identity(operator, teachers, project.root)


def with_ids(given: Columns) -> Columns:
    """Columns once every row has its ids: `problem_id` always, `trace_id` for traces, `pair_id` for pairs."""
    ids = {"problem_id": "VARCHAR"}
    if all(name in given for name in PAIR_COLUMNS) or "pair_id" in given:
        ids["pair_id"] = "VARCHAR"
    if any(name in given for name in TRACE_COLUMNS) or "trace_id" in given:
        ids["trace_id"] = "VARCHAR"
    if not len(given):
        raise DataError("the source has no columns")
    return Columns({**ids, **{name: kind for name, kind in given.items() if name not in ids}})


def _held(given: Columns) -> Columns:
    """Columns of a source in the types that rows hold. Raises ColumnError."""
    check_names(given)
    _check_own(given)
    return Columns(stored_columns(given.items()))


def _check_own(names: Iterable[str]) -> None:
    """Raises ColumnError for names that table steps give columns of their own."""
    for name in names:
        if name.lower().startswith("dq_") or name.lower() == "file_row_number":
            raise ColumnError(f"column {name!r}: dq_... and file_row_number are names that dqdata uses; rename it")


def _check_types(after: Columns, before: Columns, spec: StepSpec) -> None:
    """An operator promises types that rows hold. Raises ColumnError."""
    check_names(after)
    _check_own(name for name in after if name not in before)
    for name, kind in after.items():
        if before.get(name) != kind and (held := stored_columns([(name, kind)])[name]) != kind:
            raise ColumnError(
                f"operator {spec.op!r} promises column {name!r} as {kind}, which rows hold as {held}: its `columns` "
                f"must promise that, and its rows must have it"
            )


def _step_fingerprint(
    operator: Operator[Any],
    before: str,
    teachers: Mapping[str, Teacher[Any]],
    root: Path,
    catalogs: Mapping[str, str],
) -> str:
    pinned = {"catalogs": sorted(catalogs.values())} if catalogs else {}
    return fingerprint({"input": before, **_identity(operator, teachers, root), **pinned})


def _identity(operator: Operator[Any], teachers: Mapping[str, Teacher[Any]], root: Path) -> dict[str, Any]:
    point = found("operators").get(operator.name)
    spec = StepSpec(op=operator.name, id="", params={}, where=operator.name)
    return {
        "operator": operator.name,
        "version": operator.version,
        "distribution": distribution(point) if point else "",
        "source": source_hash(type(operator)),
        "params": _without_paths(operator),
        **({"orders": made} if (made := orders(operator.params)) else {}),
        "files": [hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in operator.files()],
        "teachers": [teachers[name].identity for name in operator.teachers()],
        "children": [_identity(child, teachers, root) for child in children(operator, spec, root)],
    }


def _without_paths(operator: Operator[Any]) -> dict[str, Any]:
    """Parameters less names that say nothing of the result: where a file lies, what a teacher is called."""
    fields = type(operator.params).model_fields
    named = {
        n
        for n, info in fields.items()
        if any(getattr(m, "refers_to", "") in ("file", "teacher", "scorer") for m in markers(info))
    }
    return {name: value for name, value in plain(operator.params.model_dump()).items() if name not in named}


def _segments(steps: Sequence[Step], columns: Columns) -> Iterator[Segment]:
    flowing: list[Step] = []
    before = columns
    for step in steps:
        if step.sees_all:
            if flowing:
                yield Segment(tuple(flowing), before)
            yield Segment((step,), step.before)
            flowing, before = [], step.after
        else:
            flowing.append(step)
    if flowing:
        yield Segment(tuple(flowing), before)
