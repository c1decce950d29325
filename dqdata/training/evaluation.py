"""Evaluations: what `dqdata eval` measures models on, and where results are kept.

    evaluation = settle(project, ("trained:sft@2",), Asked(on="math500"))  # evaluation_plan.py
    done = evaluate_models(project, store, evaluation, out=sys.stderr)
    done.answers                         # 'eval_math500@1': every answer with its verdict
    select * from dq_evals               # every score

Questions are a catalog or SQL, or a public benchmark, which is imported first (`benchmark_math500`), so that its rows
have versions too.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dqdata.columns import VOCABULARY, Columns, arrow_schema
from dqdata.engine.run import run_pipeline
from dqdata.files import make_folder
from dqdata.ids import digest, fingerprint
from dqdata.project.pipeline_table import Pipeline
from dqdata.project.recipe import versions
from dqdata.project.tables import Project, plain
from dqdata.refs import TRAINED, check_name
from dqdata.sql import versions_read
from dqdata.training.compare import Compared, compare
from dqdata.training.evaluation_plan import ANSWERS, Evaluation
from dqdata.training.exact_match import Evaluate
from dqdata.training.plan import verifier
from dqdata.training.score import Judged

if TYPE_CHECKING:
    from dqdata.catalog import Store

_OWN = {
    "question": "VARCHAR",
    "answer": "VARCHAR",
    "model": "VARCHAR",
    "sample": "BIGINT",
    "reasoning": "VARCHAR",
    "response": "VARCHAR",
    "extracted": "VARCHAR",
    "verdict": "VARCHAR",
    "verdict_reason": "VARCHAR",
    "correct": "BOOLEAN",
    "tests_passed": "BIGINT",
    "tests_total": "BIGINT",
    "error": "VARCHAR",
    "output_tokens": "BIGINT",
    "seconds": "DOUBLE",
    "finish_reason": "VARCHAR",
}


@dataclass(frozen=True)
class Evaluated:
    """models: in the order asked for. answers: the version of the catalog that holds every answer."""

    models: Sequence[Compared]
    answers: str


def evaluate_models(project: Project, store: Store, evaluation: Evaluation, out: TextIO | None = None) -> Evaluated:
    """Lets each model answer, verifies, commits the answers and records the scores. What was answered and recorded
    before is taken as it is. Raises InputError before any model answers."""
    check_name(f"{ANSWERS}{evaluation.name}")
    verifier(evaluation.evaluate, "eval", project, store)
    if evaluation.source is not None:
        evaluation = replace(evaluation, evaluate=_with_questions(project, store, evaluation, out))
    kept = _Answers(store.work / "eval" / f"answers-{uuid.uuid4().hex}", evaluation.by)
    try:
        compared = compare(project, store, evaluation.models, evaluation.evaluate, out, evaluation.by, kept.keep)
        return Evaluated(compared, _commit(project, store, evaluation, compared, kept))
    finally:
        shutil.rmtree(kept.folder, ignore_errors=True)


def _with_questions(project: Project, store: Store, evaluation: Evaluation, out: TextIO | None) -> Evaluate:
    """Imports the benchmark; the settings with the version that it made."""
    assert evaluation.source is not None
    into = evaluation.evaluate.data
    pipeline = Pipeline(into=into, name=into, source=evaluation.source, steps=(), where=f"benchmark {into}")
    with_it = project.model_copy(update={"pipelines": {**project.pipelines, into: pipeline}})
    made = run_pipeline(with_it, into, store)
    if out is not None and not made.unchanged:
        out.write(f"{into}@{made.version}: {made.rows_out:,} questions\n")
    return evaluation.evaluate.model_copy(update={"data": f"{into}@{made.version}"})


class _Answers:
    """One Parquet file a model, until they become a version."""

    def __init__(self, folder: Path, by: Sequence[str]) -> None:
        self.folder, self.files = folder, list[Path]()
        kinds = {name: VOCABULARY[name].type for name in by if name in VOCABULARY}
        also = {name: kinds.get(name, "VARCHAR") for name in by if name not in _OWN}
        self.columns = Columns({"problem_id": "VARCHAR", "trace_id": "VARCHAR", **_OWN, **also})
        make_folder(folder)

    def keep(self, name: str, identity: str, judged: Judged, values: Mapping[str, Sequence[Any]]) -> None:
        """values: of each column of `by`, by question."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = []
        for answer in judged.answers:
            index = int(answer["index"])
            problem = str(answer.get("problem_id") or index)
            also = {column: None if found[index] is None else str(found[index]) for column, found in values.items()}
            said = {**answer, **also, "output_tokens": answer["tokens"], "model": name, "problem_id": problem}
            said["trace_id"] = digest(
                "eval", identity, str(len(self.files)), problem, str(index), str(answer["sample"])
            )
            said["answer"] = None if answer.get("answer") is None else str(answer["answer"])
            rows.append({column: said.get(column) for column in self.columns})
        file = self.folder / f"{len(self.files)}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, arrow_schema(self.columns)), file)
        self.files.append(file)


def _commit(
    project: Project, store: Store, evaluation: Evaluation, compared: Sequence[Compared], kept: _Answers
) -> str:
    """The version of the answers, and its scores in dq_evals; both once, however often they were asked for."""
    evaluate = evaluation.evaluate
    settings = evaluate.model_dump(mode="json", exclude={"data", "batch_size", "every_steps"})
    made_of = {
        "evaluation": evaluation.name,
        "query": compared[0].query,
        "settings": settings,
        "verifier": verifier(evaluate, "eval", project, store),
        "models": {one.name: one.identity for one in compared},
        "by": list(evaluation.by),
    }
    trained = [one.name for one in compared if one.name.startswith(TRAINED)]
    version = store.commit(
        f"{ANSWERS}{evaluation.name}",
        rows=kept.files,
        rejects=[],
        columns=kept.columns,
        fingerprint=fingerprint(made_of),
        recipe={
            **plain(made_of),
            "inputs": [*versions_read(compared[0].query), *trained],
            "versions": versions(),
            "source": {"kind": "evaluation", "params": {"name": evaluation.name}},
        },
        run_id=f"eval-{uuid.uuid4().hex[:12]}",
    )
    answers = f"{version.catalog}@{version.version}"
    benchmark = evaluation.source.params["name"] if evaluation.source is not None else None
    now = datetime.now(UTC)
    store.record_evals(
        answers,
        [
            {
                "evaluation": evaluation.name,
                "benchmark": benchmark,
                "model": one.name,
                "answers": answers,
                "data": compared[0].query,
                "questions": one.score.total,
                "samples": one.score.samples,
                "pass_at_1": one.score.accuracy,
                "low": one.score.interval.low,
                "high": one.score.interval.high,
                "majority": one.score.majority,
                "tokens": one.score.tokens.mean,
                "seconds": one.score.seconds.mean,
                "scores": json.dumps(one.as_json()),
                "settings": json.dumps(settings),
                "created_at": now + timedelta(microseconds=number),  # which was measured first stays known
            }
            for number, one in enumerate(compared)
        ],
    )
    return answers
