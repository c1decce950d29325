"""Plug-ins made from what pipelines.toml says: parameters checked, paths resolved, errors that name the place.

operator = make_operator(spec, project.root)
teacher = make_teacher(project.teachers["r1"])
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from dqdata.errors import PluginError, ProjectError
from dqdata.operator import Operator
from dqdata.params import markers
from dqdata.plugins import load
from dqdata.project import SourceSpec, StepSpec, TeacherTable, validated
from dqdata.source import Source, StoreView
from dqdata.teacher import Teacher


@dataclass(frozen=True)
class Context:
    """What a source sees of its surroundings."""

    root: Path
    store: StoreView


def make_operator(spec: StepSpec, root: Path) -> Operator[Any]:
    """The operator of a step with its parameters checked; files it names become absolute and must exist."""
    try:
        kind: type[Operator[Any]] = load("operators", spec.op)
    except PluginError as error:
        raise PluginError(f"{spec.where}: {error}") from error
    given = _with_files(kind.Params, spec.params, root, spec.where)
    params = validated(kind.Params, given, spec.where, "parameter")
    try:
        return kind(params)
    except ValueError as error:
        raise ProjectError(spec.where, str(error)) from error


def _with_files(model: type[BaseModel], given: Mapping[str, Any], root: Path, where: str) -> dict[str, Any]:
    """Parameters with the files they name as absolute paths, also those of tables inside them."""
    made = dict(given)
    for name, info in model.model_fields.items():
        value = made.get(name)
        if isinstance(value, str) and any(getattr(marker, "refers_to", "") == "file" for marker in markers(info)):
            made[name] = root / value
            if not made[name].is_file():
                raise ProjectError(where, f"parameter {name!r}: no file {made[name]}")
        for inner in (kind for kind in _kinds(info.annotation) if issubclass(kind, BaseModel)):
            if isinstance(value, Mapping):
                made[name] = _with_files(inner, value, root, where)
            elif isinstance(value, list | tuple):
                made[name] = [
                    _with_files(inner, one, root, where) if isinstance(one, Mapping) else one for one in value
                ]
    return made


def _kinds(annotation: Any) -> Iterator[type]:
    """Classes that an annotation names, inside `X | None`, `list[X]` and the like."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _kinds(inner)


def make_teacher(table: TeacherTable) -> Teacher[Any]:
    """The teacher of a `[teachers.NAME]` table. Raises ProjectError, also for an environment variable not set."""
    if table.missing:
        raise ProjectError(table.where, f"environment variable {table.missing[0]!r} isn't set")
    try:
        kind: type[Teacher[Any]] = load("teachers", table.provider)
    except PluginError as error:
        raise PluginError(f"{table.where}: {error}") from error
    return kind(validated(kind.Params, _with_paths(kind.Params, table.params, table.root), table.where))


def _with_paths(model: type[BaseModel], given: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Parameters with their relative paths made absolute; of what may be a name too, only those where something is."""
    made = dict(given)
    for name, info in model.model_fields.items():
        value = made.get(name, info.default)
        if isinstance(value, str | Path) and any(
            getattr(marker, "refers_to", "") == "path" for marker in markers(info)
        ):
            path = root / Path(value).expanduser()
            if Path in _kinds(info.annotation) or path.exists():
                made[name] = str(path)
    return made


def make_source(spec: SourceSpec, context: Context, where: str) -> Source[Any]:
    try:
        kind: type[Source[Any]] = load("sources", spec.kind)
    except PluginError as error:
        raise PluginError(f"{where} from: {error}") from error
    return kind(validated(kind.Params, spec.params, f"{where} from"), context)
