"""Keys of a trainer's table on the command line: `dqdata train slow_sft args.learning_rate=1e-5 lora.r=8`.

    project = overridden(project, "slow_sft", ["args.learning_rate=1e-5"])

A value is TOML; what is no TOML is a text. The recipe that is recorded holds the keys as they were used.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from dqdata.errors import ProjectError
from dqdata.project.tables import Project


def overridden(project: Project, name: str, given: Sequence[str]) -> Project:
    """The project with those keys of `[trainers.NAME]` set. Raises ProjectError for a text that isn't KEY=VALUE, a part
    of a key that is no table, and `kind`."""
    table = project.trainer(name)
    params: dict[str, Any] = dict(table.params)
    data = dict(table.data)
    for text in given:
        key, equals, value = text.partition("=")
        path = key.strip().split(".")
        where = f"{table.where} {text!r}"
        if not equals or not all(path):
            raise ProjectError(where, "isn't KEY=VALUE, such as args.learning_rate=1e-5")
        if path == ["kind"]:
            raise ProjectError(where, "`kind` can't be set here: write another table")
        if path[0] == "data":
            if len(path) > 2:
                raise ProjectError(where, "data has one level: data.train=... or data.eval=...")
            data[path[1] if len(path) == 2 else "train"] = str(_value(value))
            continue
        params = _set(params, path, _value(value), where)
    changed = table.model_copy(update={"params": params, "data": data})
    return project.model_copy(update={"trainers": {**project.trainers, name: changed}})


def _set(table: Mapping[str, Any], path: Sequence[str], value: Any, where: str) -> dict[str, Any]:
    if len(path) == 1:
        return {**table, path[0]: value}
    inner = table.get(path[0], {})
    if not isinstance(inner, Mapping):
        raise ProjectError(where, f"{path[0]!r} is no table but {inner!r}")
    return {**table, path[0]: _set(inner, path[1:], value, where)}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()
