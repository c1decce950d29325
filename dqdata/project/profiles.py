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

from collections.abc import Callable, Mapping
from typing import Any

from dqdata.errors import ProjectError, nearest
from dqdata.project.problems import Problems, check_known, is_table, table_of

KEYS = ("teachers", "models", "pipelines", "trainers", "evaluations")
Lay = Callable[[Mapping[str, Any], str, Any, str], dict[str, Any]]
"""(tables of a kind, name of one, what the profile says of it, where that stands) -> that table with it."""


def with_profile(tables: Mapping[str, Any], name: str, file: str, problems: Problems) -> dict[str, Any]:
    """The project's tables with the profile laid over them, as far as it can be; the rest is noted, with table and
    nearest name. Raises ProjectError where there is no such profile."""
    profiles = table_of(tables, "profiles", file)
    if name not in profiles:
        have = ", ".join(profiles) or "none"
        raise ProjectError(file, f"no profile {name!r}{nearest(name, profiles)} (have: {have})", code="unknown-name")
    where = f"{file} [profiles.{name}]"
    profile = is_table(profiles[name], where)
    with problems.noted():
        check_known(profile, KEYS, where)
    changes: dict[str, dict[str, Any]] = {key: {} for key in KEYS}
    for key in KEYS:
        with problems.noted():
            changes[key] = is_table(profile.get(key, {}), f"{where[:-1]}.{key}]")
    merged = dict(tables)
    for kind, lay in (("teachers", _teacher), ("pipelines", _pipeline), ("trainers", _keys), ("evaluations", _keys)):
        with problems.noted():
            below = table_of(tables, kind, file)
            merged[kind] = _laid_over(below, changes[kind], f"{where[:-1]}.{kind}]", lay, problems)
            if kind != "pipelines":
                merged[kind] = {key: _renamed(body, changes["models"]) for key, body in merged[kind].items()}
    return merged


def changed_by(tables: Mapping[str, Any], profile: str, kind: str, name: str) -> str:
    """For errors about a table that the profile changes: ` with [profiles.tiny.pipelines.p]`; else nothing."""
    changes = tables.get("profiles", {}).get(profile, {}).get(kind, {}) if profile else {}
    return f" with [profiles.{profile}.{kind}.{name}]" if name in changes else ""


def _laid_over(
    bodies: Mapping[str, Any], changes: Mapping[str, Any], where: str, lay: Lay, problems: Problems
) -> dict[str, Any]:
    """where: the table of the profile."""
    merged = dict(bodies)
    for name, change in changes.items():
        with problems.noted():
            if name not in bodies:
                raise ProjectError(where, f"no {name!r} to change{nearest(name, bodies)}", code="unknown-name")
            if isinstance(bodies[name], Mapping):  # else it is refused where it is read itself
                merged[name] = lay(bodies, name, change, f"{where[:-1]}.{name}]")
    return merged


def _teacher(teachers: Mapping[str, Any], name: str, change: Any, where: str) -> dict[str, Any]:
    """A string replaces a teacher by another; a table changes keys."""
    if not isinstance(change, str):
        return _keys(teachers, name, change, where)
    if change not in teachers:
        raise ProjectError(where, f"no teacher {change!r}{nearest(change, teachers)}", code="unknown-name")
    return is_table(teachers[change], where)


def _keys(bodies: Mapping[str, Any], name: str, change: Any, where: str) -> dict[str, Any]:
    return _deep(bodies[name], is_table(change, where))


def _pipeline(bodies: Mapping[str, Any], name: str, change: Any, where: str) -> dict[str, Any]:
    """Keys are replaced; `steps` is a table by step id, laid over the parameters of those steps."""
    body, change = bodies[name], is_table(change, where)
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
        listed = ", ".join(f"{name!r}{nearest(name, known)}" for name in changes)
        raise ProjectError(where, f"no step {listed} (steps: {', '.join(known)})", code="unknown-name")
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
