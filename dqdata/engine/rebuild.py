"""Remakes a version from its recipe and the ledger, and says whether every row is the same.

    rebuilt = rebuild(project, store, "traces", 3)
    rebuilt.comparison.equal, rebuilt.missing, rebuilt.causes

The recipe of the version decides, not what pipelines.toml says today: source, inputs in the versions that were read,
seed, steps, parameters and the texts of prompts. From the project come the teachers of the recipe's names, where they
are still the same model; otherwise the recorded answers stand alone. Nothing is committed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TextIO

from pydantic import BaseModel

from dqdata.engine.replay import Comparison, compare, replay, version_table
from dqdata.errors import InputError, QueryError
from dqdata.history.causes import Cause, causes
from dqdata.ids import canonical
from dqdata.plugins import load
from dqdata.project.instances import make_teacher
from dqdata.project.pipeline_table import Pipeline, SourceSpec, StepSpec
from dqdata.project.plan import make_plan
from dqdata.project.problems import kinds_in
from dqdata.project.recipe import recipe as recipe_of
from dqdata.project.tables import Project, TeacherTable, plain
from dqdata.refs import REJECTS_SUFFIX, Ref, catalog_ref
from dqdata.sql import quote_refs
from dqdata.teacher import Limits

if TYPE_CHECKING:
    from dqdata.catalog import Store, Version


@dataclass(frozen=True)
class Rebuilt:
    """version: `name@3`. missing: requests whose answer is not in the ledger; cached: recorded answers that were used.
    same_recipe: whether today's code makes the recipe that the version has. causes: differences of the recipes."""

    version: str
    rows: int
    comparison: Comparison
    missing: int
    cached: int
    same_recipe: bool
    causes: list[Cause]


