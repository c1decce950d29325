"""One rank of a training, or the process that lets a model answer questions: `python -m dqdata.training.worker JOB`.

Progress goes to stdout, libraries write to stderr, dqdata's own errors to error.json, the result to result.json.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from dqdata.errors import DqdataError, PluginFault, boundary
from dqdata.extras import missing_extra
from dqdata.models import loadable
from dqdata.operator import Bound
from dqdata.plugins import load
from dqdata.trainer import TrainResult, whole_checkpoint
from dqdata.training.exact_match import Evaluate
from dqdata.training.job import Job, write_json
from dqdata.training.progress import progress_line
from dqdata.workers.lifetime import end_with


@dataclass(frozen=True)
class Rank:
    """`dqdata.trainer.TrainRun` for one process."""

    job: Job

    @property
    def is_first(self) -> bool:
        return os.environ.get("RANK", "0") == "0"

    @cached_property
    def resume(self) -> Path | None:
        """Looked up once, before the first step: checkpoints of this very run don't count."""
        return whole_checkpoint(Path(self.job.folder) / "checkpoints")

    def model(self, name: str) -> str:
        return loadable(self.job.refs[name], Path(self.job.cache))

    @cached_property
    def runtime(self) -> Any:
        from dqdata.catalog import Store
        from dqdata.engine.runtime import Runtime
        from dqdata.engine.tasks import Labels
        from dqdata.ledger import Ledger
        from dqdata.project.tables import read_project

        project = read_project(Path(self.job.project), self.job.profile)
        label = f"train-{os.environ.get('RANK', '0')}"
        named = any(str(value).startswith("trained:") for t in project.teachers.values() for value in t.params.values())
        store = Store.open(project.store, read_only=True) if named else None
        return Runtime(project, Ledger(project.ledger_place), Labels(label, label), store=store)

    def operator(self, name: str, params: Mapping[str, Any]) -> Bound:
        return self.runtime.operator(name, params)  # type: ignore[no-any-return]

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """How the model is measured while it trains; None where it isn't."""
        if self.job.evaluate is None:
            return None
        evaluate = Evaluate.model_validate(self.job.evaluate)
        return Evaluation(self.job, evaluate, evaluate.every_steps) if evaluate.every_steps else None

    def log(self, message: str) -> None:
        if self.is_first:
            self._print(message)

    def progress(self, done: int, total: int, unit: str = "steps") -> None:
        if self.is_first:
            self._print(progress_line(done, total, unit))

    def _print(self, line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            # The command was killed: nobody reads on, and the checkpoint still has to be written.
            sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  (it stays open)

    def close(self) -> None:
        if "runtime" in self.__dict__:
            asyncio.run(self.runtime.__aexit__())
            self.runtime.owner.ledger.close()
            if self.runtime.store is not None:
                self.runtime.store.close()


@dataclass(frozen=True)
class Evaluation:
    """`dqdata.trainer.Measure`: the held-out questions, answered by the model in memory and verified."""

    job: Job
    evaluate: Evaluate
    every_steps: int

    def accuracy(self, model: Any, tokenizer: Any, step: int) -> float:
        from dqdata.catalog import Store
        from dqdata.models import Writer
        from dqdata.project.tables import read_project
        from dqdata.training.answer import answer_with
        from dqdata.training.run import verified

        folder = Path(self.job.folder)
        answers = folder / f"answers-step-{step}.jsonl"
        answers.unlink(missing_ok=True)  # of a run that was killed, whose model was another
        training = model.training
        answer_with(Writer.over(model, tokenizer), _questions(folder), self.evaluate, answers, lambda done, total: None)
        model.train(training)
        project = read_project(Path(self.job.project), self.job.profile)
        with Store.open(project.store, read_only=True) as store:
            return verified(answers, self.evaluate, project, store).score.accuracy


def _questions(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]


def main() -> None:
    if "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun, killed, leaves its ranks; those of `dqdata train` have a guard
        end_with(os.getppid())
    job = Job.read(Path(sys.argv[1]))
    rank = Rank(job)
    try:
        if job.task == "train":
            _train(job, rank)
        else:
            _answer(job, rank)
    except (DqdataError, ImportError) as raised:
        error = missing_extra(raised) if isinstance(raised, ImportError) else raised
        if error is None:
            raise
        # The first to fail tells why; the others only noticed.
        if not (failure := Path(job.folder) / "error.json").exists():
            write_json(failure, {"type": type(error).__name__, "message": str(error), "code": error.code})
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(3) if os.environ.get("WORLD_SIZE", "1") != "1" else sys.exit(3)
    finally:
        rank.close()


def _train(job: Job, rank: Rank) -> None:
    kind = load("trainers", job.kind)
    trainer = kind(kind.Params.model_validate(job.params))
    try:
        with boundary("trainer", job.kind):
            result = trainer.train(job.splits, Path(job.folder), rank)
    except PluginFault as fault:
        if (missing := missing_extra(fault)) is not None:
            raise missing from fault
        traceback.print_exception(fault.__cause__)  # for the log: a library's own error says little by its last line
        raise
    if rank.is_first:
        write_json(Path(job.folder) / "result.json", summary(result, job.kind))


def summary(result: Any, kind: str) -> dict[str, Any]:
    """The result of a trainer as JSON has it. Raises PluginFault for what is none."""
    if not isinstance(result, TrainResult):
        raise PluginFault(f"trainer {kind!r} returned {type(result).__name__} from `train`, and no TrainResult")
    if not Path(result.model).is_dir():
        raise PluginFault(f"trainer {kind!r} saved no model: TrainResult.model is {str(result.model)!r}, and no folder")
    wrong = {name: value for name, value in result.metrics.items() if not isinstance(value, int | float)}
    for step in result.history:
        wrong |= {name: value for name, value in step.items() if not isinstance(value, int | float | str | None)}
    if wrong:
        shown = ", ".join(f"{name} = {value!r}" for name, value in wrong.items())
        raise PluginFault(f"trainer {kind!r} gave metrics that are no Python numbers: {shown[:300]}")
    return asdict(result)


def _answer(job: Job, rank: Rank) -> None:
    from dqdata.training.answer import answer

    folder = Path(job.folder)
    rows = _questions(folder)
    evaluate = Evaluate.model_validate(job.params)
    for label in job.models:
        answer(
            rank.model(label), rows, evaluate, folder / f"answers{label}.jsonl", partial(rank.progress, unit="answers")
        )


if __name__ == "__main__":
    main()
