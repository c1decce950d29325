"""Finds what is wrong in a whole project before a call is made or a row is read.

    >>> problems, planned = check_project(project, store)

Pipelines are planned in the order in which they feed each other, so a pipeline that reads a catalog nobody has made yet
is checked against the columns it will have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from dqdata.columns import Columns
from dqdata.errors import InputError, ProjectError, QueryError, nearest
from dqdata.plan import Plan, make_plan
from dqdata.project import REFERENCE, Pipeline, Project, TrainerTable
from dqdata.source import StoreView

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

PIN = re.compile(r"(?<=[\w\"])@(\d+|latest)\b")
EVALUATE = "evaluate"
"""Key of a trainer's table that is the training's own, not the trainer's."""
TRAINED = re.compile(r"trained:([A-Za-z0-9_-]+)")
TrainerCheck = Callable[[TrainerTable, StoreView], None]
"""What sees to a trainer's table; training lies above, so it is handed in."""


def check_project(
    project: Project, store: StoreView, names: Sequence[str] = (), check_trainer: TrainerCheck | None = None
) -> tuple[list[str], list[str]]:
    """(problems, what was checked). `names`: pipelines or trainers, by default all; what they read is planned too.
    check_trainer: raises InputError for a trainer's table; without it trainers only take their place in the order."""
    wanted = list(names) or [*project.pipelines, *project.trainers]
    for name in wanted:
        if name not in project.trainers:
            project.pipeline(name)
    order = build_order(project)
    needed = _closure(project, wanted)
    problems: list[str] = []
    unmade = Unmade(store, {})
    for name in order:
        if name not in needed:
            continue
        try:
            if name in project.pipelines:
                plan = make_plan(project, name, unmade)
                unmade.planned[plan.pipeline.into] = plan.after
            elif check_trainer is not None:
                check_trainer(project.trainers[name], unmade)
        except InputError as error:
            problems.append(str(error))
    return problems, [name for name in order if name in needed]


def plan_ahead(project: Project, name: str, store: StoreView) -> Plan:
    """The plan of one pipeline, where those that feed it may not have run yet: then their expected rows, all of them,
    are taken for its own."""
    project.pipeline(name)
    unmade = Unmade(store, {})
    rows: dict[str, float] = {}
    needed = _closure(project, [name])
    for feeder in build_order(project):
        if feeder not in needed or feeder not in project.pipelines:
            continue
        pipeline = project.pipelines[feeder]
        sources = tables_in(str(pipeline.source.params.get("query", "")))
        expected = sum(rows[table] for table in sources) if sources and sources <= rows.keys() else None
        plan = make_plan(project, feeder, unmade, expected_rows=expected)
        if feeder == name:
            return plan
        if store.latest(pipeline.into) is None:
            unmade.planned[pipeline.into] = plan.after
            last = plan.steps[-1].estimate if plan.steps else None
            if (left := last.rows if last else plan.rows) is not None:
                rows[pipeline.into] = left
    raise AssertionError(f"{name} is in its own build order")


def build_order(project: Project) -> list[str]:
    """Pipelines and trainers, each after what it reads. Raises ProjectError where they wait for each other."""
    graph = {name: set(_reads(project, name)) for name in [*project.pipelines, *project.trainers]}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(str(name) for name in error.args[1])
        raise ProjectError(project.path.name, f"a cycle: {circle}; one of them must read something else") from None


