"""A project in Python: what the command line does, in scripts and notebooks.

>>> project = dqdata.open("pipelines.toml")
>>> project.plan("quickstart").cost_usd
0.0
>>> project.run("quickstart").version                 # in a running event loop: await project.arun("quickstart")
1
>>> project.catalog("quickstart").polars()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from dqdata.aio import awaitable, outside_loop
from dqdata.api.catalogs import Catalogs
from dqdata.api.deployments import Deployments
from dqdata.api.experiments import Experiments
from dqdata.api.results import Build, Check, Comparison
from dqdata.api.versions import one_version
from dqdata.downloads import without_downloads

if TYPE_CHECKING:
    from dqdata.api.plans import PlanReport
    from dqdata.engine.apply import Applied
    from dqdata.engine.pilot import PilotResult
    from dqdata.engine.rebuild import Rebuilt
    from dqdata.engine.recorded import Tested
    from dqdata.engine.result import RunResult
    from dqdata.project.tables import Project as Tables
    from dqdata.source import StoreView
    from dqdata.training.build import Node
    from dqdata.training.run import Prepared, TrainOutcome


class Project(Catalogs, Experiments, Deployments):
    """One pipelines.toml, with one profile laid over it, and the store of its catalogs.

    Methods whose names begin with `a` are the asynchronous forms of those without: they work in a thread, and other
    tasks go on. The others may be called from a cell of a notebook too, where a loop runs; they then block it. Both
    raise InputError before anything ran, and RunError for what the same call goes on with.
    """

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables.store, group=tables.store_group, profile=tables.profile)
        self.tables = tables

    @property
    def path(self) -> Path:
        """The pipelines.toml."""
        return self.tables.path

    @property
    def profile(self) -> str:
        return self.tables.profile

    @property
    def pipelines(self) -> Sequence[str]:
        return tuple(self.tables.pipelines)

    @property
    def trainers(self) -> Sequence[str]:
        return tuple(self.tables.trainers)

    def __repr__(self) -> str:
        laid = f", profile {self.profile}" if self.profile else ""
        return f"<Project {self.path}{laid}: {', '.join((*self.pipelines, *self.trainers))}>"

    def _repr_html_(self) -> str:
        from dqdata.notebook import fields

        about = {"project": str(self.path), "profile": self.profile, "pipelines": ", ".join(self.pipelines)}
        return fields({**about, "trainers": ", ".join(self.trainers), "store": str(self.place)})

    @without_downloads()
    def check(self, names: Sequence[str] = (), *, leaks: bool = False) -> Check:
        """What is wrong in pipelines and trainers, found without a call and without reading rows. names: by default
        all. leaks: reads the trainers' data too, and adds problems that are learnt from and measured on."""
        from dqdata.catalog import Store
        from dqdata.project.check import Problem, check_project
        from dqdata.project.keys import note_keys
        from dqdata.project.paths import outside_paths
        from dqdata.project.problems import Problems
        from dqdata.training.evaluation_plan import check_evaluations
        from dqdata.training.exact_match import Evaluate
        from dqdata.training.leaks import find_leaks
        from dqdata.training.plan import check_trainer

        warnings = outside_paths(self.path)
        keys = Problems(self.path.name)
        if not names:
            note_keys(self.path, self.profile, Evaluate, keys)
        with self._view() as store:
            trainer = partial(check_trainer, self.tables, store if isinstance(store, Store) else None)
            problems, checked = check_project(self.tables, store, names, trainer)
            found = find_leaks(self.tables, store) if leaks else None
        first = [Problem(str(error), error.code) for error in keys.found]
        wrong = [] if names else [Problem(str(error), error.code) for error in check_evaluations(self.tables)]
        leaked = [Problem(str(leak), "leak") for leak in found.leaks] if found else []
        evaluations = () if names else self.tables.evaluations
        every = list(dict.fromkeys([*first, *problems, *wrong, *leaked]))
        return Check([*checked, *evaluations], every, warnings, found)

    @outside_loop
    @without_downloads()
    def plan(
        self, name: str, *, limit: int | None = None, budget_usd: float | None = None, retry_failed: bool = False
    ) -> PlanReport:
        """What a run of a pipeline would do, and what it would cost; makes no call. Answers that the ledger has are
        subtracted. Pipelines that feed it may not have run yet. limit: a run over the first rows of the source.
        budget_usd: instead of the pipeline's. retry_failed: a run over the failed rows of the version that is there."""
        from dqdata.api.plans import PlanReport
        from dqdata.engine.forecast import forecast
        from dqdata.project.check import plans_ahead

        self.tables.pipeline(name)
        tables = self.tables if budget_usd is None else self.tables.with_budget(name, budget_usd)
        if limit is not None:
            tables = tables.limited(name, limit)
        with self._view() as store:
            plan = plans_ahead(tables, [name], store)[name]
            return PlanReport.of(plan, tables, forecast(plan, tables, store, retry_failed=retry_failed))

    @outside_loop
    def run(
        self,
        name: str,
        *,
        allow_partial: bool = False,
        budget_usd: float | None = None,
        retry_failed: bool = False,
        force: bool = False,
        limit: int | None = None,
        workers: int | None = None,
        engine: Literal["local", "inline", "spawn", "ray"] | None = None,
        out: TextIO | None = None,
    ) -> RunResult:
        """Runs a pipeline and commits a version of its catalog; one that was stopped goes on where it was.

        allow_partial: commits without the rows that failed and another run may save. budget_usd: instead of the
        pipeline's. retry_failed: processes the failed rows of the version that this recipe made already, into a new
        one. force: makes a new version in any case. limit: takes the first rows of the source, into
        NAME__first_LIMIT. workers: CPU processes, by default one a core. engine: where rows are processed, instead of
        what `[engine]` says; "inline" is for debuggers. out: gets the progress.
        """
        from dqdata.engine.run import run_pipeline

        self.tables.pipeline(name)
        with self._writable() as store:
            return run_pipeline(
                self.tables,
                name,
                store,
                allow_partial=allow_partial,
                budget_usd=budget_usd,
                retry_failed=retry_failed,
                force=force,
                limit=limit,
                workers=workers,
                engine=engine,
                out=out,
            )

    @outside_loop
    def pilot(
        self,
        name: str,
        rows: int,
        *,
        workers: int | None = None,
        budget_usd: float | None = None,
        engine: Literal["local", "inline", "spawn", "ray"] | None = None,
        out: TextIO | None = None,
    ) -> PilotResult:
        """Runs over the first rows, as `run(limit=rows)`, and states yield, cost and time of a run over all, each with
        a 95% interval. The full run takes its answers from the ledger."""
        from dqdata.engine.pilot import pilot

        self.tables.pipeline(name)
        with self._writable() as store:
            return pilot(self.tables, name, store, rows, workers=workers, budget_usd=budget_usd, engine=engine, out=out)

    @outside_loop
    def rebuild(
        self, version: str, *, replay: bool = True, workers: int | None = None, out: TextIO | None = None
    ) -> Rebuilt:
        """Remakes a version (`NAME@3`) from its recipe and compares every row; commits nothing. replay: answers come
        from the ledger alone, and no key is needed; otherwise teachers are called for what the ledger lacks."""
        from dqdata.engine.rebuild import rebuild

        with self._writable(there=True) as store:
            at = one_version(store, version)
            return rebuild(self.tables, store, *at, calls=not replay, workers=workers, out=out)

    @outside_loop
    def record_test(
        self, name: str, rows: int, *, workers: int | None = None, out: TextIO | None = None
    ) -> tuple[Path, int]:
        """Runs a pipeline over the first rows of its source and freezes them with the answers that they used, in
        tests/recorded/NAME beside pipelines.toml. Returns the folder and the number of answers."""
        from dqdata.engine.recorded import record

        with self._writable() as store:
            return record(self.tables, store, name, rows, workers=workers, out=out)

    @outside_loop
    def test(self, *names: str, workers: int | None = None) -> list[Tested]:
        """Executes pipelines, by default all that have a recorded test, over their recorded rows with the recorded
        answers: without a key, without a request."""
        from dqdata.engine.recorded import recorded, verify

        with self._view() as store:
            return list(verify(self.tables, store, names or recorded(self.tables), workers=workers))

    def plan_build(self, *names: str, processes: int = 1) -> Build:
        """What a build would make, in order and why; makes nothing."""
        from dqdata.catalog import Store
        from dqdata.training.build import plan_build

        with self._view() as store:
            return Build(
                plan_build(self.tables, names, store if isinstance(store, Store) else None, processes=processes)
            )

    @outside_loop
    def build(
        self,
        *names: str,
        allow_partial: bool = False,
        workers: int | None = None,
        processes: int = 1,
        out: TextIO | None = None,
        begin: Callable[[Node], None] | None = None,
        report: Callable[[Node], None] | None = None,
    ) -> Build:
        """Runs and trains what the names depend on, where it is not up to date, then themselves. The first failure ends
        it; what was made stays. begin, report: called with each node before it is made, and when it is there."""
        from dqdata.training.build import build, check_names

        began = time.monotonic()
        check_names(self.tables, names)
        with self._writable() as store:
            nodes = build(
                self.tables,
                names,
                store,
                allow_partial=allow_partial,
                workers=workers,
                processes=processes,
                out=out,
                begin=begin,
                report=report or (lambda node: None),
            )
        return Build(nodes, time.monotonic() - began)

    @outside_loop
    def train(
        self, name: str, keys: Sequence[str] = (), *, processes: int = 1, out: TextIO | None = None
    ) -> TrainOutcome:
        """Trains a model and records it as `trained:NAME@version`; a training that was stopped goes on from its newest
        whole checkpoint. keys: of the trainer's table for this training, such as "args.learning_rate=1e-5".
        processes: ranks on this machine."""
        from dqdata.training.run import train

        self.tables.trainer(name)
        with self._writable() as store:
            return train(self.tables, name, store, keys=keys, processes=processes, out=out)

    @outside_loop
    def train_on_nodes(
        self, name: str, keys: Sequence[str] = (), *, nodes: int, processes: int = 1, out: TextIO | None = None
    ) -> TrainOutcome | Prepared:
        """Training on several machines that see one folder: writes the job with the lines that start it there; called
        again when it has ended, records the model. processes: ranks on each machine."""
        from dqdata.training.run import train_on_nodes

        self.tables.trainer(name)
        with self._writable() as store:
            return train_on_nodes(self.tables, name, store, nodes=nodes, keys=keys, processes=processes, out=out)

    @outside_loop
    def eval(
        self,
        /,
        *models: str,
        on: str | None = None,
        path: Path | str | None = None,
        data: str | None = None,
        by: str | Sequence[str] | None = None,
        out: TextIO | None = None,
        **settings: Any,
    ) -> Comparison:
        """Measures models on the same questions: trained:NAME@version, a folder, a GGUF file, a hub name, or
        teacher:NAME. Answers are kept: what was answered once is not answered again. They become a version of the
        catalog `eval_NAME`, and the scores rows of dq_evals.

        on: an evaluation of the project, or a public benchmark, such as math500. path: a local copy of the benchmark.
        data: SQL or a catalog with question, and answer or tests; in place of `on`. by: columns whose values have
        scores of their own. settings: keys of a trainer's `evaluate` table, such as samples, temperature,
        max_new_tokens, limit, verify, user, system, seed, top_p, chat_template_kwargs.
        """
        from dqdata.training.evaluation import evaluate_models
        from dqdata.training.evaluation_plan import Asked, settle

        columns = (by,) if isinstance(by, str) else None if by is None else tuple(by)
        asked = Asked(on, None if path is None else Path(path), data, columns, settings)
        evaluation = settle(self.tables, models, asked)
        with self._writable() as store:
            done = evaluate_models(self.tables, store, evaluation, out)
            return Comparison(done.models, done.answers)

    arun = awaitable(run)
    abuild = awaitable(build)
    atrain = awaitable(train)
    aeval = awaitable(eval)

    @contextmanager
    def _view(self) -> Iterator[StoreView]:
        """The store for looking only; a project that has never run has an empty one, and none is made."""
        from dqdata.catalog import Store
        from dqdata.project.check import NoStore

        if not Store.exists(self.place):
            yield NoStore()
            return
        with Store.open(self.place, read_only=True) as store:
            yield store


