"""Tests of plug-ins: an operator over rows with the runtime of a real run, and a teacher that answers from a script.

>>> tried = run_operator("verify_math", [{"question": "2 + 2?", "answer": "4", "response": "It is 4."}])
>>> tried.rows[0]["verdict"]
'correct'
>>> tried = run_operator("grade", rows, params={"judge": "t"}, teachers={"t": ['{"rv": 3, "cd": 2}']})
>>> tried.teachers["t"].requests[0].messages[-1].content

Plan, types, row accounting, ledger and calls are those of `dqdata run`. Rows are processed by an instance whose
`columns` was never called, as in another process. The CPU work is done in this process, so that debuggers stop in it;
`workers=1` has it done in a worker that is killed at a row's deadline.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import tempfile
import weakref
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.aio import outside_loop
from dqdata.columns import KEYS, VOCABULARY, Columns, columns_of
from dqdata.engine.chunks import Folder
from dqdata.engine.executor import execute_segment
from dqdata.engine.executors import LocalExecutor
from dqdata.engine.frames import no_rejects
from dqdata.engine.progress import Progress
from dqdata.engine.runtime import Runtime, StepRun
from dqdata.engine.table import DiskTable
from dqdata.engine.tasks import Labels
from dqdata.ledger import Ledger
from dqdata.operator import Operator, Row
from dqdata.params import NoParams
from dqdata.place import StorePlace
from dqdata.project.check import NoStore
from dqdata.project.instances import make_operator
from dqdata.project.pipeline_table import StepSpec
from dqdata.project.plan import Segment, plan_operator
from dqdata.project.tables import Project, TeacherTable
from dqdata.source import StoreView
from dqdata.teacher import Completion, Limits, Request, Teacher, Usage
from dqdata.workers.inline import InlinePool
from dqdata.workers.pool import Pool

if TYPE_CHECKING:
    import polars as pl

Answer = str | Completion | Exception
Script = Sequence[Answer] | Callable[[Request], Answer | Awaitable[Answer]]
MEMORY = 1 << 30


class ScriptedTeacher(Teacher[NoParams]):
    """Gives its answers in order, or what a function, which may be asynchronous, makes of each request; an exception is
    raised. `requests` are those it received, `most_in_flight` how many of them at once. A request past the end of the
    script raises AssertionError."""

    provider = "scripted"
    free = True

    def __init__(self, answers: Script, model: str = "scripted-1") -> None:
        super().__init__(NoParams())
        self._answers = answers if callable(answers) else iter(answers)
        self._model = model
        self.requests: list[Request] = []
        self.in_flight = self.most_in_flight = 0

    @property
    def model(self) -> str:
        return self._model

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            answer = self._answer(request)
            if inspect.isawaitable(answer):
                answer = await answer
        finally:
            self.in_flight -= 1
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            answer = Completion(answer, "stop", Usage(10, len(answer.split())))
        return replace(answer, ledger_key=self.key(request))

    def _answer(self, request: Request) -> Answer | Awaitable[Answer]:
        if callable(self._answers):
            return self._answers(request)
        try:
            return next(self._answers)
        except StopIteration:
            raise AssertionError(f"the script has no answer to request {len(self.requests)}: {request}") from None


class OperatorRun(StepRun):
    """What an operator's `process` receives as `run`, for tests that call it themselves: teachers with a ledger in
    front, other operators by name, the sandbox, a scratch folder. `messages` are those that it logged."""

    def __init__(
        self,
        folder: Path,
        *,
        store: StoreView | None = None,
        catalogs: Mapping[str, str] | None = None,
        pool: Pool | None = None,
        **teachers: Teacher[Any] | Script,
    ) -> None:
        """folder: where a ledger of this run's own and its scratch are made. catalogs: the queries of catalogs that it
        may read in `store`."""
        own = Path(tempfile.mkdtemp(dir=folder, prefix="run-"))
        (own / "store").mkdir()
        ledger = Ledger(own / "store" / "ledger.sqlite")
        scripted = _scripted(teachers)
        runtime = Runtime(
            _project(own, scripted),
            ledger,
            Labels("test", "test"),
            memory_limit=MEMORY,
            scratch=own / "scratch",
            store=store,
            teachers=scripted,
            pool=pool or InlinePool(),
        )
        super().__init__(runtime, "step", "step", catalogs or {}, None)
        self.runtime, self.messages = runtime, list[str]()
        weakref.finalize(self, _close, runtime, ledger)

    def log(self, message: str) -> None:
        self.messages.append(message)


@dataclass(frozen=True)
class Tried:
    """What an operator made of rows. columns: as planned. frame: the rows that stay. rejects: records of where and why
    a row stopped, with the row itself. teachers: those of the script, with the requests that they received."""

    columns: Columns
    frame: pl.DataFrame
    rejects: Sequence[Mapping[str, Any]]
    teachers: Mapping[str, ScriptedTeacher]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows that stay, as dictionaries."""
        return self.frame.to_dicts()

    @property
    def reasons(self) -> dict[str, str]:
        """The reason of each rejected row, by its key."""
        return {str(one["row_key"]): str(one["reason"]) for one in self.rejects}


