"""Creates plug-ins from pipelines.toml: checks parameters, resolves paths, names the place of an error.

operator = make_operator(spec, project.root)
teacher = make_teacher(project.teachers["r1"], store)
trainer = make_trainer(project.trainers["slow_sft"], project.root)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from dqdata.errors import InputError, PluginError, PluginFault, ProjectError, boundary
from dqdata.masking import masker
from dqdata.models import ModelRef, resolve_model
from dqdata.operator import Operator
from dqdata.params import Params, markers
from dqdata.plugins import load
from dqdata.project.pipeline_table import Pipeline, SourceSpec, StepSpec
from dqdata.project.problems import Problems, check_known, kinds_in, validated
from dqdata.project.tables import ALLOW_LEAKS, EVALUATE, TeacherTable, TrainerTable
from dqdata.refs import model_ref
from dqdata.source import Source, StoreView
from dqdata.teacher import Limits, Teacher
from dqdata.trainer import Trainer

BESIDE = ("provider", *Limits.model_fields)
"""Keys that a teacher's table may have beside those of its provider."""


@dataclass(frozen=True)
class Context:
    """What a source sees of its surroundings."""

    root: Path
    store: StoreView
    grows: bool = False


def make_operator(spec: StepSpec, root: Path) -> Operator[Any]:
    """The operator of a step with its parameters checked; files it names become absolute and must exist."""
    try:
        kind: type[Operator[Any]] = load("operators", spec.op)
    except PluginError as error:
        raise PluginError(f"{spec.where}: {error}") from error
    given = _with_files(kind.Params, spec.params, root, spec.where)
    params = validated(kind.Params, given, spec.where, "parameter", also=("op", "id"))
    try:
        with boundary("operator", spec.op):
            return kind(params)
    except PluginFault as error:
        raise _refused(spec.where, error) from error.__cause__


def check_operators(pipeline: Pipeline, root: Path) -> None:
    """Raises ProjectError for all steps of a pipeline that name no operator or give it wrong parameters."""
    problems = Problems(pipeline.where)
    for spec in pipeline.steps:
        with problems.noted():
            make_operator(spec, root)
    problems.check()


def _with_files(model: type[BaseModel], given: Mapping[str, Any], root: Path, where: str) -> dict[str, Any]:
    """Parameters with the files they name as absolute paths, also those of tables inside them."""
    made = dict(given)
    for name, info in model.model_fields.items():
        if (value := made.get(name)) is None:
            continue
        if isinstance(value, str) and any(getattr(marker, "refers_to", "") == "file" for marker in markers(info)):
            made[name] = root / value
            if not made[name].is_file():
                raise ProjectError(where, f"parameter {name!r}: no file {made[name]}", code="missing-file")
        for inner in (kind for kind in kinds_in(info.annotation) if issubclass(kind, BaseModel)):
            if isinstance(value, Mapping):
                made[name] = _with_files(inner, value, root, where)
            elif isinstance(value, list | tuple):
                made[name] = [
                    _with_files(inner, one, root, where) if isinstance(one, Mapping) else one for one in value
                ]
    return made


def _annotation(model: type[BaseModel], name: str) -> Any:
    return model.model_fields[name].annotation if name in model.model_fields else None


def check_keys(tables: Iterable[TeacherTable]) -> None:
    """Raises ProjectError for an environment variable that a teacher's table names and that is not set."""
    for table in tables:
        if table.missing:
            raise ProjectError(
                table.where, f"environment variable {table.missing[0]!r} isn't set", code="missing-environment"
            )


def make_teacher(table: TeacherTable, store: StoreView) -> Teacher[Any]:
    """The teacher of a `[teachers.NAME]` table, its `trained:NAME` resolved to the folder of the version that is newest
    now. A key that it names need not be set: `check_keys` is for those who call it. Raises ProjectError."""
    kind = _teacher_kind(table)
    params = _with_paths(kind.Params, table.params, table.root)
    trained = None
    for name, value in params.items():
        if isinstance(value, SecretStr) and SecretStr not in kinds_in(_annotation(kind.Params, name)):
            check_keys([table])  # not a key: the plan depends on it
        if isinstance(value, str) and value.startswith("trained:"):
            trained = _made_here(kind.Params, name, value, table, store)
            params[name] = trained.path
    checked = _teacher_params(kind, params, table.where)
    masker.add_all(checked)
    try:
        with boundary("teacher", table.provider):
            teacher = kind(checked)
            teacher.trained = trained
            teacher.check()
    except InputError as error:
        raise ProjectError(table.where, str(error)) from error
    except PluginFault as error:
        raise _refused(table.where, error) from error.__cause__
    _check_price(teacher, table)
    return teacher


def _check_price(teacher: Teacher[Any], table: TeacherTable) -> None:
    """Raises ProjectError for a price that leaves out tokens which the teacher counts: they would cost nothing."""
    if (price := table.limits.price) is None:
        return
    counted = ("input", "output") if teacher.does == "write" else ("input",)
    if missing := [key for key in counted if key not in price.model_fields_set]:
        raise ProjectError(
            table.where,
            f"key 'price' does not say what {' and '.join(missing)} tokens cost: give {' and '.join(counted)}, in USD "
            "per million tokens, 0 where they are free",
            code="missing-key",
        )