def rebuild(
    project: Project,
    store: Store,
    catalog: str,
    number: int,
    *,
    calls: bool = False,
    workers: int | None = None,
    out: TextIO | None = None,
) -> Rebuilt:
    """calls: asks teachers for answers that are not in the ledger. Raises InputError for a version whose recipe does
    not say how it was made; QueryError for inputs that are gone; RunError."""
    version = store.version(catalog, number)
    _check(version)
    for name in _inputs(version.recipe):
        ref = catalog_ref(name)
        if ref is not None and ref.version is not None:
            try:
                store.resolve(ref)
            except QueryError as error:
                raise QueryError(
                    f"{catalog}@{number} can't be remade: it was made from {name}, and {error}", code=error.code
                ) from None
            store.choose(ref.name, ref.version)
    folder = Path(tempfile.mkdtemp(prefix=f"rebuild-{catalog}-{number}-", dir=store.work))
    try:
        remade = _project(project, store, version, folder)
        plan = make_plan(remade, catalog, store)
        taken = version.recipe.get("source_rows")
        over = plan if taken is None else plan.first(taken)
        found = replay(over, remade, store, store.ledger_place, folder / "run", calls=calls, workers=workers, out=out)
        columns = store.schema(catalog, number)
        if dict(columns) != dict(plan.after):
            more = [name for name in plan.after if columns.get(name) != plan.after[name]]
            less = [name for name in columns if name not in plan.after]
            raise QueryError(
                f"{catalog}@{number} can't be compared: today's operators make other columns "
                f"({', '.join([*(f'+{name}' for name in more), *(f'-{name}' for name in less)])})"
            )
        compared = compare(
            store,
            version_table(catalog, number),
            version_table(catalog + REJECTS_SUFFIX, number),
            found.output,
            plan.after,
        )
        now = recipe_of(plan, remade.root, taken)
        return Rebuilt(
            f"{catalog}@{number}",
            version.rows,
            compared,
            found.missing,
            found.cached,
            plan.fingerprint == version.fingerprint,
            causes(version.recipe, now),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check(version: Version) -> None:
    missing = [key for key in ("source", "steps", "teachers", "seed") if key not in version.recipe]
    if missing:
        raise InputError(
            f"{version.catalog}@{version.version} can't be rebuilt: its recipe has no {', '.join(missing)}; it was not "
            "made by `run` or `import` of this dqdata"
        )


def _inputs(recipe: Mapping[str, Any]) -> Iterator[str]:
    yield from recipe.get("inputs", ())
    for step in recipe["steps"]:
        yield from step.get("inputs", ())


def _project(project: Project, store: Store, version: Version, folder: Path) -> Project:
    """The project as the recipe has it: one pipeline, whose prompts lie below `folder`."""
    recipe = version.recipe
    steps = []
    for number, step in enumerate(recipe["steps"], 1):
        prompts = _written(step.get("prompts", {}), folder / "prompts" / str(number))
        where = f"{version.catalog}@{version.version} step {number} ({step['op']})"
        params = _given(_set(load("operators", step["op"]).Params, step["params"]), prompts)
        steps.append(StepSpec(op=step["op"], id=step["id"], params=params, where=where))
    source = dict(_given(_set(load("sources", recipe["source"]["kind"]).Params, recipe["source"]["params"]), {}))
    if recipe["source"]["kind"] == "sql":
        source["query"] = _pinned(str(source["query"]), list(recipe.get("inputs", ())))
    pipeline = Pipeline(
        name=version.catalog,
        into=version.catalog,
        source=SourceSpec(kind=recipe["source"]["kind"], params=source),
        steps=tuple(steps),
        seed=recipe["seed"],
        limit=recipe.get("limit"),
        target_rows=recipe.get("target_rows"),
        mode=recipe.get("mode", "full"),
        max_failed_rate=1.0,
        where=f"{version.catalog}@{version.version}",
    )
    teachers = {name: _teacher(project, store, name, entry) for name, entry in recipe["teachers"].items()}
    return project.model_copy(
        update={"pipelines": {version.catalog: pipeline}, "teachers": {**project.teachers, **teachers}}
    )


def _written(prompts: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Prompt files by name, with the texts of the recipe."""
    files = {}
    for name, text in prompts.items():
        files[name] = folder.joinpath(*(part for part in PurePosixPath(name).parts if part not in ("/", "..")))
        files[name].parent.mkdir(parents=True, exist_ok=True)
        files[name].write_text(text, encoding="utf-8")
    return files


def _set(model: type[BaseModel], params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that differ from their defaults, also of tables inside them: recipes hold all of them, and some
    may only be given together. One that was switched off is false, as in TOML."""
    made: dict[str, Any] = {}
    for name, value in params.items():
        field = model.model_fields.get(name)
        if field is None:
            made[name] = value
        elif field.is_required() or plain(field.get_default(call_default_factory=True)) != value:
            made[name] = False if value is None else _set_inside(field.annotation, value)
    return made


def _set_inside(annotation: Any, value: Any) -> Any:
    """The value with `_set` of the tables that the annotation names, where it names one kind alone."""
    inner = [kind for kind in kinds_in(annotation) if issubclass(kind, BaseModel)]
    if len(inner) != 1:
        return value
    if isinstance(value, list):
        return [_set(inner[0], one) if isinstance(one, Mapping) else one for one in value]
    return _set(inner[0], value) if isinstance(value, Mapping) and {*value} <= {*inner[0].model_fields} else value


def _given(params: Any, prompts: Mapping[str, Path]) -> Any:
    """Parameters without nulls, and with the recipe's own prompt files."""
    if isinstance(params, Mapping):
        return {key: _given(value, prompts) for key, value in params.items() if value is not None}
    if isinstance(params, list):
        return [_given(value, prompts) for value in params]
    if isinstance(params, str) and ("/" in params or "." in params):
        parts = Path(params).parts
        names = ("/".join(parts[start:]) for start in range(len(parts)))  # the longest that the recipe has
        return next((str(prompts[name]) for name in names if name in prompts), params)
    return params


def _pinned(query: str, inputs: list[str]) -> str:
    """The query with tags and days as the versions that they named then."""
    known = {ref.name: ref.version for ref in map(catalog_ref, inputs) if ref is not None}

    def resolve(text: str) -> str:
        ref: Ref | None = catalog_ref(text)
        if ref is None or not ref.label or ref.name not in known:
            return text.lower()
        return f"{ref.name}@{known[ref.name]}"

    return quote_refs(query, resolve)[0]


def _teacher(project: Project, store: Store, name: str, entry: Mapping[str, str]) -> TeacherTable:
    """The project's teacher of this name where it is still the recorded model, else one of recorded answers."""
    if name in project.teachers:
        teacher = make_teacher(project.teachers[name], store)
        now = {"provider": teacher.provider, "model": teacher.model, "revision": teacher.revision}
        if canonical(now) == canonical(dict(entry)):
            return project.teachers[name]
    return TeacherTable(
        name=name,
        provider="replay",
        limits=Limits(),
        params={
            "of": entry["provider"],
            "model": entry["model"],
            "revision": entry["revision"],
            "ledger": str(store.ledger_place),
        },
        root=project.root,
        where=f"the recorded teacher {name!r}",
    )
