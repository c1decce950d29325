"""Profiles: the same project with other teachers, models and counts, in a separate store.

    [profiles.tiny]
    teachers = { r1 = "embedded" }                       # r1 stands for another teacher of the project
    models = { "Qwen/Qwen2.5-7B-Instruct" = "smollm2-135m" }

    [profiles.tiny.pipelines.slow_thinking]
    from = { source = "problems", rows = 40 }
    steps.generate.n = 2                                 # steps.ID.parameter

    [profiles.tiny.trainers.slow_sft]
    args.max_steps = 10

`dqdata run slow_thinking --profile tiny` writes below `profiles/tiny/` of the store, so a trial never becomes `@latest`
of the real thing; the ledger is shared, so nothing is paid twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dqdata.errors import ProjectError, nearest

KEYS = ("teachers", "models", "pipelines", "trainers")


def with_profile(tables: Mapping[str, Any], name: str, file: str) -> dict[str, Any]:
    """The project's tables with the profile laid over them. Raises ProjectError with table and nearest name."""
    profiles = tables.get("profiles", {})
    if name not in profiles:
        have = ", ".join(profiles) or "none"
        raise ProjectError(file, f"no profile {name!r}{nearest(name, profiles)} (have: {have})")
    profile, where = profiles[name], f"{file} [profiles.{name}]"
    for key in profile:
        if key not in KEYS:
            raise ProjectError(where, f"unknown key {key!r}{nearest(key, KEYS)} (known: {', '.join(KEYS)})")
    merged = dict(tables)
    merged["teachers"] = _teachers(tables.get("teachers", {}), profile.get("teachers", {}), where)
    merged["pipelines"] = _laid_over(
        tables.get("pipelines", {}), profile.get("pipelines", {}), f"{where[:-1]}.pipelines]", _pipeline
    )
    merged["trainers"] = _laid_over(
        tables.get("trainers", {}), profile.get("trainers", {}), f"{where[:-1]}.trainers]", _trainer
    )
    models = profile.get("models", {})
    for kind in ("teachers", "trainers"):
        merged[kind] = {key: _renamed(body, models) for key, body in merged[kind].items()}
    return merged


def _teachers(teachers: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A string stands one teacher in for another; a table changes keys."""
    merged = dict(teachers)
    for name, change in changes.items():
        if name not in teachers:
            raise ProjectError(where, f"no teacher {name!r} to stand in for{nearest(name, teachers)}")
        if isinstance(change, str):
            if change not in teachers:
                raise ProjectError(where, f"teachers.{name}: no teacher {change!r}{nearest(change, teachers)}")
            merged[name] = teachers[change]
        else:
            merged[name] = _deep(teachers[name], change)
    return merged


def _laid_over(bodies: Mapping[str, Any], changes: Mapping[str, Any], where: str, lay: Any) -> dict[str, Any]:
    merged = dict(bodies)
    for name, change in changes.items():
        if name not in bodies:
            raise ProjectError(where, f"no {name!r} to change{nearest(name, bodies)}")
        merged[name] = lay(bodies[name], change, f"{where[:-1]}.{name}]")
    return merged


def _trainer(body: Mapping[str, Any], change: Mapping[str, Any], where: str) -> dict[str, Any]:
    return _deep(body, change)


def _pipeline(body: Mapping[str, Any], change: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Keys are replaced; `steps` is a table by step id, laid over the parameters of those steps."""
    merged = {**body, **{key: value for key, value in change.items() if key != "steps"}}
    changes = dict(change.get("steps", {}))
    steps = []
    for step in body.get("steps", []):
        found = step.get("id", step.get("op"))
        steps.append(_deep(step, changes.pop(found)) if found in changes else step)
    if changes:
        known = [str(step.get("id", step.get("op"))) for step in body.get("steps", [])]
        name = next(iter(changes))
        raise ProjectError(where, f"no step {name!r}{nearest(name, known)} (steps: {', '.join(known)})")
    return {**merged, "steps": steps} if steps else merged


def _deep(body: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(body)
    for key, value in change.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping) and "source" not in value
        merged[key] = _deep(old, value) if both and isinstance(old, Mapping) else value
    return merged


def _renamed(value: Any, models: Mapping[str, str]) -> Any:
    """Model names replaced wherever a teacher or trainer says one."""
    if isinstance(value, Mapping):
        return {key: _renamed(inner, models) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, models) for inner in value]
    return models.get(value, value) if isinstance(value, str) else value
