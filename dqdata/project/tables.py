"""pipelines.toml as typed, frozen models; unknown keys are refused with file, table, key and the nearest valid name.

    >>> project = read_project(Path("pipelines.toml"))
    >>> project.pipelines["quickstart"].steps[0].op
    'generate'

Nothing here imports a plug-in: parameters of steps, teachers, trainers and sources stay as written until the plan
hands them to their owner.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, SecretStr

from dqdata.errors import ProjectError, nearest
from dqdata.params import Params
from dqdata.place import LedgerPlace, StorePlace
from dqdata.project.environment import resolved
from dqdata.project.experiments import ExperimentKeys, ExperimentTable
from dqdata.project.paths import check_names, check_paths
from dqdata.project.pipeline_table import Pipeline, pipeline_of
from dqdata.project.problems import Problems, check_known, table_of, validated
from dqdata.project.profiles import changed_by, with_profile
from dqdata.project.reading import find_project, project_file, read_tables
from dqdata.project.store_table import StoreTable
from dqdata.refs import FIRST_SUFFIX
from dqdata.teacher import Limits

EVALUATE, ALLOW_LEAKS = "evaluate", "allow_leaks"
"""Keys of a trainer's table that are the training's own, not the trainer's: what the model is measured on, and that it
is trained although problems are measured too."""
TABLES = ("store", "engine", "sandbox", "teachers", "pipelines", "trainers", "evaluations", "experiments", "profiles")
M = TypeVar("M", bound=BaseModel)


EngineKind = Literal["local", "inline", "spawn", "ray"]


class EngineTable(Params):
    """`[engine]`: where the rows of a run are processed."""

    kind: EngineKind = "local"
    """local: in this process and its CPU workers. inline: in this process alone, one chunk after the other and without
    deadlines, for debuggers. spawn: each chunk in a process of its own, as on a cluster. ray: chunks are tasks of a
    Ray cluster."""
    address: str = Field("auto", pattern=r"^(auto|local|[\w.-]+:\d{1,5})$")
    """Of the Ray cluster: auto, the one that this machine belongs to; HOST:PORT of its head node; local, one that lives
    on this machine for the run."""


class SandboxTable(Params):
    """`[sandbox]`: how programs are isolated that a step runs."""

    mode: Literal["auto", "bwrap", "landlock", "none"] = "auto"
    """auto: bubblewrap where it works, else Landlock, else an error. none: no isolation."""


class TeacherTable(Params):
    name: str
    provider: str
    limits: Limits
    params: Mapping[str, Any]
    """The provider's own keys, `{ env = ... }` resolved to SecretStr."""
    root: Path
    """Folder of pipelines.toml, at which relative paths begin."""
    missing: tuple[str, ...] = ()
    """Environment variables it names that aren't set."""
    where: str


class TrainerTable(Params):
    name: str
    kind: str
    data: Mapping[str, str]
    """SQL or a catalog reference by split: "train", "eval", ..."""
    params: Mapping[str, Any]
    where: str


class EvaluationKeys(Params):
    """Keys of `[evaluations.NAME]` beside those of a trainer's `evaluate` table."""

    models: tuple[str, ...] = ()
    """What is measured where `dqdata eval` names no model."""
    benchmark: str | Mapping[str, Any] | None = None
    """Name of a public benchmark, or a table with the keys of the source `benchmark`; in place of `data`."""
    by: tuple[str, ...] | None = None
    """Columns whose values have scores of their own; by default those that the benchmark names."""


class EvaluationTable(EvaluationKeys):
    name: str
    params: Mapping[str, Any]
    where: str


class Project(Params):
    path: Path
    """The TOML file."""
    store: StorePlace
    store_group: bool = False
    """Whether the store is for its group too, and not for its owner alone."""
    profile: str = ""
    engine: EngineTable = EngineTable()
    sandbox: SandboxTable = SandboxTable()
    teachers: Mapping[str, TeacherTable]
    pipelines: Mapping[str, Pipeline]
    trainers: Mapping[str, TrainerTable]
    evaluations: Mapping[str, EvaluationTable] = {}
    experiments: Mapping[str, ExperimentTable] = {}

    @property
    def root(self) -> Path:
        """Folder that relative paths start from."""
        return self.path.parent

    @property
    def ledger_place(self) -> LedgerPlace:
        """Of all calls; profiles share it."""
        return self.store.ledger

    def command(self, *words: str) -> str:
        """The command line that does this in this project: with -p where the folder's own is another, and --profile."""
        try:
            here = find_project(Path.cwd())
        except (ProjectError, OSError):
            here = None
        named = [] if here == self.path or not self.path.is_file() else ["-p", str(self.path)]
        said = ["dqdata", *words, *named, *(["--profile", self.profile] if self.profile else [])]
        return " ".join(map(_in_shell, said))

    def pipeline(self, name: str) -> Pipeline:
        return _pick(self.pipelines, name, "pipeline", self.path)

    def with_budget(self, name: str, usd: float) -> Project:
        """The project with another budget of one pipeline."""
        pipeline = self.pipeline(name).model_copy(update={"budget_usd": usd})
        return self.model_copy(update={"pipelines": {**self.pipelines, name: pipeline}})

    def limited(self, name: str, rows: int) -> Project:
        """The project with one pipeline over the first rows of its source, all of them, into a catalog of its own; its
        checks are reported and hold nothing back."""
        pipeline = self.pipeline(name)
        into = f"{pipeline.into}{FIRST_SUFFIX}{rows}"
        limited = pipeline.model_copy(update={"limit": rows, "target_rows": None, "into": into})
        checks = tuple(check.model_copy(update={"severity": "warning"}) for check in limited.checks)
        limited = limited.model_copy(update={"checks": checks})
        return self.model_copy(update={"pipelines": {**self.pipelines, name: limited}})

    def teacher(self, name: str) -> TeacherTable:
        return _pick(self.teachers, name, "teacher", self.path)

    def trainer(self, name: str) -> TrainerTable:
        return _pick(self.trainers, name, "trainer", self.path)

    def evaluation(self, name: str) -> EvaluationTable:
        return _pick(self.evaluations, name, "evaluation", self.path)

    def experiment(self, name: str) -> ExperimentTable:
        return _pick(self.experiments, name, "experiment", self.path)


