"""Finds the errors of a whole project before a call is made or a row is read.

    >>> problems, planned = check_project(project, store)

Pipelines are planned in the order in which they feed each other, so a pipeline that reads a catalog nobody has made yet
is checked against the columns it will have.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dqdata.columns import REJECTS, Columns
from dqdata.database import connect
from dqdata.errors import ProjectError, QueryError, boundary, nearest
from dqdata.ids import DEFAULT_SCHEME
from dqdata.project.bindings import columns_over
from dqdata.project.graph import build_order, closure, reads, tables_in
from dqdata.project.instances import make_trainer
from dqdata.project.pipeline_table import Pipeline
from dqdata.project.plan import Plan, check_ready, make_plan
from dqdata.project.problems import Problems
from dqdata.project.tables import Project, TrainerTable
from dqdata.refs import REJECTS_SUFFIX
from dqdata.source import StoreView, TrainedModel
from dqdata.sql import check_select

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

TrainerCheck = Callable[[TrainerTable, StoreView], None]
"""What sees to a trainer's table; training lies above, so it is handed in."""


class Problem(str):
    """What is wrong, with its stable code."""

    code: str

    def __new__(cls, text: str, code: str) -> Problem:
        made = super().__new__(cls, text)
        made.code = code
        return made


def check_project(
    project: Project,
    store: StoreView,
    names: Sequence[str] = (),
    check_trainer: TrainerCheck | None = None,
    *,
    ready: bool = True,
) -> tuple[list[Problem], list[str]]:
    """(problems, what was checked). `names`: pipelines or trainers, by default all; what they read is planned too,
    and what reads a catalog that a wrong pipeline is to make is not: its columns are unknown.
    check_trainer: raises InputError for a trainer's table; without it trainers only take their place in the order.
    ready: also what a run needs and a plan does not (`check_ready`)."""
    wanted = list(names) or [*project.pipelines, *project.trainers]
    for name in wanted:
        if name not in project.trainers:
            project.pipeline(name)
    needed = closure(project, wanted)
    problems = Problems(project.path.name)
    with problems.noted():
        check_distinct(project)
    order: list[str] = []
    with problems.noted():
        order = [name for name in build_order(project) if name in needed]
    unmade = PlannedStore(store, {}, project)
    wrong: set[str] = set()
    for name in order:
        if _unknown(wrong.intersection(reads(project, name)), project, store):
            wrong.add(name)
            continue
        wrong.add(name)
        with problems.noted():
            if name in project.pipelines:
                plan = make_plan(project, name, unmade, sampled=False)
                unmade.add(plan)
                wrong.discard(name)
                if ready:
                    check_ready(plan, project)
            elif check_trainer is not None:
                check_trainer(project.trainers[name], unmade)
    return [Problem(str(one), one.code) for one in problems.found], order


def check_distinct(project: Project) -> None:
    """Raises ProjectError for a name that is a pipeline's and a trainer's: `build` could not tell which is meant."""
    if both := sorted(project.pipelines.keys() & project.trainers.keys()):
        raise ProjectError(project.path.name, f"{both[0]!r} is a pipeline and a trainer; give one another name")


def _unknown(names: Iterable[str], project: Project, store: StoreView) -> bool:
    """Whether a catalog of these pipelines is not there, so that nobody knows its columns."""
    return any(name in project.pipelines and store.latest(project.pipelines[name].into) is None for name in names)


def plans_ahead(project: Project, names: Sequence[str], store: StoreView) -> dict[str, Plan]:
    """Plans of pipelines and of all pipelines that they depend on, in the order in which they feed each other. Where
    one has not run yet, the rows that it is expected to make are taken for those that are read from it."""
    for name in names:
        if name not in project.trainers:
            project.pipeline(name)
    unmade = PlannedStore(store, {}, project)
    rows: dict[str, float] = {}
    needed = closure(project, names)
    plans: dict[str, Plan] = {}
    for name in build_order(project):
        if name not in needed or name not in project.pipelines:
            continue
        pipeline = project.pipelines[name]
        plan = make_plan(project, name, unmade, expected_rows=_expected_rows(pipeline, rows, store))
        plans[name] = plan
        if store.latest(pipeline.into) is None:
            unmade.add(plan)
            last = plan.steps[-1].estimate if plan.steps else None
            if (left := last.rows if last else plan.rows) is not None:
                rows[pipeline.into] = min(left, pipeline.target_rows or left)
    return plans


def _expected_rows(pipeline: Pipeline, expected: Mapping[str, float], store: StoreView) -> float | None:
    """Rows of the catalogs that a pipeline's query reads, those that are still to be made included; None where one of
    them is unknown."""
    total = 0.0
    for table in (tables := tables_in(str(pipeline.source.params.get("query", "")))):
        if table in expected:
            total += expected[table]
        elif (version := store.latest(table)) is not None:
            total += store.row_count(table, version)
        else:
            return None
    return total if tables else None


