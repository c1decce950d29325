"""Evaluations: what `dqdata eval` measures models on, and where results are kept.

    evaluation = settle(project, ("trained:sft@2",), Asked(on="math500"))
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
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dqdata.benchmarks import BENCHMARKS, find
from dqdata.columns import VOCABULARY, Columns, arrow_schema
from dqdata.engine.run import run_pipeline
from dqdata.errors import InputError, ProjectError, nearest
from dqdata.files import make_folder
from dqdata.ids import digest, fingerprint
from dqdata.project.problems import validated
from dqdata.project.recipe import versions
from dqdata.project.tables import EvaluationKeys, Pipeline, Project, SourceSpec, plain
from dqdata.refs import TRAINED, catalog_ref, check_name
from dqdata.sql import versions_read
from dqdata.training.compare import Compared, compare
from dqdata.training.exact_match import Evaluate
from dqdata.training.plan import verifier
from dqdata.training.score import Judged

if TYPE_CHECKING:
    from dqdata.catalog import Store

ANSWERS, QUESTIONS = "eval_", "benchmark_"
"""What names of catalogs begin with: of answers, and of the questions of a benchmark."""
SAMPLING = 0.6
"""Temperature of several samples: what reasoning models are usually measured at."""
BENCHMARK_TOKENS = 8192
"""max_new_tokens for a benchmark: room for reasoning; a model ends its answer long before where it does not reason."""
ROUTER = "verify"
"""Operator that verifies a benchmark's answers: each by its answer_type."""
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
class Asked:
    """What the caller says. on: an evaluation of the project, or a benchmark. path: a local copy of the benchmark.
    data: SQL or a catalog, in place of `on`. settings: keys of `Evaluate`, over those of the evaluation's table."""

    on: str | None = None
    path: Path | None = None
    data: str | None = None
    by: tuple[str, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """name: of its answers, after `eval_`. source: of a benchmark's questions; None where `evaluate.data` has them."""

    name: str
    models: tuple[str, ...]
    evaluate: Evaluate
    by: tuple[str, ...]
    source: SourceSpec | None


@dataclass(frozen=True)
class Evaluated:
    """models: in the order asked for. answers: the version of the catalog that holds every answer."""

    models: Sequence[Compared]
    answers: str


def settle(project: Project, models: Sequence[str], asked: Asked) -> Evaluation:
    """Raises ProjectError for names, keys and settings that are wrong."""
    if (asked.on is None) == (asked.data is None):
        raise ProjectError("eval", "name what to measure on, by one of --on BENCHMARK, --on EVALUATION and --data SQL")
    if asked.path is not None and (asked.on is None or asked.on in project.evaluations):
        raise ProjectError("eval --path", "is a local copy of the benchmark that --on names")
    if asked.on in project.evaluations:
        return _of_table(project, models, asked)
    if asked.data is not None:
        named = catalog_ref(asked.data)
        evaluate = _settings({"data": asked.data, **asked.settings}, "eval")
        return Evaluation(named.name if named else "query", _some(models, "eval"), evaluate, asked.by or (), None)
    if asked.on not in BENCHMARKS:
        known = (*project.evaluations, *BENCHMARKS)
        raise ProjectError(
            "eval --on",
            f"no evaluation or benchmark {asked.on!r}{nearest(str(asked.on), known)} (have: {', '.join(known)})",
        )
    params = {"name": asked.on} if asked.path is None else {"name": asked.on, "path": str(asked.path.absolute())}
    return _of_benchmark(asked.on, _some(models, "eval"), params, asked.by, asked.settings, "eval")


def _of_table(project: Project, models: Sequence[str], asked: Asked) -> Evaluation:
    table = project.evaluation(str(asked.on))
    chosen = _some(models or table.models, table.where)
    by = asked.by if asked.by is not None else table.by
    settings = {**table.params, **asked.settings}
    if table.benchmark is None:
        return Evaluation(table.name, chosen, _settings(settings, table.where), by or (), None)
    params = {"name": table.benchmark} if isinstance(table.benchmark, str) else table.benchmark
    if not isinstance(params.get("name"), str):
        raise ProjectError(table.where, "benchmark as a table needs the key `name`", code="missing-key")
    return _of_benchmark(table.name, chosen, params, by, settings, table.where)


def _of_benchmark(
    name: str,
    models: tuple[str, ...],
    params: Mapping[str, Any],
    by: tuple[str, ...] | None,
    settings: Mapping[str, Any],
    where: str,
) -> Evaluation:
    benchmark = find(str(params["name"]), where)
    usual = {"user": benchmark.user, "verify": ROUTER, "max_new_tokens": BENCHMARK_TOKENS}
    evaluate = _settings({**usual, **settings, "data": f"{QUESTIONS}{benchmark.name}"}, where)
    source = SourceSpec(kind="benchmark", params=params)
    return Evaluation(name, models, evaluate, benchmark.by if by is None else by, source)


def _settings(given: Mapping[str, Any], where: str) -> Evaluate:
    """With a temperature where several samples have none."""
    several = given.get("samples", 1) != 1
    settings = {**({"temperature": SAMPLING} if several else {}), **given}
    evaluate = validated(Evaluate, settings, where, also=EvaluationKeys.model_fields)
    if evaluate.every_steps is not None:
        raise ProjectError(where, "every_steps is for the `evaluate` table of a trainer", code="invalid-value")
    return evaluate


def _some(models: Sequence[str], where: str) -> tuple[str, ...]:
    if not models:
        raise ProjectError(where, "name the models to measure, such as trained:NAME@latest or teacher:NAME")
    return tuple(dict.fromkeys(models))


def check_evaluations(project: Project) -> list[InputError]:
    """What is wrong in the evaluations of a project, as far as it can be known without models and catalogs."""
    found: list[InputError] = []
    for name, table in project.evaluations.items():
        try:
            check_name(f"{ANSWERS}{name}")
            evaluation = settle(project, table.models or ("any",), Asked(on=name))
            verifier(evaluation.evaluate, table.where, project, _nothing())
        except InputError as error:
            found.append(error)
    return found


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


def _nothing() -> Any:
    from dqdata.project.check import NoStore

    return NoStore()
