"""Executes a plan with answers from a ledger alone, without keys and without a commit, and compares its rows.

    done = replay(plan, project, store, ledger, folder)
    compare(store, '"traces@3"', '"traces__rejects@3"', done.output, plan.after).equal

A request whose answer is not in the ledger fails its row (`not_recorded`); nothing is sent anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

from dqdata.columns import Columns
from dqdata.engine.executor import RunOutput, execute
from dqdata.engine.executors import LocalExecutor
from dqdata.engine.progress import Progress
from dqdata.engine.runtime import Runtime
from dqdata.engine.segment import PROBLEM
from dqdata.engine.stop import StopSignal, on_signals
from dqdata.engine.target import first_rows
from dqdata.engine.tasks import Labels
from dqdata.errors import InputError
from dqdata.files import make_folder
from dqdata.ledger import Ledger
from dqdata.ledger.choice import has_ledger
from dqdata.ledger.database import Row
from dqdata.place import LedgerPlace
from dqdata.project.plan import Plan
from dqdata.project.tables import Project
from dqdata.source import StoreView
from dqdata.sql import quoted, read_parquet


@dataclass(frozen=True)
class Replay:
    """What a replay left. missing: requests without a recorded answer. cached: answers that were used."""

    output: RunOutput
    missing: int
    cached: int


@dataclass(frozen=True)
class Comparison:
    """Rows by their key: same, changed, only before (removed), only after (added). columns: how many rows differ in
    each column. rejects: (step, reason, before, after) where the numbers of rejected rows differ. content: hash of all
    rows in the order of their keys, before and after."""

    same: int
    changed: int
    removed: int
    added: int
    columns: Mapping[str, int]
    rejects: Sequence[tuple[str, str, int, int]]
    content: tuple[str, str]

    @property
    def equal(self) -> bool:
        return not (self.changed or self.removed or self.added or self.rejects)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "equal": self.equal}


class Queries(Protocol):
    """A store, or DuckDB over files."""

    def query(self, sql: str, *, repeatable: bool = False, local_files: bool = False) -> Any: ...


def replay(
    plan: Plan,
    project: Project,
    store: StoreView,
    ledger: LedgerPlace | None,
    folder: Path,
    *,
    calls: bool = False,
    workers: int | None = None,
    out: TextIO | None = None,
    namespace_ids: bool = True,
    used: set[str] | None = None,
    noted: dict[str, str] | None = None,
) -> Replay:
    """Executes the plan below `folder`. ledger: None where no teacher was ever called. calls: what is not recorded is
    asked for. used: gets the ledger keys of the answers; noted: for each key the problem whose row used it first.
    Raises InputError where the plan has teachers and there is no ledger; RunError."""
    make_folder(folder)
    if ledger is None or not has_ledger(ledger):
        if plan.teachers and not calls:
            raise InputError(
                f"there is no ledger {ledger or ''} with the answers of {', '.join(plan.teachers)}: put it back, take "
                "them from another ledger (`dqdata ledger merge FILE`), or ask again (`dqdata rebuild` without "
                "--replay, `dqdata test --record`)"
            )
        ledger = ledger if calls and ledger is not None else folder / "ledger.sqlite"
        Ledger(ledger).close()

    async def executed() -> Replay:
        stop = StopSignal()
        seen = {} if noted is None else noted
        with _Noted(ledger, set() if used is None else used, seen, read_only=not calls) as answers, on_signals(stop):
            async with Runtime(
                project,
                answers,
                Labels("rebuild", plan.pipeline.name),
                stop=stop,
                workers=workers,
                seed=plan.pipeline.seed,
                memory_limit=plan.pipeline.memory,
                scratch=folder / "scratch",
                store=store,
                teachers=plan.teachers,
                replay=not calls,
            ) as runtime:
                progress = Progress(1.0, runtime.counters, out, runtime.waiting)
                executor = LocalExecutor(runtime, progress)
                output = await execute(
                    plan, runtime, executor, folder, progress, allow_partial=True, namespace_ids=namespace_ids
                )
                counters = runtime.counters()
        if plan.pipeline.target_rows is not None:
            output = first_rows(output, plan, plan.pipeline.target_rows, folder / "cut")
        return Replay(output, sum(c.failed for c in counters), sum(c.cached for c in counters))

    return asyncio.run(executed())


class _Noted(Ledger):
    """A ledger that notes which answers it gave."""

    def __init__(self, place: LedgerPlace, used: set[str], noted: dict[str, str], *, read_only: bool) -> None:
        super().__init__(place, read_only=read_only)
        self._used, self._noted = used, noted

    async def find(self, key: str) -> Row | None:
        if (found := await super().find(key)) is not None:
            self._used.add(key)
            self._noted.setdefault(key, PROBLEM.get())
        return found


def compare(store: Queries, before: str, rejects: str, output: RunOutput, columns: Columns) -> Comparison:
    """Compares rows with what a plan left. before, rejects: what follows FROM for the rows and rejects to compare with.
    columns: of both; rows of other columns are never the same."""
    after = read_parquet(output.rows) if output.rows else f"(select * from {before} limit 0)"
    key = quoted(columns.key)
    tables = {"before": before, "after": after}
    hashed = ", ".join(
        f"dq_{name} as (select {key} as key, md5(to_json(x)::varchar) as h, x from "
        f"(select {', '.join(map(quoted, columns))} from {table}) x)"
        for name, table in tables.items()
    )
    differing = ", ".join(
        f"count(*) filter (b.x.{quoted(name)} is distinct from a.x.{quoted(name)} and b.h is not null and a.h is not "
        f"null) as {quoted(name)}"
        for name in columns
    )
    sql = (
        f"with {hashed} select count(*) filter (b.h = a.h) as dq_same, count(*) filter (b.h <> a.h) as dq_changed, "
        "count(*) filter (a.h is null) as dq_removed, count(*) filter (b.h is null) as dq_added, "
        "md5(string_agg(b.h, '' order by key)) as dq_old, md5(string_agg(a.h, '' order by key)) as dq_new, "
        f"{differing} from dq_before b full join dq_after a using (key)"
    )
    [row] = store.query(sql, local_files=True).read_all().to_pylist()
    return Comparison(
        same=row["dq_same"],
        changed=row["dq_changed"],
        removed=row["dq_removed"],
        added=row["dq_added"],
        columns={name: row[name] for name in columns if row[name]},
        rejects=_rejects(store, rejects, output.rejects),
        content=(row["dq_old"] or "", row["dq_new"] or ""),
    )


def _rejects(store: Queries, before: str, files: Sequence[Path]) -> list[tuple[str, str, int, int]]:
    after = read_parquet(files) if files else f"(select * from {before} limit 0)"
    sql = (
        f"with b as (select step, reason, count(*) as n from {before} group by all), "
        f"a as (select step, reason, count(*) as n from {after} group by all) "
        "select step, reason, coalesce(b.n, 0) as b, coalesce(a.n, 0) as a from b full join a using (step, reason) "
        "where coalesce(b.n, 0) <> coalesce(a.n, 0) order by all"
    )
    rows = store.query(sql, local_files=True).read_all().to_pylist()
    return [(row["step"], row["reason"], row["b"], row["a"]) for row in rows]


def version_table(catalog: str, version: int) -> str:
    """What follows FROM for a version."""
    return quoted(f"{catalog}@{version}")
