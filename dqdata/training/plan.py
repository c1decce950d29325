"""The plan of a training, complete before anything runs: trainer, pinned queries, models, fingerprint.

    plan = make_train_plan(project, "quickstart_sft", store)
    plan.splits["train"].query          # select * from "quickstart@1"
    plan.fingerprint                    # same recipe, same model: nothing runs twice

Raises InputError with file, table and key for everything that can be known by now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dqdata.columns import Columns
from dqdata.errors import DqdataError, InputError, PluginError, PluginFault, ProjectError, boundary, nearest
from dqdata.ids import fingerprint
from dqdata.models import ModelRef, pinned, resolve_model
from dqdata.operator import Operator, TableOperator
from dqdata.packages import check_packages
from dqdata.params import Params, markers
from dqdata.plugins import distribution, found, load
from dqdata.project.columns_used import columns_used
from dqdata.project.instances import check_settings, make_trainer
from dqdata.project.pipeline_table import StepSpec
from dqdata.project.plan import operator_identity
from dqdata.project.problems import Problems, validated
from dqdata.project.tables import ALLOW_LEAKS, EVALUATE, Project, TrainerTable
from dqdata.refs import as_query, model_ref
from dqdata.trainer import Trainer
from dqdata.training.exact_match import Evaluate
from dqdata.training.first_rows import check_first_rows

if TYPE_CHECKING:
    from dqdata.catalog import Store
    from dqdata.source import StoreView

NO_PART_OF_RECIPE = ("checkpoint_minutes",)
"""Parameters that don't change what comes out."""


@dataclass(frozen=True)
class Split:
    query: str
    """SQL with pinned versions."""
    columns: Columns


@dataclass(frozen=True)
class TrainPlan:
    """evaluate: None where the table has no `evaluate`. models: by the name the table gives. operators: what the
    trainer's operators are. allow_leaks: problems may be both trained on and measured."""

    table: TrainerTable
    trainer: Trainer[Any]
    splits: Mapping[str, Split]
    models: Mapping[str, ModelRef]
    evaluate: Evaluate | None
    questions: Split | None
    processes: int
    operators: tuple[Mapping[str, Any], ...] = ()
    allow_leaks: bool = False

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.trainer.params.model_dump(mode="json"))

    @property
    def fingerprint(self) -> str:
        params = {key: value for key, value in self.params.items() if key not in NO_PART_OF_RECIPE}
        return fingerprint(
            {
                **self._made_by(),
                "params": {**params, **_file_contents(self.trainer.params)},
                "data": {split: part.query for split, part in self.splits.items()},
                "models": {name: ref.identity for name, ref in self.models.items()},
                "processes": self.processes,
                **({"operators": self.operators} if self.operators else {}),
                **({"kept_by": self._kept_by} if self._kept_by else {}),
            }
        )

    @property
    def _kept_by(self) -> dict[str, Any]:
        """What decides which step is kept, where the answers do."""
        if self.evaluate is None or self.evaluate.every_steps is None or self.questions is None:
            return {}
        return {**self.evaluate.model_dump(mode="json", exclude={"data", "batch_size"}), "query": self.questions.query}

    def recipe(self) -> dict[str, Any]:
        """For dq_models: what the model was made from, whole."""
        return {
            "fingerprint": self.fingerprint,
            **self._made_by(),
            "params": self.params,
            "data": {split: part.query for split, part in self.splits.items()},
            "models": {
                name: {"path": ref.path, "identity": ref.identity, "revision": ref.revision}
                for name, ref in self.models.items()
            },
            "processes": self.processes,
            "operators": self.operators,
            "evaluate": self.evaluate.model_dump(mode="json") if self.evaluate else None,
            "evaluate_query": self.questions.query if self.questions else None,
        }

    def _made_by(self) -> dict[str, Any]:
        return {
            "kind": self.table.kind,
            "version": self.trainer.version,
            "distribution": distribution(found("trainers")[self.table.kind]),
        }


def make_train_plan(project: Project, name: str, store: Store, processes: int = 1, *, ready: bool = True) -> TrainPlan:
    """ready: refuse where a package is missing that the training needs."""
    table = project.trainer(name)
    settled = _settled(table, project, store, ready=ready)
    trainer = settled.trainer
    with boundary("trainer", table.kind):
        names = trainer.models()
    models = {model: pinned(resolve_model(model, store, project.root, f"{table.where} {model!r}")) for model in names}
    allow_leaks = table.params.get(ALLOW_LEAKS, False)
    return TrainPlan(
        table,
        trainer,
        settled.splits,
        models,
        settled.evaluate,
        settled.questions,
        processes,
        settled.operators,
        allow_leaks,
    )


