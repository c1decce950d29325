"""Experiments and audits of a project."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TextIO

from dqdata.aio import outside_loop

if TYPE_CHECKING:
    from dqdata.api.plans import PlanReport
    from dqdata.catalog import Store
    from dqdata.experiments.ablate import AblationPlan
    from dqdata.experiments.comparison import Ablation
    from dqdata.project.tables import Project as Tables
    from dqdata.reports.audit import Finding
    from dqdata.source import StoreView


class Experiments:
    """The part of a project's API that compares; `Project` is the whole of it."""

    tables: Tables

    @abstractmethod
    def _view(self) -> AbstractContextManager[StoreView]: ...

    @abstractmethod
    def _writable(self, *, there: bool = False) -> Store: ...

    def plan_ablation(self, name: str) -> AblationPlan:
        """The arms of an experiment, the calls that each would make and share, and their cost; makes no call."""
        from dqdata.experiments.ablate import plan_ablation

        with self._view() as store:
            return plan_ablation(self.tables, name, store)

    @outside_loop
    def ablate(
        self,
        name: str,
        *,
        workers: int | None = None,
        processes: int = 1,
        out: TextIO | None = None,
        report: Callable[[str], None] | None = None,
    ) -> Ablation:
        """Runs the arms of `[experiments.NAME]`, trains and evaluates them at equal tokens, and compares them; one that
        was stopped goes on where it was. report: gets a line for each catalog and model that is there."""
        from dqdata.experiments.ablate import ablate

        self.tables.experiment(name)
        with self._writable() as store:
            return ablate(self.tables, name, store, workers=workers, processes=processes, out=out, report=report)

    def plan_probes(self, version: str, judge: str, *, rows: int = 50) -> PlanReport:
        """What the probes of `audit` would call and cost; makes no call."""
        from dqdata.api.plans import PlanReport
        from dqdata.api.versions import one_version
        from dqdata.engine.forecast import forecast
        from dqdata.experiments.probes import with_probes
        from dqdata.project.plan import make_plan

        with self._writable(there=True) as store:
            tables, name = with_probes(self.tables, store, *one_version(store, version), judge, rows)
            plan = make_plan(tables, name, store)
            return PlanReport.of(plan, tables, forecast(plan, tables, store))

    @outside_loop
    def audit(
        self,
        version: str,
        *,
        judge: str | None = None,
        probes: int = 50,
        budget_usd: float | None = None,
        out: TextIO | None = None,
    ) -> tuple[str, Sequence[Finding]]:
        """Findings about a version (`NAME@3`), which become rows of dq_checks; returns its name with them. judge: a
        teacher whose bias by length and position is probed on so many rows, three calls each. budget_usd: of these."""
        from dqdata.api.versions import one_version
        from dqdata.engine.run import run_pipeline
        from dqdata.experiments.probes import biases, with_probes
        from dqdata.reports.audit import audit

        with self._writable(there=True) as store:
            at = one_version(store, version)
            found = audit(store, *at)
            if judge is not None:
                tables, name = with_probes(self.tables, store, *at, judge, probes)
                made = run_pipeline(tables, name, store, budget_usd=budget_usd, out=out)
                found += biases(store, made.catalog, made.version)
            if found:
                store.record_checks(*at, [one.record() for one in found])
            return f"{at[0]}@{at[1]}", found
