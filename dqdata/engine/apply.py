"""Applies one operator to one file, without a catalog.

    >>> apply_operator("verify_math", {}, Path("traces.parquet"), Path("verified.parquet"))

The same plan and the same engine as a pipeline of one step; ids that the file has stay as they are.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from dqdata.catalog import Store
from dqdata.catalog.export import check_target, format_of, write
from dqdata.catalog.rights import make_private
from dqdata.columns import REJECTS
from dqdata.engine.chunks import reader
from dqdata.engine.counts import error_counts, reject_counts
from dqdata.engine.executor import execute
from dqdata.engine.executors import LocalExecutor
from dqdata.engine.output import merged
from dqdata.engine.progress import Progress
from dqdata.engine.runtime import Runtime
from dqdata.engine.stop import StopSignal, on_signals
from dqdata.engine.tasks import Labels
from dqdata.ledger import Ledger
from dqdata.notebook import Shown
from dqdata.place import StorePlace
from dqdata.project.check import NoStore
from dqdata.project.pipeline_table import Pipeline, SourceSpec, StepSpec
from dqdata.project.plan import make_plan
from dqdata.project.tables import Project, SandboxTable


@dataclass(frozen=True)
class Applied(Shown):
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int]
    failed: Mapping[str, int]
    seconds: float
    errors: Mapping[str, int]
    """Kept rows whose verdict is `unverifiable` because a rule broke, by error."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def apply_operator(
    op: str,
    params: Mapping[str, Any],
    file: Path,
    target: Path,
    *,
    project: Project | None = None,
    columns: Mapping[str, str] | None = None,
    workers: int | None = None,
    out: TextIO | None = None,
) -> Applied:
    """Writes kept rows to `target` (Parquet, JSONL or CSV by its ending) and rejects to `target.rejects.<ending>`.

    columns: new name to the file's name. Teachers come from the project, and so does the ledger. Raises InputError,
    RunError.
    """
    began = time.monotonic()
    where = f"dqdata apply {op}"
    kind = format_of(target)
    check_target(target)
    source = {"path": str(file.absolute()), **({"columns": dict(columns)} if columns else {})}
    pipeline = Pipeline(
        into="applied",
        max_failed_rate=1.0,
        name="apply",
        source=SourceSpec(kind="files", params=source),
        steps=(StepSpec(op=op, id=op, params=params, where=where),),
        where=where,
    )
    root = project.path if project else Path.cwd() / "pipelines.toml"
    there = project is not None and Store.exists(project.store)
    with tempfile.TemporaryDirectory(prefix="dqdata-apply-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        bare = Project(
            path=root,
            store=project.store if project else StorePlace(folder / "store"),
            profile=project.profile if project else "",
            sandbox=project.sandbox if project else SandboxTable(),
            teachers=project.teachers if project else {},
            pipelines={"apply": pipeline},
            trainers={},
        )
        store = stack.enter_context(Store.open(bare.store, read_only=True)) if there else NoStore()
        plan = make_plan(bare, "apply", store, namespace_ids=False)

        async def carried() -> Applied:
            stop = StopSignal()
            kept = project.store.shared if plan.teachers and project else folder
            if not kept.is_dir():
                make_private(kept, project.store_group if project else False)
            with (
                Ledger(project.ledger_place if plan.teachers and project else folder / "ledger.sqlite") as ledger,
                on_signals(stop),
            ):
                labels = Labels("apply", "apply")
                async with Runtime(
                    bare,
                    ledger,
                    labels,
                    stop=stop,
                    workers=workers,
                    scratch=folder / "scratch",
                    store=store,
                    teachers=plan.teachers,
                ) as runtime:
                    progress = Progress(1.0, runtime.counters, out, runtime.waiting)
                    executor = LocalExecutor(runtime, progress)
                    output = await execute(
                        plan, runtime, executor, folder, progress, allow_partial=True, namespace_ids=False
                    )
            rows = write(reader(merged(output.rows, plan.after, folder / "rows"), plan.after), target, kind)
            rejects = target.with_name(f"{target.stem}.rejects{target.suffix}")
            write(reader(merged(output.rejects, REJECTS, folder / "rejects"), REJECTS), rejects, kind)
            dropped, failed = reject_counts(output.rejects)
            errors = error_counts(output.rows, plan.after)
            return Applied(output.rows_in, rows, dropped, failed, time.monotonic() - began, errors)

        return asyncio.run(carried())
