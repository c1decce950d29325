"""Trains a model as pipelines.toml says and records it: `dqdata train NAME`.

    outcome = train(project, "quickstart_sft", store, out=sys.stderr)
    outcome.version, outcome.before.accuracy, outcome.after.accuracy

Each stage leaves its result in the work folder, which is keyed by the recipe: a run that was stopped or killed goes on
from its newest whole checkpoint, and a recipe that was trained already isn't trained again.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import itertools
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from filelock import Timeout

from dqdata.engine.runtime import Runtime
from dqdata.engine.tasks import Labels
from dqdata.errors import RunError, Stopped
from dqdata.files import lock, make_folder, whole_file
from dqdata.ids import digest
from dqdata.ledger import Ledger
from dqdata.models import ModelRef
from dqdata.notebook import Shown
from dqdata.project.tables import Project
from dqdata.training.card import Made, write_card
from dqdata.training.curves import draw, measured
from dqdata.training.exact_match import PLACEHOLDER, Evaluate
from dqdata.training.job import Job, unpacked_models, write_json
from dqdata.training.launch import launch
from dqdata.training.leak_check import refuse_leaks
from dqdata.training.materialise import write_split
from dqdata.training.nodes import slurm_script, torchrun
from dqdata.training.overrides import overridden
from dqdata.training.plan import TrainPlan, make_train_plan
from dqdata.training.progress import StepProgress
from dqdata.training.score import Judged, Score, judge

if TYPE_CHECKING:
    from dqdata.catalog import Store

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
KEPT = (
    "problem_id", "trace_id", "question", "answer", "answer_type", "tests", "choices", "entry_point", "checker",
    "instruction_id_list", "kwargs",
)  # fmt: skip
"""Columns of a question that travel with its answer, beside those that the prompt names."""


@dataclass(frozen=True)
class TrainOutcome(Shown):
    """before, after: exact match where the table has `evaluate`. unchanged: this recipe was trained already."""

    name: str
    version: int
    path: Path
    metrics: Mapping[str, float]
    notes: tuple[str, ...]
    before: Score | None
    after: Score | None
    seconds: float
    unchanged: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "model": f"trained:{self.name}@{self.version}",
            "name": self.name,
            "version": self.version,
            "path": str(self.path),
            "metrics": self.metrics,
            "notes": self.notes,
            "before": self.before.as_json() if self.before else None,
            "after": self.after.as_json() if self.after else None,
            "seconds": self.seconds,
            "unchanged": self.unchanged,
        }


@dataclass(frozen=True)
class Prepared(Shown):
    """A training on several machines, ready to be started there. job: its file, which every machine must see. torchrun:
    the line for machine number R, whose first is HOST. slurm: a batch script. record: the command that records the
    model once the training has ended."""

    name: str
    job: Path
    torchrun: str
    slurm: Path
    record: str

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "job": str(self.job),
            "torchrun": self.torchrun,
            "slurm": str(self.slurm),
            "record": self.record,
        }


def train(
    project: Project,
    name: str,
    store: Store,
    *,
    processes: int = 1,
    out: TextIO | None = None,
    keys: Sequence[str] = (),
) -> TrainOutcome:
    """processes: ranks on this machine. keys: of the trainer's table, as KEY=VALUE, for this training alone. Raises
    InputError before anything runs; Stopped and RunError leave a state that the next call resumes."""
    outcome = _train(project, name, store, 1, processes, out, keys)
    assert isinstance(outcome, TrainOutcome)
    return outcome


def train_on_nodes(
    project: Project,
    name: str,
    store: Store,
    *,
    nodes: int,
    processes: int = 1,
    out: TextIO | None = None,
    keys: Sequence[str] = (),
) -> TrainOutcome | Prepared:
    """Training on several machines, `processes` ranks on each: writes the job for them, and called again when it has
    ended, records the model."""
    return _train(project, name, store, nodes, processes, out, keys)


def _train(
    project: Project, name: str, store: Store, nodes: int, processes: int, out: TextIO | None, keys: Sequence[str]
) -> TrainOutcome | Prepared:
    project = overridden(project, name, keys)
    plan = make_train_plan(project, name, store, processes * nodes)
    folder = store.work / "train" / f"{name}-{plan.fingerprint[:12]}"
    make_folder(folder)
    with alone(folder, name):
        for model in reversed(store.models(name)):
            if json.loads(model["recipe"])["fingerprint"] == plan.fingerprint:
                return _there_already(model, store)
        outcome = _Training(plan, project, store, folder, out, keys, nodes).run()
    if isinstance(outcome, TrainOutcome):
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


class _Training:
    def __init__(
        self,
        plan: TrainPlan,
        project: Project,
        store: Store,
        folder: Path,
        out: TextIO | None,
        keys: Sequence[str],
        nodes: int,
    ) -> None:
        self.plan, self.project, self.store, self.folder, self.nodes = plan, project, store, folder, nodes
        self.progress = StepProgress(plan.name, out)
        several = ["--nodes", str(nodes)] if nodes > 1 else []
        ranks = ["--processes", str(plan.processes // nodes)] if plan.processes > nodes else []
        self.again = project.command("train", plan.name, *keys, *several, *ranks)
        self.began = time.monotonic()

    def run(self) -> TrainOutcome | Prepared:
        self._look_for_leaks()
        data = self._materialise()
        self._materialise_questions()
        if self.nodes > 1 and not (self.folder / "result.json").exists():
            return self._prepare(data)
        try:
            result = self._train(data)
        except Stopped as error:
            raise type(error)(f"{error}; `{self.again}` goes on from here") from error
        trained = ModelRef("folder", result["model"], self.plan.fingerprint)
        return self._publish(result, *self._scores(next(iter(self.plan.models.values())), trained))

    def _look_for_leaks(self) -> None:
        """Once for the same queries: a resumed run has been through it."""
        queries = [part.query for part in (*self.plan.splits.values(), self.plan.questions) if part is not None]
        made = self.folder / f"leaks-{digest(*queries)[:12]}-{self.plan.allow_leaks}"
        if not made.exists():
            refuse_leaks(self.plan, self.store, self.progress.say)
            made.touch()

    def _materialise(self) -> dict[str, Any]:
        """Rows of the splits, written once, and what a rank must know of them."""
        made = self.folder / "data.json"
        if made.exists():
            return dict(json.loads(made.read_text(encoding="utf-8")))
        folders, rows = {}, {}
        for split, part in self.plan.splits.items():
            folders[split] = str(self.folder / "data" / split)
            rows[split] = write_split(self.store.query(part.query, repeatable=True), Path(folders[split]))
            if rows[split] == 0:
                raise RunError(f"{self.plan.table.where} data.{split}: the query gives no rows: {part.query}")
            self.progress.say(f"{split}: {rows[split]:,} rows")
        data = {
            "folders": folders,
            "queries": {split: part.query for split, part in self.plan.splits.items()},
            "columns": {split: dict(part.columns) for split, part in self.plan.splits.items()},
            "rows": rows,
        }
        write_json(made, data)
        return data

    def _materialise_questions(self) -> None:
        made = self.folder / "questions.jsonl"
        if self.plan.evaluate is None or self.plan.questions is None or made.exists():
            return
        write_questions(self.store, self.plan.questions.query, self.plan.evaluate, made)

    def _prepare(self, data: Mapping[str, Any]) -> Prepared:
        """Writes the job of several machines and how to start it."""
        job = self._train_job(data).write()
        ranks = self.plan.processes // self.nodes
        slurm = self.folder / "job.sbatch"
        slurm.write_text(slurm_script(self.plan.name, job, self.nodes, ranks), encoding="utf-8")
        return Prepared(self.plan.name, job, torchrun(job, self.nodes, ranks), slurm, self.again)

    def _train_job(self, data: Mapping[str, Any]) -> Job:
        evaluate = self.plan.evaluate.model_dump(mode="json") if self.plan.evaluate else None
        return self._job("train", self.plan.params, kind=self.plan.table.kind, data=data, evaluate=evaluate)

    def _train(self, data: Mapping[str, Any]) -> dict[str, Any]:
        result = self.folder / "result.json"
        if not result.exists():
            launch(self._train_job(data), self.plan.processes, self.progress)
        summary = dict(json.loads(result.read_text(encoding="utf-8")))
        if summary["metrics"].get("processes", self.plan.processes) != self.plan.processes:
            raise RunError(
                f"{self.plan.processes} processes were started, but they trained as "
                f"{summary['metrics']['processes']:g}: "
                f"the trainer or its args keep them apart; {result} isn't recorded"
            )
        return summary

    def _scores(self, before: ModelRef, after: ModelRef) -> tuple[Score | None, Score | None]:
        """Exact match of both models. Both come after the training, so that what is wrong with its arguments shows at
        once, and in one process, since the imports of a process take as long as a few answers."""
        evaluate = self.plan.evaluate
        if evaluate is None:
            return None, None
        models = {"-before": before, "-after": after}
        launch(self._job("answer", evaluate.model_dump(mode="json"), models=models), 1, self.progress)
        return self._score("-before", evaluate), self._score("-after", evaluate)

    def _score(self, label: str, evaluate: Evaluate) -> Score:
        scored = verified(self.folder / f"answers{label}.jsonl", evaluate, self.project, self.store).score
        self.progress.say(f"{label.removeprefix('-'):7}{scored}")
        return scored

    def _job(
        self, task: Any, params: Mapping[str, Any], models: Mapping[str, ModelRef] | None = None, **more: Any
    ) -> Job:
        refs = self.plan.models if models is None else models
        return Job(
            task=task,
            folder=str(self.folder),
            cache=str(unpacked_models(self.store)),
            project=str(self.project.path),
            profile=self.project.profile,
            models={name: asdict(ref) for name, ref in refs.items()},
            params=params,
            **more,
        )

    def _publish(self, result: Mapping[str, Any], before: Score | None, after: Score | None) -> TrainOutcome:
        """Moves the model to its place and records it. A kill in between is made good by the next run."""
        place = Path("models") / self.plan.name / self.plan.fingerprint[:12]
        target = self.store.path / place
        if Path(result["model"]).is_dir():
            shutil.rmtree(target, ignore_errors=True)
            make_folder(target.parent)
            recipe = {**self.plan.recipe(), "libraries": _versions()}
            metrics = {
                **result["metrics"],
                **({f"before_{key}": value for key, value in before.as_json().items()} if before else {}),
                **({f"after_{key}": value for key, value in after.as_json().items()} if after else {}),
            }
            summary = {"metrics": metrics, "history": result["history"], "notes": result["notes"], "recipe": recipe}
            self._describe(Path(result["model"]), summary)
            Path(result["model"]).rename(target)
        summary = json.loads((target / "metrics.json").read_text(encoding="utf-8"))
        version = self.store.record_model(
            {
                "name": self.plan.name,
                "path": str(place),
                "base_model": next(iter(self.plan.models)),
                "trainer": self.plan.table.kind,
                "data": {split: part.query for split, part in self.plan.splits.items()},
                "recipe": summary["recipe"],
                "metrics": summary["metrics"],
            },
            measured(summary["history"]),
        )
        seconds = time.monotonic() - self.began
        notes = tuple(summary["notes"])
        return TrainOutcome(self.plan.name, version, target, summary["metrics"], notes, before, after, seconds)

    def _describe(self, folder: Path, summary: Mapping[str, Any]) -> None:
        """Metrics, picture and card, among the model's files; what the libraries left there for themselves goes."""
        write_json(folder / "metrics.json", summary)
        picture = draw(summary["history"], self.plan.name, folder)
        libraries = summary["recipe"]["libraries"]
        write_card(Made(self.plan, self.store, summary["metrics"], summary["notes"], libraries), folder, picture)
        (folder / "training_args.bin").unlink(missing_ok=True)