def _in_shell(word: str) -> str:
    """The word as a shell takes it for one, in double quotes where those do: SQL has single ones."""
    quoted = shlex.quote(word)
    return quoted if quoted == word or re.search(r'["$`\\!]', word) else f'"{word}"'


def read_project(path: Path, profile: str = "") -> Project:
    """Reads and checks the file's own shape, with a profile laid over it. Raises ProjectError."""
    path = project_file(path.absolute())
    tables = read_tables(path)
    problems = Problems(path.name)
    with problems.noted():
        check_known(tables, TABLES, path.name, "table")
    for kind in ("teachers", "pipelines", "trainers", "evaluations", "experiments", "profiles"):
        with problems.noted():
            check_names(f"[{kind}]", list(table_of(tables, kind, path.name)), path.name)
    with problems.noted():
        check_paths(path)

    if profile:
        tables = with_profile(tables, profile, path.name, problems)
    store, engine, sandbox = StoreTable(), EngineTable(), SandboxTable()
    with problems.noted():
        store = validated(StoreTable, table_of(tables, "store", path.name), f"{path.name} [store]")
    with problems.noted():
        engine = validated(EngineTable, table_of(tables, "engine", path.name), f"{path.name} [engine]")
    with problems.noted():
        sandbox = validated(SandboxTable, table_of(tables, "sandbox", path.name), f"{path.name} [sandbox]")
    place = partial(_place, tables, path.name, profile)
    teachers = problems.read(tables, "teachers", place, partial(_teacher, path))
    pipelines = problems.read(tables, "pipelines", place, pipeline_of)
    trainers = problems.read(tables, "trainers", place, _trainer)
    evaluations = problems.read(tables, "evaluations", place, _evaluation)
    experiments = problems.read(tables, "experiments", place, _experiment)
    problems.check()
    return Project(
        path=path,
        store=store.place(path.parent, profile),
        store_group=store.group,
        profile=profile,
        engine=engine,
        sandbox=sandbox,
        teachers=teachers,
        pipelines=pipelines,
        trainers=trainers,
        evaluations=evaluations,
        experiments=experiments,
    )


def _place(tables: Mapping[str, Any], file: str, profile: str, kind: str, name: str) -> str:
    """Where errors about a table point, the part of a profile that changes it among it."""
    return f"{file} [{kind}.{name}]{changed_by(tables, profile, kind, name)}"


def _teacher(path: Path, name: str, body: dict[str, Any], where: str) -> TeacherTable:
    problems = Problems(where)
    table = teacher_of(path, name, body, where, problems)
    problems.check()
    return table


def teacher_of(path: Path, name: str, body: Mapping[str, Any], where: str, problems: Problems) -> TeacherTable:
    """The table of a teacher, with the limits of all where its own are wrong, which is noted. Raises ProjectError."""
    provider = body.get("provider")
    if not isinstance(provider, str):
        raise ProjectError(where, "key 'provider' is missing, such as provider = 'openai'", code="missing-key")
    limits = Limits()
    with problems.noted():
        limits = validated(Limits, {key: body[key] for key in body if key in Limits.model_fields}, where)
    missing: list[str] = []
    own = {key: value for key, value in body.items() if key != "provider" and key not in Limits.model_fields}
    return TeacherTable(
        name=name,
        provider=provider,
        limits=limits,
        params={key: resolved(value, missing) for key, value in own.items()},
        root=path.parent,
        missing=tuple(missing),
        where=where,
    )


def _trainer(name: str, body: dict[str, Any], where: str) -> TrainerTable:
    kind, data = body.pop("kind", None), body.pop("data", None)
    if not isinstance(kind, str):
        raise ProjectError(where, "key 'kind' is missing, such as kind = 'sft'", code="missing-key")
    splits = {"train": data} if isinstance(data, str) else data
    if not isinstance(splits, Mapping) or not all(isinstance(value, str) for value in splits.values()):
        raise ProjectError(where, "key 'data' must be a catalog, SQL, or a table such as { train = 'name@latest' }")
    return TrainerTable(name=name, kind=kind, data=dict(splits), params=body, where=where)


def _evaluation(name: str, body: dict[str, Any], where: str) -> EvaluationTable:
    given = {key: body.pop(key) for key in list(body) if key in EvaluationKeys.model_fields}
    keys = validated(EvaluationKeys, given, where)
    if (keys.benchmark is None) == ("data" not in body):
        raise ProjectError(where, "needs `benchmark`, or `data`, and not both", code="missing-key")
    return EvaluationTable(**keys.model_dump(), name=name, params=body, where=where)


def _experiment(name: str, body: dict[str, Any], where: str) -> ExperimentTable:
    return ExperimentTable(**dict(validated(ExperimentKeys, body, where)), name=name, where=where)


def _pick(items: Mapping[str, M], name: str, what: str, path: Path) -> M:
    if name not in items:
        have = ", ".join(items) or "none"
        raise ProjectError(path.name, f"no {what} {name!r}{nearest(name, items)} (have: {have})", code="unknown-name")
    return items[name]


def plain(value: Any) -> Any:
    """Values of parameters as JSON has them, secrets hidden."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, SecretStr):
        return "***"
    return str(value) if isinstance(value, Path) else value
