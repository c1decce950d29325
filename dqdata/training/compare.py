"""Compares models on the same questions: `dqdata eval trained:a@1 trained:b@2 --data heldout`.

    for one in compare(project, store, names, evaluate): print(one.name, one.score, one.p_value)

A model is anything that a trainer may start from, or `teacher:NAME` for a teacher of the project, whose answers come
through the ledger. Answers are kept per model and questions: what was answered once isn't answered again, after a kill
neither.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from dqdata.aio import gather_all
from dqdata.engine.runtime import Runtime
from dqdata.engine.tasks import Labels
from dqdata.errors import DqdataError, ProjectError
from dqdata.ids import fingerprint
from dqdata.ledger import Ledger
from dqdata.models import pinned, resolve_model
from dqdata.project.instances import make_teacher
from dqdata.project.tables import Project
from dqdata.statistics import paired
from dqdata.teacher import Completion, Message, Request, Sampling, reward_model
from dqdata.thinking import wrap
from dqdata.training.answer import unanswered
from dqdata.training.evaluation_plan import TEACHER
from dqdata.training.exact_match import Evaluate
from dqdata.training.job import Job, unpacked_models
from dqdata.training.launch import launch
from dqdata.training.plan import Split, split_of
from dqdata.training.progress import StepProgress
from dqdata.training.run import alone, verified, write_questions
from dqdata.training.score import Judged, Score

if TYPE_CHECKING:
    from dqdata.catalog import Store

NOT_ASKED = {"data", "batch_size", "verify", "verify_params", "samples", "every_steps"}
"""What changes no answer: more samples of the same questions go beside those that are there, and another verifier
judges the same answers."""


class Compared(NamedTuple):
    """p_value: of the difference from the first model; None for the first itself. groups: scores by the values of each
    column of the questions that was asked for. identity: changes when the answers could. query: of the questions, with
    their versions pinned."""

    name: str
    score: Score
    p_value: float | None
    groups: Mapping[str, Mapping[str, Score]]
    identity: str
    query: str

    def as_json(self) -> dict[str, Any]:
        by = {column: {value: one.as_json() for value, one in found.items()} for column, found in self.groups.items()}
        return {"model": self.name, **self.score.as_json(), "p_value": self.p_value, **({"by": by} if by else {})}


Keep = Callable[[str, str, Judged, Mapping[str, Sequence[Any]]], None]
"""Takes the answers of a model: its name, its identity, the answers, and the values of the columns of `by`."""


def compare(
    project: Project,
    store: Store,
    names: Sequence[str],
    evaluate: Evaluate,
    out: TextIO | None = None,
    by: Sequence[str] = (),
    keep: Keep | None = None,
) -> list[Compared]:
    """Raises InputError before any model answers, for unknown models and columns."""
    questions = split_of(store, evaluate.data, "eval --data")
    evaluate.needs(questions.columns, "eval --data")
    values = {column: _values(store, questions, column, evaluate.limit) for column in by}
    models = [_known(project, store, name) for name in names]
    compared: list[Compared] = []
    for given, (name, identity) in zip(names, models, strict=True):
        asked = {"model": identity, "query": questions.query, **evaluate.model_dump(mode="json", exclude=NOT_ASKED)}
        folder = store.work / "eval" / fingerprint(asked)[:16]
        folder.mkdir(parents=True, exist_ok=True)
        progress = StepProgress(name, out)
        with alone(folder, f"the answers of {name}"):
            if not (folder / "questions.jsonl").exists():
                write_questions(store, questions.query, evaluate, folder / "questions.jsonl")
            if name.startswith(TEACHER):
                _ask_teacher(project, store, name, evaluate, folder, progress)
            else:
                _let_answer(project, store, given, evaluate, folder, progress)
            judged = verified(folder / "answers.jsonl", evaluate, project, store)
        if keep is not None:
            keep(name, identity, judged, values)
        scored, first = judged.score, compared[0].score if compared else None
        p_value = paired(list(scored.correct_of.values()), list(first.correct_of.values())) if first else None
        groups = {column: scored.by(found) for column, found in values.items()}
        compared.append(Compared(name, scored, p_value, groups, identity, questions.query))
    return compared


def _values(store: Store, questions: Split, by: str, limit: int | None) -> list[Any]:
    """The column's value for each question. Raises ProjectError where there is no such column."""
    try:
        questions.columns.require(by)
    except DqdataError as error:
        raise ProjectError("eval --by", str(error)) from error
    batches = store.query(questions.query, repeatable=True)
    return list(itertools.islice((value for batch in batches for value in batch.column(by).to_pylist()), limit))


