"""Recorded tests of pipelines: the first rows of a source with the answers of the ledger, replayed offline.

    record(project, store, "traces", 5)          # tests/recorded/traces/: rows, answers, what came of them
    for result in verify(project, store, ["traces"]): result.comparison.equal

A test holds the rows as they enter the first step, in Parquet; the answers that they used, in a ledger; and the rows
and rejects that the steps made of them. It needs no key, no network and no store, so it belongs into version control.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dqdata.columns import REJECTS
from dqdata.database import connect
from dqdata.engine.output import merged
from dqdata.engine.replay import Comparison, compare, replay
from dqdata.engine.run import run_pipeline
from dqdata.errors import DataError, InputError, ProjectError, RunError
from dqdata.files import whole_folder
from dqdata.history.causes import Cause, causes
from dqdata.ledger.transfer import extract
from dqdata.project.pipeline_table import SourceSpec
from dqdata.project.plan import Plan, make_plan
from dqdata.project.recipe import recipe
from dqdata.project.tables import Project
from dqdata.source import StoreView
from dqdata.sql import read_parquet

if TYPE_CHECKING:
    from dqdata.catalog import Store

FOLDER = Path("tests") / "recorded"
"""Folder of the tests, beside pipelines.toml."""
SOURCE, ROWS, REJECTED, LEDGER, ABOUT = "source.parquet", "rows", "rejects", "ledger.sqlite", "test.json"


@dataclass(frozen=True)
class Tested:
    """What a recorded test found. error: why the pipeline could not be executed over the recorded rows, or what its
    columns are now. causes: differences of the recipes then and now."""

    pipeline: str
    comparison: Comparison | None
    missing: int
    error: str
    causes: list[Cause]

    @property
    def passed(self) -> bool:
        return self.comparison is not None and self.comparison.equal


def record(
    project: Project, store: Store, name: str, rows: int, *, workers: int | None = None, out: TextIO | None = None
) -> tuple[Path, int]:
    """Runs the pipeline over the first rows of its source, as `run --limit` does, and freezes them with their answers.
    Returns the test's folder and the number of answers in it. Raises InputError for steps that read catalogs, whose
    rows the test does not hold; RunError where a row fails for want of an answer."""
    limited = project.limited(name, rows)
    plan = make_plan(limited, name, store)
    if reading := [step.spec.id for step in plan.steps if step.catalogs]:
        raise InputError(
            f"pipeline {name!r} can't be recorded: step {reading[0]} reads another catalog, which no test holds"
        )
    run_pipeline(project, name, store, limit=rows, workers=workers, out=out)
    target = project.root / FOLDER / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dqdata-record-") as temporary, whole_folder(target) as folder:
        work = Path(temporary)
        used: set[str] = set()
        done = replay(plan, limited, store, store.ledger_place, work / "run", workers=workers, used=used)
        if done.missing:
            raise RunError(f"{done.missing} requests of the first {rows} rows have no answer in the ledger: run again")
        came = sorted((work / "run" / plan.source_fingerprint).glob("rows-*.parquet"))
        files = merged(came, plan.columns, work / "source")
        if not files:
            raise DataError(f"the source of pipeline {name!r} has no rows to record")
        shutil.copyfile(files[0], folder / SOURCE)
        merged(done.output.rows, plan.after, folder / ROWS)
        merged(done.output.rejects, REJECTS, folder / REJECTED)
        answers = extract(store.ledger_place, folder / LEDGER, used) if used else 0
        about = {"pipeline": name, "rows": rows, "columns": dict(plan.after), "recipe": recipe(plan, project.root)}
        (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return target, answers


def recorded(project: Project) -> list[str]:
    """Names of the pipelines that have a recorded test."""
    return sorted(file.parent.name for file in (project.root / FOLDER).glob(f"*/{ABOUT}"))


def verify(project: Project, store: StoreView, names: Sequence[str], *, workers: int | None = None) -> Iterator[Tested]:
    """Executes each pipeline over its recorded rows with the recorded answers. Raises InputError for a pipeline without
    a recorded test."""
    for name in names:
        project.pipeline(name)
        folder = project.root / FOLDER / name
        if not (folder / ABOUT).is_file():
            have = ", ".join(recorded(project)) or "none"
            raise InputError(f"pipeline {name!r} has no recorded test (have: {have}): `dqdata test {name} --record 5`")
        project.pipeline(name)
        yield _tested(project, store, name, folder, workers)


def _tested(project: Project, store: StoreView, name: str, folder: Path, workers: int | None) -> Tested:
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    try:
        offline = _offline(project, name, folder)
        plan = make_plan(offline, name, store, namespace_ids=False)
    except (ProjectError, InputError) as error:
        return Tested(name, None, 0, str(error), [])
    different = [cause for cause in causes(about["recipe"], recipe(plan, project.root)) if _is_of_steps(cause)]
    if about["columns"] != dict(plan.after):
        return Tested(name, None, 0, f"its columns are now {', '.join(plan.after)}", different)
    with tempfile.TemporaryDirectory(prefix="dqdata-test-") as temporary:
        work = Path(temporary)
        ledger = folder / LEDGER
        try:
            done = replay(
                plan, offline, store, ledger if ledger.exists() else None, work, workers=workers, namespace_ids=False
            )
        except RunError as error:
            return Tested(name, None, 0, str(error), different)
        files = _Files([folder, work])
        compared = compare(files, _table(folder / ROWS, plan), _table(folder / REJECTED, None), done.output, plan.after)
    return Tested(name, compared, done.missing, "", different)


def _is_of_steps(cause: Cause) -> bool:
    """Whether a difference can be one of the pipeline: the source is another by design, and libraries say nothing."""
    return cause.kind not in ("source", "input", "limit", "seed", "library")


def _offline(project: Project, name: str, folder: Path) -> Project:
    """The project with the pipeline over the recorded rows."""
    pipeline = project.pipeline(name)
    source = SourceSpec(kind="files", params={"path": str((folder / SOURCE).absolute())})
    changed = pipeline.model_copy(update={"source": source, "limit": None, "target_rows": None})
    return project.model_copy(update={"pipelines": {**project.pipelines, name: changed}})


def _table(folder: Path, plan: Plan | None) -> str:
    """What follows FROM for recorded rows; of none, an empty table."""
    if files := sorted(folder.glob("*.parquet")):
        return read_parquet(files)
    columns = REJECTS if plan is None else plan.after
    empty = ", ".join(f'null::{kind} as "{name}"' for name, kind in columns.items())
    return f"(select {empty} where false)"


class _Files:
    """Queries over files, without a store."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    def query(self, sql: str, *, repeatable: bool = False, local_files: bool = False) -> Any:
        with closing(connect(folders=self._folders, threads=1)) as con:
            return con.execute(sql).to_arrow_table().to_reader()
