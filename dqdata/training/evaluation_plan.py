"""Which models an evaluation measures, on which questions and with which settings; nothing is measured here.

    evaluation = settle(project, ("trained:sft@2",), Asked(on="math500"))
    check_evaluations(project)           # what is wrong in the tables [evaluations.NAME]

Apart from `evaluation.py`, so that `dqdata check` starts without the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dqdata.benchmarks import BENCHMARKS, find
from dqdata.errors import InputError, ProjectError, nearest
from dqdata.project.check import NoStore
from dqdata.project.pipeline_table import SourceSpec
from dqdata.project.problems import validated
from dqdata.project.tables import EvaluationKeys, Project
from dqdata.refs import catalog_ref, check_name
from dqdata.training.exact_match import Evaluate
from dqdata.training.plan import verifier

ANSWERS, QUESTIONS = "eval_", "benchmark_"
"""What names of catalogs begin with: of answers, and of the questions of a benchmark."""
TEACHER = "teacher:"
"""What the name of a model begins with that is a teacher of the project."""
SAMPLING = 0.6
"""Temperature of several samples: what reasoning models are usually measured at."""
BENCHMARK_TOKENS = 8192
"""max_new_tokens for a benchmark: room for reasoning; a model ends its answer long before where it does not reason."""
ROUTER = "verify"
"""Operator that verifies a benchmark's answers: each by its answer_type."""


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


def settle(project: Project, models: Sequence[str], asked: Asked) -> Evaluation:
    """Raises ProjectError for names, keys and settings that are wrong."""
    settled = _settled(project, models, asked)
    far = [name for name in settled.models if name.startswith(TEACHER)]
    if settled.evaluate.chat_template_kwargs and far:
        raise ProjectError(
            project.evaluation(asked.on).where if asked.on and asked.on in project.evaluations else f"eval {far[0]!r}",
            f"chat_template_kwargs are for models that are rendered here; set `extra_body` in the table of {far[0]!r}",
            code="invalid-value",
        )
    return settled


def _settled(project: Project, models: Sequence[str], asked: Asked) -> Evaluation:
    if (asked.on is None) == (asked.data is None):
        raise ProjectError("eval", "name what to measure on, by one of --on BENCHMARK, --on EVALUATION and --data SQL")
    if asked.path is not None and (asked.on is None or asked.on in project.evaluations):
        raise ProjectError("eval --path", "is a local copy of the benchmark that --on names")
    if asked.on in project.evaluations:
        return _of_table(project, models, asked)
    if asked.data is not None:
        named = catalog_ref(asked.data)
        evaluate = _settings({"data": asked.data, **asked.settings}, "eval")
        return Evaluation(
            named.name if named else "query", _some(project, models, "eval"), evaluate, asked.by or (), None
        )
    if asked.on not in BENCHMARKS:
        known = (*project.evaluations, *BENCHMARKS)
        raise ProjectError(
            "eval --on",
            f"no evaluation or benchmark {asked.on!r}{nearest(str(asked.on), known)} (have: {', '.join(known)})",
        )
    params = {"name": asked.on} if asked.path is None else {"name": asked.on, "path": str(asked.path.absolute())}
    return _of_benchmark(asked.on, _some(project, models, "eval"), params, asked.by, asked.settings, "eval")


def _of_table(project: Project, models: Sequence[str], asked: Asked) -> Evaluation:
    table = project.evaluation(str(asked.on))
    chosen = _some(project, models or table.models, table.where)
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


def _some(project: Project, models: Sequence[str], where: str) -> tuple[str, ...]:
    for model in models:
        if model.startswith(TEACHER):
            project.teacher(model.removeprefix(TEACHER))
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
            verifier(evaluation.evaluate, table.where, project, NoStore())
        except InputError as error:
            found.append(error)
    return found
