"""`[pipelines.NAME]`: where the rows come from, and the steps, as typed models. Parameters of plug-ins stay as written.

>>> source_of("traces@3", "").params
{'query': 'select * from traces@3'}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dqdata.errors import InputError, ProjectError
from dqdata.params import Params
from dqdata.project.paths import check_names
from dqdata.project.pipeline_keys import PipelineKeys
from dqdata.project.problems import Problems, is_table, validated
from dqdata.refs import FIRST_SUFFIX, as_query, catalog_ref, check_name

FROM, STEPS = "from", "steps"
"""Keys of a pipeline's table that hold what plug-ins do; the others are those of PipelineKeys."""


class SourceSpec(Params):
    """What `from` names: a source plug-in and its parameters."""

    kind: str
    params: Mapping[str, Any]


class StepSpec(Params):
    op: str
    id: str
    """Name of the step in rejects, errors and profiles; the operator's name where none is given."""
    params: Mapping[str, Any]
    where: str
    """`pipelines.toml [pipelines.x] step 2 (dedup)`: where errors about it point."""


class Pipeline(PipelineKeys):
    name: str
    source: SourceSpec
    steps: tuple[StepSpec, ...]
    where: str
    limit: int | None = None
    """Rows of the source that a run with --limit takes."""


def pipeline_of(name: str, body: dict[str, Any], where: str) -> Pipeline:
    """A pipeline's table. Raises ProjectError, one with all that is wrong."""
    problems = Problems(where)
    source, keys = None, None
    with problems.noted():
        source = from_of(body, where)
    with problems.noted():
        keys = keys_of(name, body, where)
    specs = steps_of(body, where, problems)
    problems.check()
    assert source is not None and keys is not None
    return Pipeline(**dict(keys), name=name, source=source, steps=specs, where=where)


def source_of(value: Any, where: str) -> SourceSpec:
    """What `from` means: SQL, a catalog (`name@3`), `hf:NAME`, a file or glob, or a table `{ source = "gym", ... }`."""
    if isinstance(value, Mapping):
        body = dict(value)
        kind = body.pop("source", None)
        if not isinstance(kind, str):
            raise ProjectError(where, "`from` as a table needs the key `source`, such as { source = 'gym', ... }")
        return SourceSpec(kind=kind, params=body)
    if isinstance(value, list):
        return SourceSpec(kind="files", params={"path": value})
    if not isinstance(value, str) or not value.strip():
        raise ProjectError(where, f"`from` must be SQL, a catalog, a file or a table, got {value!r}")
    text = value.strip()
    if re.match(r"(select|with|from)\s", text, re.IGNORECASE):
        return SourceSpec(kind="sql", params={"query": text})
    if text == "hf:":
        raise ProjectError(where, "`from` = 'hf:' names no data set of the hub; write hf:OWNER/NAME")
    if text.startswith("hf:"):
        return SourceSpec(kind="datasets", params={"name": text[3:]})
    if catalog_ref(text):
        return SourceSpec(kind="sql", params={"query": as_query(text)})
    return SourceSpec(kind="files", params={"path": text})


def keys_of(name: str, body: Mapping[str, Any], where: str) -> PipelineKeys:
    """The keys of a pipeline's table beside those that plug-ins read. Raises ProjectError."""
    given = {key: value for key, value in body.items() if key not in (FROM, STEPS)}
    keys = validated(PipelineKeys, {"into": name, **given}, where, also=(FROM, STEPS))
    if keys.mode == "append" and keys.target_rows is not None:
        raise ProjectError(
            where, 'mode = "append" processes the whole source, and target_rows a part of it: leave one of them out'
        )
    try:
        check_name(keys.into)
        if FIRST_SUFFIX in keys.into:
            raise InputError(
                f"{keys.into!r} is no name for a catalog: ...{FIRST_SUFFIX}N is made by `dqdata run --limit N`"
            )
    except InputError as error:
        raise ProjectError(where, f"into = {error}") from None
    return keys


def from_of(body: Mapping[str, Any], where: str) -> SourceSpec:
    """The source of a pipeline's table. Raises ProjectError."""
    if FROM not in body:
        raise ProjectError(where, "key 'from' is missing: where do the rows come from?", code="missing-key")
    return source_of(body[FROM], where)


def steps_of(body: Mapping[str, Any], where: str, problems: Problems) -> tuple[StepSpec, ...]:
    """The steps of a pipeline's table that can be read; the others are noted."""
    steps = body.get(STEPS, [])
    if not isinstance(steps, list):
        problems.add(ProjectError(where, f"`steps` must be a list of tables, got {steps!r}"))
        return ()
    specs: list[StepSpec] = []
    for number, step in enumerate(steps, 1):
        with problems.noted():
            specs.append(_step(step, number, {spec.id for spec in specs}, where))
    return tuple(specs)


def _step(step: Any, number: int, taken: set[str], where: str) -> StepSpec:
    body = is_table(step, f"{where} step {number}")
    op = body.pop("op", None)
    if not isinstance(op, str):
        raise ProjectError(f"{where} step {number}", "key 'op' is missing: which operator?", code="missing-key")
    label = f"{where} step {number} ({op})"
    given = body.pop("id", None)
    if given is not None and not isinstance(given, str):
        raise ProjectError(label, f"key 'id' must be a text, got {given!r}", code="invalid-value")
    if given in taken:
        raise ProjectError(label, f"id {given!r} is taken by an earlier step")
    step_id = str(given or (op if op not in taken else f"{op}_{number}"))
    check_names("step id", [step_id], where)
    return StepSpec(op=op, id=step_id, params=body, where=label)