def _teacher_kind(table: TeacherTable) -> type[Teacher[Any]]:
    try:
        kind: type[Teacher[Any]] = load("teachers", table.provider)
    except PluginError as error:
        raise PluginError(f"{table.where}: {error}") from error
    return kind


def _teacher_params(kind: type[Teacher[Any]], given: Mapping[str, Any], where: str) -> Params:
    checked: Params = validated(kind.Params, given, where, also=BESIDE)
    return checked


def check_teacher(table: TeacherTable) -> None:
    """Raises ProjectError for wrong keys of a teacher's table, and for wrong values where its environment is set."""
    kind = _teacher_kind(table)
    if table.missing:
        check_known(table.params, [*kind.Params.model_fields, *BESIDE], table.where)
    else:
        _teacher_params(kind, table.params, table.where)


def _refused(where: str, fault: PluginFault) -> ProjectError | PluginFault:
    """What the author of a plug-in refuses by a ValueError is the user's input; anything else is a fault of the
    plug-in."""
    cause = fault.__cause__
    return ProjectError(where, str(cause)) if isinstance(cause, ValueError) else PluginFault(f"{where}: {fault}")


def _made_here(params: type[BaseModel], key: str, name: str, table: TeacherTable, store: StoreView) -> ModelRef:
    """The model that a teacher's key names as `trained:...`. Raises ProjectError, also where it may name none."""
    info = params.model_fields.get(key)
    if info is None or not any(getattr(marker, "refers_to", "") == "model" for marker in markers(info)):
        ref = model_ref(name)
        short = ref.name if ref else "NAME"
        raise ProjectError(
            table.where,
            f"{key} = {name!r}: provider {table.provider!r} takes no model by that name. `dqdata export {name} -o "
            f"{short}.gguf` writes a file for llamacpp, `-o {short}` a folder for a server; the providers "
            "transformers, vllm and reward_model take the name itself",
        )
    return resolve_model(name, store, table.root, f"{table.where} {key}")


def make_trainer(table: TrainerTable, root: Path) -> Trainer[Any]:
    """The trainer of a `[trainers.NAME]` table, less the keys that are the training's own; files it names become
    absolute and must exist."""
    try:
        kind: type[Trainer[Any]] = load("trainers", table.kind)
    except PluginError as error:
        raise PluginError(f"{table.where}: {error}") from error
    values = {name: value for name, value in table.params.items() if name not in (EVALUATE, ALLOW_LEAKS)}
    for name, info in kind.Params.model_fields.items():
        if isinstance(values.get(name), str) and any(getattr(m, "refers_to", "") == "file" for m in markers(info)):
            values[name] = root / values[name]
            if not values[name].is_file():
                raise ProjectError(table.where, f"key {name!r}: no file {values[name]}", code="missing-file")
    checked = validated(kind.Params, values, table.where, also=("kind", "data", EVALUATE, ALLOW_LEAKS))
    try:
        with boundary("trainer", table.kind):
            return kind(checked)
    except PluginFault as error:
        raise _refused(table.where, error) from error.__cause__


def check_settings(trainer: Trainer[Any], where: str) -> None:
    """Raises ProjectError for what the trainer knows to be wrong before any data is there."""
    try:
        trainer.check()
    except InputError as error:
        raise ProjectError(where, str(error)) from error


def _with_paths(model: type[BaseModel], given: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Parameters with their relative paths made absolute; of what may be a name too, only those where something is."""
    made = dict(given)
    for name, info in model.model_fields.items():
        value = made.get(name, info.default)
        if isinstance(value, str | Path) and any(
            getattr(marker, "refers_to", "") in ("path", "model") for marker in markers(info)
        ):
            path = root / Path(value).expanduser()
            if Path in kinds_in(info.annotation) or path.exists():
                made[name] = str(path)
    return made


def check_source(spec: SourceSpec, where: str) -> tuple[type[Source[Any]], Params]:
    """What reads these rows, and its parameters. where: the place of the keys. Raises ProjectError, PluginError."""
    try:
        kind: type[Source[Any]] = load("sources", spec.kind)
    except PluginError as error:
        raise PluginError(f"{where}: {error}") from error
    return kind, validated(kind.Params, spec.params, where, also=("source",))


def make_source(spec: SourceSpec, context: Context, where: str) -> Source[Any]:
    kind, params = check_source(spec, f"{where} from")
    try:
        with boundary("source", spec.kind):
            return kind(params, context)
    except PluginFault as error:
        raise _refused(f"{where} from", error) from error.__cause__


def children(operator: Operator[Any], spec: StepSpec, root: Path) -> list[Operator[Any]]:
    """The operators that this one binds. spec: the step it belongs to, for errors."""
    return [make_operator(child_spec(spec, name, params), root) for name, params in operator.children()]


def child_spec(spec: StepSpec, name: str, params: Mapping[str, Any]) -> StepSpec:
    """A step's child as a step of its own."""
    return spec.model_copy(update={"op": name, "params": params, "where": f"{spec.where} > {name}"})


def family(operator: Operator[Any], spec: StepSpec, root: Path) -> Iterator[Operator[Any]]:
    """The operator, those that it runs, those that they run."""
    yield operator
    for child in children(operator, spec, root):
        yield from family(child, spec, root)