def _closure(project: Project, names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += _reads(project, name)
    return found


def _reads(project: Project, name: str) -> Iterator[str]:
    """Pipelines and trainers that this one reads catalogs or models of."""
    makers = {pipeline.into: pipeline.name for pipeline in project.pipelines.values()}
    texts: list[str] = []
    if name in project.pipelines:
        pipeline = project.pipelines[name]
        query = pipeline.source.params.get("query")
        texts += [str(query)] if query is not None else []
        texts += [_as_query(name) for step in pipeline.steps for name in _catalogs(step.params)]
        models = [str(project.teachers[t].params.get("model", "")) for t in _teachers(pipeline, project)]
    else:
        trainer = project.trainers[name]
        texts += [_as_query(text) for text in (*trainer.data.values(), *_questions(trainer))]
        models = list(_texts(trainer.params))
    for text in texts:
        yield from (makers[table] for table in tables_in(text) if table in makers)
    for model in models:
        yield from (found for found in TRAINED.findall(model) if found in project.trainers)


def _teachers(pipeline: Pipeline, project: Project) -> Iterator[str]:
    for step in pipeline.steps:
        for value in step.params.values():
            for name in value if isinstance(value, list) else [value]:
                if isinstance(name, str) and name in project.teachers:
                    yield name


def _questions(trainer: TrainerTable) -> list[str]:
    """What the trainer is evaluated on, as it is written."""
    evaluate = trainer.params.get(EVALUATE)
    return [str(evaluate["data"])] if isinstance(evaluate, Mapping) and "data" in evaluate else []


def _catalogs(params: Any) -> Iterator[str]:
    """What steps name as `catalog`, also inside tables."""
    if isinstance(params, Mapping):
        if isinstance(params.get("catalog"), str):
            yield params["catalog"]
        for value in params.values():
            yield from _catalogs(value)
    elif isinstance(params, list | tuple):
        for value in params:
            yield from _catalogs(value)


def _texts(params: Any) -> Iterator[str]:
    """Every text in a table and the tables inside it: models are named under many keys."""
    if isinstance(params, str):
        yield params
    elif isinstance(params, Mapping | list | tuple):
        for value in params.values() if isinstance(params, Mapping) else params:
            yield from _texts(value)


def _as_query(text: str) -> str:
    return f"select * from {text}" if REFERENCE.fullmatch(text.strip()) else text


def tables_in(query: str) -> set[str]:
    """Names of the tables that SQL reads, without versions and CTEs; empty where it can't be parsed."""
    import duckdb

    if not query:
        return set()
    with duckdb.connect() as con:
        found = con.execute("select json_serialize_sql($1)", [PIN.sub("", query)]).fetchone()
    assert found is not None
    read: set[str] = set()
    ctes: set[str] = set()
    todo: list[Any] = [json.loads(found[0])]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                read.add(str(node["table_name"]).lower())
            ctes |= {str(entry["key"]).lower() for entry in (node.get("cte_map") or {}).get("map", [])}
            todo += node.values()
        elif isinstance(node, list):
            todo += node
    return read - ctes


@dataclass
class Unmade:
    """A StoreView that also knows the columns of catalogs that are planned and not made."""

    store: StoreView
    planned: dict[str, Columns]

    def latest(self, catalog: str) -> int | None:
        return self.store.latest(catalog)

    def schema(self, catalog: str, version: int) -> Columns:
        return self.store.schema(catalog, version)

    def row_count(self, catalog: str, version: int) -> int:
        return self.store.row_count(catalog, version)

    def find(self, fingerprint: str) -> tuple[str, int] | None:
        return self.store.find(fingerprint)

    def connect(self) -> duckdb.DuckDBPyConnection:
        return self.store.connect()

    def query(self, sql: str, *, repeatable: bool = False) -> pa.RecordBatchReader:
        return self.store.query(sql, repeatable=repeatable)

    def query_columns(self, sql: str) -> tuple[str, Columns]:
        """Columns of the query, by empty tables where one of its catalogs is only planned."""
        tables = tables_in(sql)
        if not any(name in self.planned for name in tables):
            return self.store.query_columns(sql)
        return sql, columns_over(sql, {name: self._columns(name) for name in tables})

    def _columns(self, name: str) -> Columns:
        if name in self.planned:
            return self.planned[name]
        version = self.store.latest(name)
        if version is None:
            raise QueryError(f"no catalog {name!r}{nearest(name, self.planned)}")
        return self.store.schema(name, version)


def columns_over(sql: str, tables: Mapping[str, Columns]) -> Columns:
    """What a query gives over empty tables of these columns. Raises QueryError."""
    import duckdb

    with duckdb.connect() as con:
        for name, columns in tables.items():
            fields = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
            con.execute(f'create table "{name}" ({fields})')
        try:
            described = con.execute(f"describe {PIN.sub('', sql)}").fetchall()
        except duckdb.Error as error:
            raise QueryError(f"{error} in: {sql}") from error
    return Columns({str(row[0]): str(row[1]) for row in described})


class NoStore:
    """The StoreView of a project that has never run."""

    def latest(self, catalog: str) -> int | None:
        return None

    def schema(self, catalog: str, version: int) -> Columns:
        raise QueryError(f"no catalog {catalog!r}: nothing was run or imported yet")

    def row_count(self, catalog: str, version: int) -> int:
        raise QueryError(f"no catalog {catalog!r}: nothing was run or imported yet")

    def find(self, fingerprint: str) -> tuple[str, int] | None:
        return None

    def query_columns(self, sql: str) -> tuple[str, Columns]:
        tables = tables_in(sql)
        if tables:
            raise QueryError(f"no catalog {sorted(tables)[0]!r}: nothing was run or imported yet")
        return sql, columns_over(sql, {})

    def connect(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        return duckdb.connect()

    def query(self, sql: str, *, repeatable: bool = False) -> pa.RecordBatchReader:
        return self.connect().sql(sql).to_arrow_reader()