KEPT_ROWS = 1000
"""Rows of an answer that is kept."""


@dataclass
class PlannedStore:
    """A StoreView that also knows the columns of catalogs that are planned and not made, and the models that trainers
    of the project are to make."""

    store: StoreView
    planned: dict[str, Columns]
    project: Project
    answers: dict[str, pa.Table] = field(default_factory=dict)
    """Small ones, of queries that were asked before: pipelines over one catalog ask for the same counts."""
    pinned: dict[str, tuple[str, Columns]] = field(default_factory=dict)
    """What `query_columns` answered, of catalogs that are made."""

    @property
    def id_scheme(self) -> str:
        return self.store.id_scheme

    def add(self, plan: Plan) -> None:
        self.planned[plan.pipeline.into] = plan.after
        self.planned[plan.pipeline.into + REJECTS_SUFFIX] = REJECTS

    def latest(self, catalog: str) -> int | None:
        return self.store.latest(catalog)

    def schema(self, catalog: str, version: int) -> Columns:
        return self.store.schema(catalog, version)

    def row_count(self, catalog: str, version: int) -> int:
        return self.store.row_count(catalog, version)

    def find(self, fingerprint: str) -> tuple[str, int] | None:
        return self.store.find(fingerprint)

    def trained(self, name: str | None = None) -> list[TrainedModel]:
        found = list(self.store.trained(name))
        if not found and name is not None and name in self.project.trainers:
            trainer = make_trainer(self.project.trainers[name], self.project.root)
            with boundary("trainer", self.project.trainers[name].kind):
                found.append(TrainedModel(name, 0, None, trainer.scores()))
        return found

    def connect(self) -> duckdb.DuckDBPyConnection:
        return self.store.connect()

    def query(self, sql: str, *, repeatable: bool = False) -> pa.RecordBatchReader:
        import pyarrow as pa

        if sql in self.answers:
            return self.answers[sql].to_reader()
        reader = self.store.query(sql, repeatable=repeatable)
        batches: list[pa.RecordBatch] = []
        for batch in reader:
            batches.append(batch)
            if sum(one.num_rows for one in batches) > KEPT_ROWS:
                return pa.RecordBatchReader.from_batches(reader.schema, itertools.chain(batches, reader))
        self.answers[sql] = pa.Table.from_batches(batches, reader.schema)
        return self.answers[sql].to_reader()

    def query_columns(self, sql: str) -> tuple[str, Columns]:
        """Columns of the query, by empty tables where one of its catalogs is only planned."""
        tables = tables_in(sql)
        if not any(name in self.planned for name in tables):
            if sql not in self.pinned:
                self.pinned[sql] = self.store.query_columns(sql)
            return self.pinned[sql]
        return sql, columns_over(sql, {name: self._columns(name) for name in tables})

    def _columns(self, name: str) -> Columns:
        if name in self.planned:
            return self.planned[name]
        version = self.store.latest(name)
        if version is None:
            raise QueryError(f"no catalog {name!r}{nearest(name, self.planned)}", code="unknown-catalog")
        return self.store.schema(name, version)


class NoStore:
    """The StoreView of a project that has never run."""

    id_scheme = DEFAULT_SCHEME

    def latest(self, catalog: str) -> int | None:
        return None

    def schema(self, catalog: str, version: int) -> Columns:
        raise QueryError(f"no catalog {catalog!r}: nothing was run or imported yet", code="unknown-catalog")

    def row_count(self, catalog: str, version: int) -> int:
        raise QueryError(f"no catalog {catalog!r}: nothing was run or imported yet", code="unknown-catalog")

    def find(self, fingerprint: str) -> tuple[str, int] | None:
        return None

    def trained(self, name: str | None = None) -> list[TrainedModel]:
        return []

    def query_columns(self, sql: str) -> tuple[str, Columns]:
        tables = tables_in(sql)
        if tables:
            raise QueryError(f"no catalog {sorted(tables)[0]!r}: nothing was run or imported yet")
        return sql, columns_over(sql, {})

    def connect(self) -> duckdb.DuckDBPyConnection:
        return connect()

    def query(self, sql: str, *, repeatable: bool = False) -> pa.RecordBatchReader:
        import duckdb

        if tables := tables_in(sql):
            raise QueryError(f"no catalog {sorted(tables)[0]!r}: nothing was run or imported yet")
        con = connect()
        check_select(con, sql)
        try:
            return con.sql(sql).to_arrow_reader()
        except duckdb.Error as error:
            raise QueryError(str(error)) from error