def open(path: Path | str | None = None, *, profile: str = "") -> Project:
    """The project of a pipelines.toml, or of a folder that holds one; by default the nearest in this folder or above.

    profile: the name of a `[profiles.NAME]` to lay over it; its catalogs have a store of their own. Reads and checks
    the file, and nothing else. Raises ProjectError if it cannot be read, and ProjectErrors with everything that is
    wrong with its keys, each with file and table.
    """
    from dqdata.errors import ProjectError, ProjectErrors
    from dqdata.project.keys import note_keys
    from dqdata.project.problems import Problems
    from dqdata.project.reading import FILE, find_project, project_file
    from dqdata.project.tables import read_project
    from dqdata.training.exact_match import Evaluate

    named = find_project(Path.cwd()) if path is None else Path(path)
    try:
        return Project(read_project(named, profile))
    except ProjectError as error:  # one mistake hides no other
        problems = Problems(FILE)
        problems.add(error)
        note_keys(project_file(named.absolute()), profile, Evaluate, problems)
        raise ProjectErrors(FILE, problems.found) from None


@outside_loop
def apply(
    op: str,
    params: Mapping[str, Any],
    file: Path | str,
    target: Path | str,
    *,
    project: Project | None = None,
    columns: Mapping[str, str] | None = None,
    workers: int | None = None,
    out: TextIO | None = None,
) -> Applied:
    """Runs one operator on a Parquet, JSONL or CSV file: kept rows to `target`, rejects to `target.rejects.ENDING`.

    project: has its teachers and ledger, and the catalogs that it may read; other operators need none. columns: new
    names to the file's own. workers: CPU processes, by default one a core. out: gets the progress.
    """
    from dqdata.engine.apply import apply_operator

    tables = project.tables if project is not None else None
    return apply_operator(
        op, params, Path(file), Path(target), project=tables, columns=columns, workers=workers, out=out
    )