def check_trainer(
    project: Project, store: Store | None, table: TrainerTable, view: StoreView, *, ready: bool = True
) -> None:
    """Raises InputError for whatever `make_train_plan` would refuse, were the catalogs and models made that the project
    is going to make. view: a store that knows the columns of catalogs to come; store: None where nothing was made yet.
    ready: also for packages that are missing."""
    settled = _settled(table, project, view, ready=ready)
    trainer = settled.trainer
    with boundary("trainer", table.kind):
        names = trainer.models()
    for place, model in enumerate(names):
        where = f"{table.where} {model!r}"
        ref = model_ref(model)
        if ref and ref.name in project.trainers and ref.version is None:
            continue
        if ref and (store is None or not store.models(ref.name)):
            unknown = f"no trainer of the project is called {ref.name!r}, and no such model was trained here"
            raise ProjectError(where, f"{unknown}{nearest(ref.name, project.trainers)}", code="unknown-name")
        found_model = resolve_model(model, store, project.root, where)
        if place == 0 and store is not None and (ready or not lacks(table, project)):
            try:
                check_first_rows(
                    trainer, {name: part.query for name, part in settled.splits.items()}, found_model, store
                )
            except InputError as error:
                raise ProjectError(table.where, str(error), code=error.code) from error


class _Settled(NamedTuple):
    """What can be known without any model. questions: those of `evaluate`."""

    trainer: Trainer[Any]
    splits: dict[str, Split]
    evaluate: Evaluate | None
    questions: Split | None
    operators: tuple[Mapping[str, Any], ...]


def lacks(table: TrainerTable, project: Project) -> str:
    """The packages that a training needs and lacks here, and how to install them; empty where it has all."""
    trainer = make_trainer(table, project.root)
    try:
        with boundary("trainer", table.kind):
            check_packages(trainer.requires(), table.where)
    except PluginError as error:
        return str(error)
    return ""


def _settled(table: TrainerTable, project: Project, store: StoreView, *, ready: bool) -> _Settled:
    given = table.params.get(EVALUATE)
    if not isinstance(allowed := table.params.get(ALLOW_LEAKS, False), bool):
        raise ProjectError(table.where, f"key {ALLOW_LEAKS!r} must be true or false, got {allowed!r}")
    where = f"{table.where} evaluate"
    evaluate = None
    problems = Problems(table.where)
    with problems.noted():
        evaluate = None if given is None else validated(Evaluate, _as_table(given, where), where)
    with problems.noted():
        trainer = make_trainer(table, project.root)
        with boundary("trainer", table.kind):
            if ready:
                check_packages(trainer.requires(), table.where)
            if ready or not lacks(table, project):
                check_settings(trainer, table.where)
    problems.check()
    splits = {split: split_of(store, text, f"{table.where} data.{split}") for split, text in table.data.items()}
    if "train" not in splits:
        raise ProjectError(table.where, "data.train is missing: which rows to train on?", code="missing-key")
    for split, part in splits.items():
        try:
            with boundary("trainer", table.kind):
                trainer.needs(split, part.columns)
        except InputError as error:
            raise ProjectError(f"{table.where} data.{split}", str(error)) from error

    questions = None
    if evaluate is not None:
        questions = split_of(store, evaluate.data, f"{where}.data")
        evaluate.needs(questions.columns, f"{where}.data")
        verifier(evaluate, where, project, store)
    with boundary("trainer", table.kind):
        used = trainer.operators()
    specs = [StepSpec(op=name, id=name, params=params, where=f"{table.where} reward {name!r}") for name, params in used]
    operators = tuple(operator_identity(spec, project, store) for spec in specs)
    return _Settled(trainer, splits, evaluate, questions, operators)


def verifier(evaluate: Evaluate, where: str, project: Project, store: StoreView) -> dict[str, Any]:
    """Identity of the operator that judges answers. Raises InputError for one that cannot run or makes no column
    `correct`, which is worth asking before any model answers."""
    spec = StepSpec(op=evaluate.verify, id=evaluate.verify, params=evaluate.verify_params, where=f"{where} verify")
    try:
        judges_answers = _judges(load("operators", evaluate.verify))
    except PluginError:  # told with its place below
        judges_answers = True
    if not judges_answers:
        judges = [name for name in found("operators") if _known_judge(name)]
        raise ProjectError(
            spec.where,
            f"operator {evaluate.verify!r} does not judge single answers: it makes no column 'correct' in their rows; "
            f"use one of {', '.join(judges)}",
            code="invalid-value",
        )
    return operator_identity(spec, project, store)


def _judges(kind: type[Operator[Any]]) -> bool:
    """Whether an operator says of one row whether its answer is right, and makes no other of it; where its columns
    cannot be known, yes."""
    if issubclass(kind, TableOperator):
        return False
    used = columns_used(kind)
    return used is None or ("correct" in used.makes and "parent_id" not in used.makes)


def _known_judge(name: str) -> bool:
    try:
        kind = load("operators", name)
        return columns_used(kind) is not None and _judges(kind)
    except (PluginError, PluginFault):  # one that is broken judges nothing
        return False


def split_of(store: StoreView, text: str, where: str) -> Split:
    """SQL or a catalog reference with its versions pinned. Raises ProjectError."""
    try:
        return Split(*store.query_columns(as_query(text)))
    except DqdataError as error:
        raise ProjectError(where, str(error)) from error


def _file_contents(params: Params) -> dict[str, str]:
    """Files count by content, wherever they lie."""
    contents = {}
    for name, info in type(params).model_fields.items():
        value = getattr(params, name)
        if value is not None and any(getattr(m, "refers_to", "") == "file" for m in markers(info)):
            contents[name] = Path(value).read_text(encoding="utf-8")
    return contents


def _as_table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ProjectError(
            where, f"must be a table such as {{ data = 'select question, answer from heldout' }}, got {value!r}"
        )
    return value