def _known(project: Project, store: Store, name: str) -> tuple[str, str]:
    """The model's name, with the version of one that was trained here, and its identity."""
    if name.startswith(TEACHER):
        table = project.teacher(name.removeprefix(TEACHER))
        teacher = make_teacher(table, store)
        if teacher.scores:
            raise ProjectError(f"eval {name!r}", str(reward_model(teacher.model, teacher.scores)))
        weights = {"weights": teacher.revision} if teacher.trained else {}
        params = {key: str(value) for key, value in table.params.items()}
        return name, fingerprint({"provider": table.provider, "params": params, **weights})
    ref = pinned(resolve_model(name, store, project.root, f"eval {name!r}"))
    return ref.trained or name, ref.identity


def _let_answer(
    project: Project, store: Store, name: str, evaluate: Evaluate, folder: Path, progress: StepProgress
) -> None:
    ref = pinned(resolve_model(name, store, project.root, f"eval {name!r}"))
    rows = len((folder / "questions.jsonl").read_text(encoding="utf-8").splitlines())
    if not unanswered(rows, evaluate, folder / "answers.jsonl"):
        return
    job = Job(
        task="answer",
        folder=str(folder),
        cache=str(unpacked_models(store)),
        project=str(project.path),
        profile=project.profile,
        models={"": asdict(ref)},
        params=evaluate.model_dump(mode="json"),
    )
    launch(job, 1, progress)


def _ask_teacher(
    project: Project, store: Store, name: str, evaluate: Evaluate, folder: Path, progress: StepProgress
) -> None:
    rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]

    out = folder / "answers.jsonl"
    todo = unanswered(len(rows), evaluate, out)

    async def ask_all() -> list[dict[str, Any]]:
        with Ledger(store.ledger_place) as ledger:
            async with Runtime(project, ledger, Labels("evaluate", "evaluate"), store=store) as runtime:
                teacher = runtime.at_step("eval", "eval").teacher(name.removeprefix(TEACHER))
                done = itertools.count(len(rows) * evaluate.samples - len(todo) + 1)

                async def ask(index: int, sample: int) -> dict[str, Any]:
                    messages = tuple(Message(turn["role"], turn["content"]) for turn in evaluate.prompt(rows[index]))
                    top_p = evaluate.top_p if evaluate.top_p < 1 else None
                    sampling = Sampling(evaluate.max_new_tokens, evaluate.temperature, top_p)
                    made = await teacher.complete(Request(messages, sampling, draw="eval", sample=sample))
                    progress.step(next(done), len(rows) * evaluate.samples, "answers")
                    return {**rows[index], "index": index, "sample": sample, **_as_answer(made)}

                return await gather_all(ask(index, sample) for index, sample in todo)

    try:
        lines = [json.dumps(line, default=str) + "\n" for line in asyncio.run(ask_all())]
    finally:
        progress.close()
    with out.open("a", encoding="utf-8") as file:
        file.writelines(lines)


def _as_answer(made: Completion) -> dict[str, Any]:
    return {
        "text": wrap(made.reasoning or "", made.response),
        "tokens": made.usage.output,
        "finish_reason": "length" if made.ending == "truncated" else made.finish_reason,
        "seconds": made.seconds,
    }
