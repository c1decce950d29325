"""Every key of a file that its table or its plug-in does not know, also where the rest of that table is wrong.

    >>> problems = Problems("pipelines.toml")
    >>> note_keys(Path("pipelines.toml"), "", Evaluate, problems)
    >>> problems.check()

A plan stops at the first step whose columns it can't derive, and looks at no teacher that no step asks. Here the keys
of all tables are read, each on its own; no store and no rows are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from dqdata.errors import InputError
from dqdata.packages import check_packages
from dqdata.plugins import load
from dqdata.project.instances import check_settings, check_source, check_teacher, make_operator, make_trainer
from dqdata.project.pipeline_table import SourceSpec, from_of, keys_of, steps_of
from dqdata.project.problems import Problems, validated
from dqdata.project.profiles import changed_by, with_profile
from dqdata.project.reading import read_tables
from dqdata.project.tables import EVALUATE, EvaluationKeys, TrainerTable, teacher_of

UNKNOWN = "unknown-key"


def note_keys(path: Path, profile: str, evaluate: type[BaseModel], problems: Problems) -> None:
    """Notes what the plug-ins of all tables refuse, and unknown keys and names of every profile. profile: the one that
    is laid over the file. evaluate: what `evaluate` of a trainer may hold. Raises ProjectError for a file that can't be
    read and a profile that it does not have."""
    tables = read_tables(path)
    laid = with_profile(tables, profile, path.name, Problems(path.name)) if profile else tables
    _Keys(path, profile, evaluate, problems).note(laid)
    profiles = tables.get("profiles")
    for name in profiles if isinstance(profiles, Mapping) else ():
        found = Problems(path.name)
        with problems.noted():
            laid = with_profile(tables, name, path.name, problems)
            _Keys(path, name, evaluate, found).note(laid, changed=True)
        for problem in found.found:
            if problem.code == UNKNOWN:
                problems.add(problem)


@dataclass(frozen=True)
class _Keys:
    path: Path
    profile: str
    evaluate: type[BaseModel]
    problems: Problems

    def note(self, tables: Mapping[str, Any], *, changed: bool = False) -> None:
        """changed: only tables that the profile changes."""
        readers = {
            "teachers": self._teacher,
            "pipelines": self._pipeline,
            "trainers": self._trainer,
            "evaluations": self._evaluation,
        }
        for kind, reader in readers.items():
            bodies = tables.get(kind)
            for name, body in bodies.items() if isinstance(bodies, Mapping) else ():
                by = changed_by(tables, self.profile, kind, name)
                if isinstance(body, Mapping) and (by or not changed):
                    reader(name, body, f"{self.path.name} [{kind}.{name}]{by}")

    def _teacher(self, name: str, body: Mapping[str, Any], where: str) -> None:
        with self.problems.noted():
            check_teacher(teacher_of(self.path, name, body, where, self.problems))

    def _pipeline(self, name: str, body: Mapping[str, Any], where: str) -> None:
        with self.problems.noted():
            keys_of(name, body, where)
        with self.problems.noted():
            check_source(from_of(body, where), f"{where} from")
        for step in steps_of(body, where, self.problems):
            with self.problems.noted():
                make_operator(step, self.path.parent)

    def _trainer(self, name: str, body: Mapping[str, Any], where: str) -> None:
        kind, measured = body.get("kind"), body.get(EVALUATE)
        if isinstance(kind, str):
            params = {key: value for key, value in body.items() if key not in ("kind", "data")}
            table = TrainerTable(name=name, kind=kind, data={}, params=params, where=where)
            with self.problems.noted():
                make_trainer(table, self.path.parent)
            self._library(table)
        if isinstance(measured, Mapping):
            with self.problems.noted():
                validated(self.evaluate, measured, f"{where} {EVALUATE}")

    def _library(self, table: TrainerTable) -> None:
        """Notes what the trainer's library refuses, such as `args`, of the keys that the trainer knows."""
        try:
            known = load("trainers", table.kind).Params.model_fields
            params = {key: value for key, value in table.params.items() if key in known}
            trainer = make_trainer(table.model_copy(update={"params": params}), self.path.parent)
            check_packages(trainer.requires(), table.where)
        except InputError:  # noted before, or by who looks for packages
            return
        with self.problems.noted():
            check_settings(trainer, table.where)

    def _evaluation(self, name: str, body: Mapping[str, Any], where: str) -> None:
        benchmark = body.get("benchmark")
        settings = {key: value for key, value in body.items() if key not in EvaluationKeys.model_fields}
        with self.problems.noted():
            validated(self.evaluate, {"data": "", **settings}, where, also=EvaluationKeys.model_fields)
        if isinstance(benchmark, Mapping):
            with self.problems.noted():
                check_source(SourceSpec(kind="benchmark", params=benchmark), f"{where} benchmark")
