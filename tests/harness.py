"""Runs one operator without the engine: a `Run` and a `Table` over frames in memory, and a teacher with a script.

>>> rows, rejects = decided(Dedup(DedupParams(column="question")), frame, tmp_path)
>>> outcomes = await Generate(GenerateParams(teacher="t")).process(row, TestRun(tmp_path, t=Scripted(["4"])))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from dqdata.columns import Columns, columns_of, key_of, polars_schema
from dqdata.operator import (
    Batch,
    BatchOperator,
    CallOperator,
    Decisions,
    NoParams,
    Operator,
    Outcome,
    Reject,
    Row,
    RowOperator,
    TableOperator,
)
from dqdata.plugins import load
from dqdata.teacher import Completion, Request, Teacher, Usage

Answer = str | Completion | Exception


class Scripted(Teacher[NoParams]):
    """Gives its answers in order, or what a function makes of the request; keeps the requests it got."""

    provider = "scripted"

    def __init__(self, answers: Sequence[Answer] | Callable[[Request], Answer], model: str = "scripted-1") -> None:
        super().__init__(NoParams())
        self._answers = answers if callable(answers) else iter(answers)
        self._model = model
        self.requests: list[Request] = []
        self.in_flight = self.most_in_the_air = 0

    @property
    def model(self) -> str:
        return self._model

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_the_air = max(self.most_in_the_air, self.in_flight)
        answer = self._answers(request) if callable(self._answers) else next(self._answers)
        await asyncio.sleep(0)
        self.in_flight -= 1
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            answer = Completion(answer, "stop", Usage(10, len(answer.split())))
        return replace(answer, ledger_key=self.key(request))


class TestRun:
    """`dqdata.operator.Run` with these teachers; bound operators run in this process."""

    __test__ = False

    def __init__(self, scratch: Path, /, **teachers: Teacher[Any]) -> None:
        self.step, self.seed, self.memory_limit = "step", 0, 1 << 30
        self.scratch = scratch / "scratch"
        self.scratch.mkdir(exist_ok=True)
        self.kept = scratch
        self._teachers = teachers
        self.messages: list[str] = []

    @property
    def sandbox(self) -> Any:
        from dqdata.sandbox import Sandbox

        return Sandbox()

    def teacher(self, name: str) -> Teacher[Any]:
        return self._teachers[name]

    async def cpu(self, function: Callable[..., Any], *args: Any, deadline: float) -> Any:
        return await asyncio.wait_for(asyncio.to_thread(function, *args), deadline)

    def operator(self, name: str, params: Mapping[str, Any]) -> BoundHere:
        kind = load("operators", name)
        return BoundHere(kind(kind.Params(**params)), self)

    def log(self, message: str) -> None:
        self.messages.append(message)


class BoundHere:
    """An operator awaited on rows, in this process."""

    def __init__(self, operator: Operator[Any], run: TestRun) -> None:
        self._operator, self._run = operator, run

    async def __call__(self, rows: Sequence[Row]) -> list[Sequence[Outcome]]:
        if isinstance(self._operator, RowOperator):
            return [[self._operator.process(row)] for row in rows]
        if isinstance(self._operator, CallOperator):
            return list(await asyncio.gather(*(self._operator.process(row, self._run) for row in rows)))
        assert isinstance(self._operator, BatchOperator)
        found: list[Sequence[Outcome]] = []
        for row in rows:
            batch = self._operator.process(pl.DataFrame([row], infer_schema_length=None))
            gone = [] if batch.dropped is None else batch.dropped.to_dicts()
            found.append([*batch.rows.to_dicts(), *(Reject(one["reason"], one["detail"]) for one in gone)])
        return found


class FrameTable:
    """`dqdata.operator.Table` over one frame, through a Parquet file in `folder`."""

    def __init__(self, frame: pl.DataFrame, folder: Path) -> None:
        self.path = folder / "table.parquet"
        frame.write_parquet(self.path)
        self.columns = have(frame)
        self.rows = frame.height

    @property
    def key(self) -> str:
        return self.columns.key

    def scan(self, columns: Sequence[str] | None = None) -> pl.LazyFrame:
        return pl.scan_parquet(self.path).select(list(columns) if columns is not None else pl.all())

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        frame = self.scan(columns).collect()
        size = max(2, len(frame) // 50)  # of a small table too, so that nothing leans on one batch
        yield from frame.iter_slices(size) if len(frame) else [frame]

    def connect(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(config={"memory_limit": "500MB", "threads": 1, "preserve_insertion_order": False})
        con.execute(f"create view rows as from read_parquet('{self.path}')")
        return con


def have(frame: pl.DataFrame) -> Columns:
    """Columns of a frame, as a plan would know them."""
    return columns_of(frame.to_arrow().schema)


def frame_of(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """A frame of planned columns: {name: DuckDB type} and rows."""
    return pl.DataFrame(rows, schema=polars_schema(columns), orient="row")


def batched(operator: BatchOperator[Any], frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    """Rows that stay, and reason by key of the others; every id accounted for."""
    batch: Batch = operator.process(frame)
    key = key_of(frame.columns)
    dropped = {} if batch.dropped is None else dict(batch.dropped.select(key, "reason").iter_rows())
    assert sorted([*batch.rows[key], *dropped]) == sorted(frame[key])
    return batch.rows, dropped


def decided(
    operator: TableOperator[Any], frame: pl.DataFrame, folder: Path
) -> tuple[pl.DataFrame, dict[str, tuple[str, str]]]:
    """Rows that stay, with added columns, and (reason, detail) by key of the others."""
    table = FrameTable(frame, folder)
    decisions = operator.process(table, TestRun(folder))
    assert isinstance(decisions, Decisions)
    gone = decisions.dropped.lazy().collect()
    key = table.key
    rows = frame.join(gone, on=key, how="anti", maintain_order="left")
    if decisions.added is not None:
        added = decisions.added.lazy().collect()
        new = [name for name in added.columns if name != key]
        rows = rows.drop(new, strict=False).join(added, on=key, how="left", maintain_order="left")
    assert gone[key].is_unique().all() and gone[key].is_in(frame[key].to_list()).all()
    return rows, {one[key]: (one["reason"], one["detail"]) for one in gone.to_dicts()}