def write_questions(store: Store, query: str, evaluate: Evaluate, file: Path) -> None:
    """The held-out questions as JSONL, with what the prompt and the verifier need of them."""
    wanted = {*KEPT, *PLACEHOLDER.findall(evaluate.user)}
    with whole_file(file) as unfinished, unfinished.open("w", encoding="utf-8") as out:
        rows = (row for batch in store.query(query, repeatable=True) for row in batch.to_pylist())
        for row in itertools.islice(rows, evaluate.limit):
            out.write(json.dumps({name: row[name] for name in row if name in wanted}, default=str) + "\n")


def verified(answers: Path, evaluate: Evaluate, project: Project, store: Store) -> Judged:
    """Judges an answers file with the project's own verifier."""
    with Ledger(store.ledger_place) as ledger:
        runtime = Runtime(project, ledger, Labels("evaluate", "evaluate"), store=store)
        try:
            return judge(answers, evaluate, runtime)
        finally:
            asyncio.run(runtime.__aexit__())


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Reservation by one process at a time; raises RunError at once for another."""
    held = lock(folder, timeout=0)
    try:
        held.acquire()
    except Timeout:
        raise RunError(f"{name}: another process is at work on this very recipe; wait for it or end it") from None
    try:
        yield
    finally:
        held.release()


def _there_already(model: Mapping[str, Any], store: Store) -> TrainOutcome:
    metrics = json.loads(model["metrics"])
    path = store.path / str(model["path"])
    return TrainOutcome(str(model["name"]), int(model["version"]), path, metrics, (), None, None, 0.0, unchanged=True)


def _versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
