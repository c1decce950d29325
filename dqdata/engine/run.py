"""One run of a pipeline, from a plan to a committed version.

>>> result = run_pipeline(project, "quickstart", store)
>>> result.catalog, result.version, result.dropped
('quickstart', 1, {'incorrect': 212, 'truncated': 3})
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import time
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from filelock import BaseFileLock, Timeout

from dqdata.calls.budget import Budget
from dqdata.calls.client import Counters
from dqdata.catalog import Store, Version
from dqdata.catalog.upkeep import state_license
from dqdata.columns import REJECTS
from dqdata.engine.append import Appending, Past, keep
from dqdata.engine.assertions import CheckOutcome, evaluate
from dqdata.engine.choice import engine_of
from dqdata.engine.counts import correct_rows, error_counts, reject_counts
from dqdata.engine.executor import RunOutput, execute
from dqdata.engine.garbage import rare_collections
from dqdata.engine.memory import database_bytes
from dqdata.engine.output import merged
from dqdata.engine.progress import Progress
from dqdata.engine.result import RunResult, passed, there_already
from dqdata.engine.runtime import Runtime
from dqdata.engine.stop import StopSignal, on_signals
from dqdata.engine.target import Reached, until_target
from dqdata.engine.tasks import Labels
from dqdata.errors import BudgetExceeded, DqdataError, Stopped
from dqdata.files import lock, make_folder
from dqdata.history.origins import allow
from dqdata.ledger import Ledger
from dqdata.project.plan import Plan, check_ready, make_plan
from dqdata.project.recipe import recipe
from dqdata.project.tables import EngineKind, EngineTable, Project

WAIT_SECONDS = 15.0


def run_pipeline(
    project: Project,
    name: str,
    store: Store,
    *,
    allow_partial: bool = False,
    workers: int | None = None,
    out: TextIO | None = None,
    budget_usd: float | None = None,
    retry_failed: bool = False,
    force: bool = False,
    limit: int | None = None,
    engine: EngineKind | None = None,
) -> RunResult:
    """Plans, runs and commits. Raises InputError, RunError; a stopped run can be run again.

    allow_partial: commits without the rows that failed and another run may save, those of a budget that ended among
    them. out: gets progress. budget_usd: instead of the pipeline's. retry_failed: processes the failed rows of the
    version that this recipe made already, and commits a new version; force: makes a new version in any case. Both take
    answers from the ledger. engine: where rows are processed, instead of
    what `[engine]` says. limit: takes the first rows of the source, into the catalog NAME__first_LIMIT; a full run
    takes the answers that it was given from the ledger.
    """
    if budget_usd is not None:
        project = project.with_budget(name, budget_usd)
    if limit is not None:
        project = project.limited(name, limit)
    plan = make_plan(project, name, store)
    if force or retry_failed or plan.made is None:
        check_ready(plan, project)
    if plan.pipeline.licenses is not None:
        new = not plan.source.reads()
        allow(store, plan.read, new, plan.license, plan.pipeline.licenses, plan.pipeline.where)
    folder = store.work / plan.pipeline.into
    make_folder(folder)
    with _alone(folder, plan, out):
        made = None if force else store.find(plan.fingerprint)
        if made is not None and not (retry_failed and _failed_rows(store, *made)):
            if plan.pipeline.license is not None:
                state_license(store, *made, plan.pipeline.license)
            return passed(there_already(store, *made, plan.pipeline), project)
        with rare_collections():
            return passed(
                _Run(
                    plan,
                    project,
                    store,
                    folder,
                    out,
                    project.engine.model_copy(update={"kind": engine}) if engine else project.engine,
                    again=force or retry_failed,
                    force=force,
                ).run(allow_partial, workers),
                project,
            )


class _Run:
    def __init__(
        self,
        plan: Plan,
        project: Project,
        store: Store,
        folder: Path,
        out: TextIO | None,
        engine: EngineTable,
        *,
        again: bool,
        force: bool,
    ) -> None:
        self.again, self.engine = again, engine
        self.plan, self.project, self.store, self.folder, self.out = plan, project, store, folder, out
        self.run_id = _run_id(folder)
        self.began, self.started_at = time.monotonic(), datetime.now(UTC)
        self.counters: list[Counters] = []
        self.output: RunOutput | None = None
        self.reached: Reached | None = None
        self.checked: tuple[CheckOutcome, ...] = ()
        self.paid_usd = 0.0
        self.kept = store.place.appended / plan.pipeline.into
        self.appending: Appending | None = None
        if plan.pipeline.mode == "append" and plan.pipeline.limit is None:
            self.appending = Appending(Past() if force else Past.load(self.kept))

    def run(self, allow_partial: bool, workers: int | None) -> RunResult:
        try:
            output = asyncio.run(self._carry_out(allow_partial, workers))
            version = self._commit(output)  # outside of the loop, whose thread can be interrupted while it waits
        except DqdataError as error:
            status = "stopped" if isinstance(error, Stopped) else "failed"
            self.store.record_run(self._record(status, None, str(error)))
            raise
        result = self._result(version)
        self.store.record_run(self._record("done", result, ""))
        shutil.rmtree(self.folder)
        return result

    async def _carry_out(self, allow_partial: bool, workers: int | None) -> RunOutput:
        pipeline, stop = self.plan.pipeline, StopSignal()
        with Ledger(self.store.ledger_place) as ledger, on_signals(stop):
            budget = Budget(pipeline.budget_usd, pipeline.budget_tokens, ledger.spent(run_id=self.run_id))
            labels = Labels(self.run_id, pipeline.name)
            async with (
                engine_of(self.engine, ledger, budget, labels, self.store.place, workers) as engine,
                Runtime(
                    self.project,
                    engine.owner,
                    labels,
                    stop=stop,
                    workers=workers,
                    seed=pipeline.seed,
                    memory_limit=pipeline.memory,
                    scratch=self.folder / "scratch",
                    store=self.store,
                    teachers=self.plan.teachers,
                    unpaid_rows_fail=allow_partial or pipeline.target_rows is not None,
                    inline=self.engine.kind == "inline",
                ) as runtime,
            ):
                progress = Progress(pipeline.max_failed_rate, runtime.counters, self.out, runtime.waiting)
                try:
                    executor = engine.executor(runtime, progress, workers)
                    async with aclosing(executor):
                        if pipeline.target_rows is None:
                            self.output = await execute(
                                self.plan,
                                runtime,
                                executor,
                                self.folder,
                                progress,
                                allow_partial=allow_partial,
                                appending=self.appending,
                            )
                        else:
                            self.reached = await until_target(
                                self.plan, runtime, executor, self.folder, progress, allow_partial=allow_partial
                            )
                            self.output = self.reached.output
                except Stopped as error:
                    commit = ", and --allow-partial commits what was paid for"
                    raise type(error)(
                        f"{error}; `{self.project.command('run', pipeline.name)}` goes on from here"
                        f"{commit if isinstance(error, BudgetExceeded) else ''}"
                    ) from error
                finally:
                    self.counters = runtime.counters()
            spent = ledger.spent(run_id=self.run_id)
            self.paid_usd = spent.cost_usd + spent.unsure_usd
        return self.output

    def _commit(self, output: RunOutput) -> Version:
        rows = merged(output.rows, self.plan.after, self.folder / "merged-rows")
        rejects = merged(output.rejects, REJECTS, self.folder / "merged-rejects")
        memory = database_bytes(self.plan.pipeline.memory)
        self.checked = tuple(evaluate(self.plan.pipeline.checks, rows, rejects, self.plan.after, memory=memory))
        if self.appending is not None and not output.partial:
            keep(self.kept, self.plan, output.source, self.appending.done)
        return self.store.commit(
            self.plan.pipeline.into,
            rows=rows,
            rejects=rejects,
            columns=self.plan.after,
            fingerprint=self.plan.fingerprint,
            recipe=recipe(self.plan, self.project.root, self.reached.limit if self.reached else None),
            run_id=self.run_id,
            partial=output.partial,
            again=self.again,
            checks=[one.record() for one in self.checked],
        )

    def _result(self, version: Version) -> RunResult:
        assert self.output is not None
        dropped, failed = reject_counts(self.output.rejects)
        return RunResult(
            self.run_id,
            version.catalog,
            version.version,
            self.output.rows_in,
            version.rows,
            dropped,
            failed,
            self._calls,
            {
                "input": sum(c.input_tokens for c in self.counters),
                "output": sum(c.output_tokens for c in self.counters),
            },
            self._cost,
            self._unpriced,
            None if self._unpriced else self.paid_usd,
            correct_rows(self.output.rows, self.plan.after),
            time.monotonic() - self.began,
            errors=error_counts(self.output.rows, self.plan.after),
            target_rows=self.plan.pipeline.target_rows,
            ended_by=self.reached.ended_by if self.reached else "",
            checks=self.checked,
            append=self._appended(),
        )

    def _appended(self) -> dict[str, Any] | None:
        if self.appending is None:
            return None
        past = self.appending.past
        since = self.store.find(past.fingerprint)
        return {
            "since": f"{since[0]}@{since[1]}" if since else "",
            "taken": self.appending.taken,
            "processed": self.appending.processed,
            "changed": past.changed(self.plan),
        }

    @property
    def _calls(self) -> dict[str, int]:
        """Calls of this attempt; of several rounds each call counts once."""
        counted = {name: sum(getattr(c, name) for c in self.counters) for name in ("made", "cached", "failed")}
        if self.reached is not None:
            counted["cached"] = max(0, self.reached.answered - counted["made"])
        return counted

    @property
    def _unpriced(self) -> tuple[str, ...]:
        return tuple(c.unpriced for c in self.counters if c.unpriced)

    @property
    def _cost(self) -> float | None:
        """USD of this attempt; None where a teacher without a price was called."""
        return None if self._unpriced else sum(c.cost_usd for c in self.counters)

    def _record(self, status: str, result: RunResult | None, error: str) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "pipeline": self.plan.pipeline.name,
            "catalog": self.plan.pipeline.into,
            "version": result.version if result else None,
            "status": status,
            "started_at": self.started_at,
            "seconds": time.monotonic() - self.began,
            "rows_in": result.rows_in if result else None,
            "rows_out": result.rows_out if result else None,
            "dropped": result.dropped if result else {},
            "failed": result.failed if result else {},
            "calls_made": sum(c.made for c in self.counters),
            "calls_cached": sum(c.cached for c in self.counters),
            "calls_failed": sum(c.failed for c in self.counters),
            "input_tokens": sum(c.input_tokens for c in self.counters),
            "output_tokens": sum(c.output_tokens for c in self.counters),
            "cost_usd": self._cost,
            "profile": self.project.profile,
            "error": error,
        }


def _alone(folder: Path, plan: Plan, out: TextIO | None) -> BaseFileLock:
    """The lock of this catalog's work; a second run says that it waits, and does."""
    held = lock(folder)
    try:
        held.acquire(timeout=0.2)
    except Timeout:
        if out is not None:
            out.write(f"another run into {plan.pipeline.into} is at work; waiting for it\n")
            out.flush()
        began = time.monotonic()
        while not _acquired(held):
            if out is not None:
                waited = int(time.monotonic() - began)
                out.write(
                    f"still waiting for the other run into {plan.pipeline.into}: {waited // 60}:{waited % 60:02}\n"
                )
                out.flush()
    make_folder(folder)
    return held


def _acquired(held: BaseFileLock) -> bool:
    """Whether the lock came within the time between two lines about waiting."""
    try:
        held.acquire(timeout=WAIT_SECONDS)
    except Timeout:
        return False
    return True


def _run_id(folder: Path) -> str:
    """Kept beside the checkpoints, so that a resumed run is the same run: budgets count over all its attempts."""
    path = folder / "run.json"
    if path.exists():
        return str(json.loads(path.read_text())["run_id"])
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    path.write_text(json.dumps({"run_id": run_id}))
    return run_id


def _failed_rows(store: Store, catalog: str, number: int) -> int:
    """Rows of a version that failed."""
    [batch] = store.query(f"select count(*) as n from {catalog}__rejects@{number} where kind = 'failed'")
    return int(batch["n"][0].as_py())
