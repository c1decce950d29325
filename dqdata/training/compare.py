"""Compares models on the same questions: `dqdata eval trained:a@1 trained:b@2 --data heldout`.

    for name, scored, p_value in compare(project, store, names, evaluate, out=None): ...

A model is anything that a trainer may start from, or `teacher:NAME` for a teacher of the project, whose answers come
through the ledger. Answers are kept per model and questions: what was answered once isn't answered again, after a kill
neither.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from dqdata.aio import gather_all
from dqdata.engine.runtime import Labels, Runtime
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
from dqdata.training.exact_match import Evaluate
from dqdata.training.job import Job
from dqdata.training.launch import launch
from dqdata.training.plan import Split, split_of
from dqdata.training.progress import StepProgress
from dqdata.training.run import alone, unpacked_models, verified, write_questions
from dqdata.training.score import Score

if TYPE_CHECKING:
    from dqdata.catalog import Store

TEACHER = "teacher:"
NOT_ASKED = {"data", "batch_size", "verify", "verify_params", "samples", "every_steps"}
"""What changes no answer: more samples of the same questions go beside those that are there, and another verifier
judges the same answers."""


class Compared(NamedTuple):
    """p_value: of the difference from the first model; None for the first itself. groups: scores by the values of a
    column of the questions."""

    name: str
    score: Score
    p_value: float | None
    groups: Mapping[str, Score]


def compare(
    project: Project,
    store: Store,
    names: Sequence[str],
    evaluate: Evaluate,
    out: TextIO | None = None,
    by: str | None = None,
) -> list[Compared]:
    """Raises InputError before any model answers, for unknown models and columns."""
    questions = split_of(store, evaluate.data, "eval --data")
    evaluate.needs(questions.columns, "eval --data")
    values = _values(store, questions, by, evaluate.limit) if by else []
    identities = [_identity(project, store, name) for name in names]

    compared: list[Compared] = []
    for name, identity in zip(names, identities, strict=True):
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
                _let_answer(project, store, name, evaluate, folder, progress)
            scored = verified(folder / "answers.jsonl", evaluate, project, store)
        first = compared[0].score if compared else None
        p_value = paired(list(scored.correct_of.values()), list(first.correct_of.values())) if first else None
        compared.append(Compared(name, scored, p_value, scored.by(values) if by else {}))
    return compared


def _values(store: Store, questions: Split, by: str, limit: int | None) -> list[Any]:
    """The column's value for each question. Raises ProjectError where there is no such column."""
    try:
        questions.columns.require(by)
    except DqdataError as error:
        raise ProjectError("eval --by", str(error)) from error
    batches = store.query(questions.query, repeatable=True)
    return list(itertools.islice((value for batch in batches for value in batch.column(by).to_pylist()), limit))


def _identity(project: Project, store: Store, name: str) -> str:
    if name.startswith(TEACHER):
        table = project.teacher(name.removeprefix(TEACHER))
        teacher = make_teacher(table, store)
        if teacher.scores:
            raise ProjectError(f"eval {name!r}", str(reward_model(teacher.model, teacher.scores)))
        weights = {"weights": teacher.revision} if teacher.trained else {}
        params = {key: str(value) for key, value in table.params.items()}
        return fingerprint({"provider": table.provider, "params": params, **weights})
    return pinned(resolve_model(name, store, project.root, f"eval {name!r}")).identity


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
        with Ledger(store.ledger_path) as ledger:
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
