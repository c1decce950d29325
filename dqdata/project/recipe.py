"""The recipe of a version: how it was made, with prompt texts and library versions.

select recipe->'steps'->0->'prompts' from dq_versions where catalog = 'slow_traces' and version = 2
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dqdata.operator import Operator
from dqdata.plugins import distribution, found, source_hash
from dqdata.project.instances import children
from dqdata.project.pipeline_table import StepSpec
from dqdata.project.plan import Plan
from dqdata.project.tables import plain
from dqdata.sql import versions_read

LIBRARIES = ("dqdata", "duckdb", "polars", "pyarrow", "openai", "sympy", "torch", "transformers", "trl", "vllm")
"""Distributions whose results can be in the rows."""


def recipe(plan: Plan, root: Path, source_rows: int | None = None) -> dict[str, Any]:
    """The plan as JSON, with no secret in it. root: folder of pipelines.toml. source_rows: how many rows of the source
    a run with `target_rows` took."""
    target = plan.pipeline.target_rows
    return {
        "pipeline": plan.pipeline.name,
        "source": {"kind": plan.pipeline.source.kind, "params": plain(plan.source.params.model_dump())},
        "source_fingerprint": plan.source_fingerprint,
        "license": plan.license,
        "inputs": list(plan.source.reads()),
        "seed": plan.pipeline.seed,
        "limit": plan.pipeline.limit,
        **({} if target is None else {"target_rows": target, "source_rows": source_rows}),
        "mode": plan.pipeline.mode,
        "versions": versions(),
        "teachers": {
            name: {"provider": t.provider, "model": t.model, "revision": t.revision}
            for name, t in plan.teachers.items()
        },
        "steps": [
            {
                "id": step.spec.id,
                "op": step.spec.op,
                "version": step.operator.version,
                "params": plain(step.operator.params.model_dump()),
                "prompts": _named(_prompts(step.operator, step.spec, root)),
                "inputs": sorted({name for query in step.catalogs.values() for name in versions_read(query)}),
                "compares": step.operator.compares,
                "code": code(step.operator, step.spec, root),
                "fingerprint": step.fingerprint,
            }
            for step in plan.steps
        ],
    }


def code(operator: Operator[Any], spec: StepSpec, root: Path) -> dict[str, str]:
    """Operator, and those it binds, to the distribution that has it and the hash of its source."""
    point = found("operators").get(operator.name)
    known = {operator.name: f"{distribution(point) if point else 'no distribution'}, {source_hash(type(operator))}"}
    for child in children(operator, spec, root):
        known |= code(child, spec, root)
    return known


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that are installed here."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _named(prompts: Iterable[tuple[Path, str]]) -> dict[str, str]:
    """Texts by the names of their files; of another file of a name that is taken, with as many of its folders as tell
    it apart."""
    named: dict[str, str] = {}
    for path, text in prompts:
        names = ("/".join(path.parts[-depth:]) for depth in range(1, len(path.parts) + 1))
        next(name for name in names if named.setdefault(name, text) == text)
    return named


def _prompts(operator: Operator[Any], spec: StepSpec, root: Path) -> Iterator[tuple[Path, str]]:
    """File and text of every prompt that the operator, and those it binds, use."""
    for path in operator.files():
        yield path, path.read_text(encoding="utf-8", errors="replace")
    for child in children(operator, spec, root):
        yield from _prompts(child, spec, root)