@outside_loop
def run_operator(
    operator: str | Operator[Any],
    rows: pl.DataFrame | Sequence[Row],
    *,
    params: Mapping[str, Any] | None = None,
    teachers: Mapping[str, Teacher[Any] | Script] | None = None,
    columns: Mapping[str, str] | None = None,
    store: StoreView | None = None,
    chunk_rows: int | None = None,
    workers: int = 0,
) -> Tried:
    """Runs one operator over rows, as a step of a pipeline would.

    operator: the name of an installed one, with `params` as they are in TOML, or an instance. rows: without a key they
    are numbered in `problem_id`. teachers: teachers, or scripts of answers, by the names that the parameters give them.
    columns: DuckDB types, where the values do not show them, as of an empty list of rows; a column of nulls has that of
    the vocabulary of columns, else VARCHAR. store: for parameters that
    name a catalog. chunk_rows: rows of a checkpoint. workers: 0 works in this process; others in that many workers.
    Raises what a plan and a run raise: InputError, RunError.
    """
    with tempfile.TemporaryDirectory(prefix="dqdata-test-") as name:
        folder = Path(name)
        made = _made(operator, params or {}, folder)
        scripted = _scripted(teachers or {})
        frame = _frame(rows, columns)
        spec = StepSpec(op=made.name, id=made.name, params={}, where=f"operator {made.name!r}")
        project = _project(folder, scripted)
        planned = dict(scripted)
        untouched = copy.copy(made)
        step = plan_operator(
            made, spec, columns_of(frame.to_arrow().schema), "test", project, planned, store or NoStore()
        )
        step = replace(step, operator=untouched)
        came, target = Folder(folder / "came").prepare(), Folder(folder / "made")
        came.write(0, frame, no_rejects())

        async def work(ledger: Ledger) -> None:
            pool = Pool(workers) if workers else InlinePool()
            async with Runtime(
                project,
                ledger,
                Labels("test", "test"),
                memory_limit=MEMORY,
                scratch=folder / "scratch",
                store=store,
                teachers=planned,
                pool=pool,
            ) as runtime:
                progress = Progress(1.0, runtime.counters, None)
                segment = Segment((step,), step.before)
                executor = LocalExecutor(runtime, progress)
                await execute_segment(segment, came, target, runtime, executor, progress, chunk_rows)

        with _ledger(folder) as ledger:
            asyncio.run(work(ledger))
        rejects = _read(target.rejects()).to_dicts() if target.rejects() else []
        asked = {name: one for name, one in scripted.items() if isinstance(one, ScriptedTeacher)}
        return Tried(
            step.after, _read(target.rows()), [{**one, "row": json.loads(one["row"])} for one in rejects], asked
        )


def _close(runtime: Runtime, ledger: Ledger) -> None:
    runtime.close_sandbox()
    ledger.close()


def disk_table(frame: pl.DataFrame, folder: Path) -> DiskTable:
    """The rows as a table operator's `process` receives them, in several files below the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    size = max(2, frame.height // 5)
    files = []
    for number, start in enumerate(range(0, max(1, frame.height), size)):
        files.append(folder / f"table-{number:03}.parquet")
        frame[start : start + size].write_parquet(files[-1])
    return DiskTable(files, columns_of(frame.to_arrow().schema), MEMORY, folder)


def _made(operator: str | Operator[Any], params: Mapping[str, Any], root: Path) -> Operator[Any]:
    if isinstance(operator, Operator):
        return operator
    return make_operator(StepSpec(op=operator, id=operator, params=params, where=f"operator {operator!r}"), root)


def _scripted(teachers: Mapping[str, Teacher[Any] | Script]) -> dict[str, Teacher[Any]]:
    return {name: one if isinstance(one, Teacher) else ScriptedTeacher(one) for name, one in teachers.items()}


def _project(folder: Path, teachers: Mapping[str, Teacher[Any]]) -> Project:
    """Tables that name these teachers; each request is tried once."""
    limits = Limits(concurrency=64, max_attempts=1, patience=0)
    tables = {
        name: TeacherTable(
            name=name, provider=one.provider, limits=limits, params={}, root=folder, where=f"teacher {name!r}"
        )
        for name, one in teachers.items()
    }
    return Project(
        path=folder / "pipelines.toml", store=StorePlace(folder / "store"), teachers=tables, pipelines={}, trainers={}
    )


def _frame(rows: pl.DataFrame | Sequence[Row], columns: Mapping[str, str] | None) -> pl.DataFrame:
    import polars as pl

    from dqdata.columns import polars_schema

    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows), infer_schema_length=None)
    if columns is not None:
        schema = polars_schema(columns)
        frame = frame.with_columns(pl.lit(None).alias(name) for name in schema if name not in frame.columns)
        frame = frame.select(pl.col(name).cast(kind) for name, kind in schema.items())
    untyped = [name for name, kind in frame.schema.items() if kind == pl.Null]
    known = polars_schema({name: VOCABULARY[name].type if name in VOCABULARY else "VARCHAR" for name in untyped})
    frame = frame.with_columns(pl.col(name).cast(kind) for name, kind in known.items())
    if not any(key in frame.columns for key in KEYS):
        frame = frame.with_columns(problem_id=pl.int_range(pl.len()).cast(pl.String))
    return frame


def _read(files: Sequence[Path]) -> pl.DataFrame:
    import polars as pl

    return pl.concat([pl.read_parquet(file, glob=False) for file in files])


@contextmanager
def _ledger(folder: Path) -> Iterator[Ledger]:
    (folder / "store").mkdir()
    with Ledger(folder / "store" / "ledger.sqlite") as ledger:
        yield ledger
