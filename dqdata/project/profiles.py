"""Profiles: the same project with other teachers, models and counts, in a separate store.

    [profiles.tiny]
    teachers = { r1 = "embedded" }                       # r1 is replaced by another teacher of the project
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
from dqdata.project.problems import check_known, is_table, table_of

KEYS = ("teachers", "models", "pipelines", "trainers", "evaluations")


def with_profile(tables: Mapping[str, Any], name: str, file: str) -> dict[str, Any]:
    """The project's tables with the profile laid over them. Raises ProjectError with table and nearest name."""
    profiles = table_of(tables, "profiles", file)
    if name not in profiles:
        have = ", ".join(profiles) or "none"
        raise ProjectError(file, f"no profile {name!r}{nearest(name, profiles)} (have: {have})", code="unknown-name")
    where = f"{file} [profiles.{name}]"
    profile = is_table(profiles[name], where)
    check_known(profile, KEYS, where)
    changes = {key: is_table(profile.get(key, {}), f"{where[:-1]}.{key}]") for key in KEYS}
    below = {key: table_of(tables, key, file) for key in KEYS if key != "models"}
    merged = dict(tables)
    merged["teachers"] = _teachers(below["teachers"], changes["teachers"], where)
    merged["pipelines"] = _laid_over(below["pipelines"], changes["pipelines"], f"{where[:-1]}.pipelines]", _pipeline)
    merged["trainers"] = _laid_over(below["trainers"], changes["trainers"], f"{where[:-1]}.trainers]", _keys_over)
    merged["evaluations"] = _laid_over(
        below["evaluations"], changes["evaluations"], f"{where[:-1]}.evaluations]", _keys_over
    )
    for kind in ("teachers", "trainers", "evaluations"):
        merged[kind] = {key: _renamed(body, changes["models"]) for key, body in merged[kind].items()}
    return merged


def changed_by(tables: Mapping[str, Any], profile: str, kind: str, name: str) -> str:
    """For errors about a table that the profile changes: ` with [profiles.tiny.pipelines.p]`; else nothing."""
    changes = tables.get("profiles", {}).get(profile, {}).get(kind, {}) if profile else {}
    return f" with [profiles.{profile}.{kind}.{name}]" if name in changes else ""


def _teachers(teachers: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A string replaces a teacher by another; a table changes keys."""
    merged = dict(teachers)
    for name, change in changes.items():
        if name not in teachers:
            raise ProjectError(where, f"no teacher {name!r} to stand in for{nearest(name, teachers)}")
        if isinstance(change, str):
            if change not in teachers:
                raise ProjectError(where, f"teachers.{name}: no teacher {change!r}{nearest(change, teachers)}")
            merged[name] = teachers[change]
        else:
            changed = is_table(change, f"{where[:-1]}.teachers.{name}]")
            merged[name] = _deep(is_table(teachers[name], f"[teachers.{name}]"), changed)
    return merged


def _laid_over(bodies: Mapping[str, Any], changes: Mapping[str, Any], where: str, lay: Any) -> dict[str, Any]:
    merged = dict(bodies)
    for name, change in changes.items():
        if name not in bodies:
            raise ProjectError(where, f"no {name!r} to change{nearest(name, bodies)}")
        place = f"{where[:-1]}.{name}]"
        merged[name] = lay(is_table(bodies[name], f"{where} {name}"), is_table(change, place), place)
    return merged


def _keys_over(body: Mapping[str, Any], change: Mapping[str, Any], where: str) -> dict[str, Any]:
    return _deep(body, change)


def _pipeline(body: Mapping[str, Any], change: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Keys are replaced; `steps` is a table by step id, laid over the parameters of those steps."""
    merged = {**body, **{key: value for key, value in change.items() if key != "steps"}}
    changes = is_table(change.get("steps", {}), f"{where[:-1]}.steps]")
    below = body.get("steps", [])
    if not isinstance(below, list) or not all(isinstance(step, Mapping) for step in below):
        return merged  # refused where the pipeline itself is read
    steps = []
    for step in below:
        found = step.get("id", step.get("op"))
        changed = is_table(changes.pop(found, {}), f"{where[:-1]}.steps.{found}]")
        steps.append(_deep(step, changed) if changed else step)
    if changes:
        known = [str(step.get("id", step.get("op"))) for step in below]
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
