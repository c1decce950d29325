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

from dqdata.errors import InputError, ProjectError, nearest
from dqdata.params import Params
from dqdata.place import LedgerPlace, StorePlace
from dqdata.project.environment import resolved
from dqdata.project.experiments import ExperimentKeys, ExperimentTable
from dqdata.project.paths import check_names, check_paths
from dqdata.project.pipeline_keys import PipelineKeys
from dqdata.project.problems import Problems, check_known, is_table, table_of, validated
from dqdata.project.profiles import changed_by, with_profile
from dqdata.project.reading import find_project, project_file, read_tables
from dqdata.project.store_table import StoreTable
from dqdata.refs import FIRST_SUFFIX, as_query, catalog_ref, check_name
from dqdata.teacher import Limits

EVALUATE, ALLOW_LEAKS = "evaluate", "allow_leaks"
"""Keys of a trainer's table that are the training's own, not the trainer's: what the model is measured on, and that it
is trained although problems are measured too."""
FROM, STEPS = "from", "steps"
"""Keys of a pipeline's table that hold what plug-ins do; the others are those of PipelineKeys."""
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
    pipelines = problems.read(tables, "pipelines", place, _pipeline)
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


def _pipeline(name: str, body: dict[str, Any], where: str) -> Pipeline:
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
