"""Dependency graph of pipelines and trainers, from the catalogs and models that they read.

    >>> build_order(project)
    ['problems', 'slow_traces', 'slow_thinking', 'slow_sft']

A read of a fixed version (`problems@3`, `trained:slow_sft@2`) is an edge for those who look for cycles, and none for
those who build: that version is there or it isn't. Whoever reads an earlier version of what it makes waits for nobody.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from dqdata.errors import ProjectError
from dqdata.project.tables import EVALUATE, Project, TrainerTable
from dqdata.refs import as_query, catalog_ref, models_in, owner
from dqdata.sql import base_tables, parsed, quote_refs


def build_order(project: Project) -> list[str]:
    """Pipelines and trainers, each after what it reads. Raises ProjectError where they wait for each other."""
    graph = {name: set(reads(project, name)) for name in [*project.pipelines, *project.trainers]}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(str(name) for name in error.args[1])
        raise ProjectError(project.path.name, f"a cycle: {circle}; one of them must read something else") from None


def closure(project: Project, names: Sequence[str], *, fixed: bool = True) -> set[str]:
    """The names and all their dependencies; without `fixed`, not what they read in a fixed version."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += reads(project, name, fixed=fixed)
    return found


def reads(project: Project, name: str, *, fixed: bool = True) -> list[str]:
    """Pipelines and trainers that this one reads catalogs or models of, each once. fixed: reads of a fixed version,
    such as `problems@3`, count too."""
    queries: list[str] = []
    models: list[str] = []
    if name in project.pipelines:
        pipeline = project.pipelines[name]
        query = pipeline.source.params.get("query")
        queries += [str(query)] if query is not None else []
        for step in pipeline.steps:
            queries += [as_query(catalog) for catalog in _catalogs(step.params)]
            models += _models(project, step.params)
    else:
        trainer = project.trainers[name]
        queries += [as_query(text) for text in (*trainer.data.values(), *_questions(trainer))]
        models += _texts(trainer.params)
        for reward in trainer.params.get("rewards") or ():
            models += _models(project, reward.get("params") if isinstance(reward, Mapping) else None)

    makers = {pipeline.into: pipeline.name for pipeline in project.pipelines.values()}
    made = project.pipelines[name].into if name in project.pipelines else name
    found = [
        makers.get(owner(table))
        for query in queries
        for table in sorted(tables_in(query, fixed=fixed))
        if owner(table) != made or table in tables_in(query, fixed=False)
    ]
    found += [ref.name for text in models for ref in models_in(text) if not ref.fixed or (fixed and ref.name != made)]
    known = {*project.pipelines, *project.trainers}
    return list(dict.fromkeys(one for one in found if one in known))


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


def _models(project: Project, params: Any) -> Iterator[str]:
    """Texts of an operator's parameters, with those of the teachers that it names: models are among them."""
    for text in _texts(params):
        yield text
        if text in project.teachers:
            yield from _texts(project.teachers[text].params)


def _texts(params: Any) -> Iterator[str]:
    """Every text in a table and the tables inside it: models are named under many keys."""
    if isinstance(params, str):
        yield params
    elif isinstance(params, Mapping | list | tuple):
        for value in params.values() if isinstance(params, Mapping) else params:
            yield from _texts(value)


@functools.lru_cache(maxsize=4096)
def tables_in(query: str, *, fixed: bool = True) -> frozenset[str]:
    """Names of the tables that SQL reads, without versions and CTEs; empty if it cannot be parsed. fixed: tables of a
    fixed version, such as `problems@3`, count too."""
    names = [str(node["table_name"]) for node in base_tables(parsed(quote_refs(query)[0]))] if query else []
    refs = [catalog_ref(name) for name in names]
    return frozenset(
        (ref.name if ref else name).lower()
        for name, ref in zip(names, refs, strict=True)
        if fixed or ref is None or not ref.fixed
    )
