"""What a user of dqdata writes, for mypy: `make check` fails where a public name has another type than is said here.

The lines that must be refused have a `type: ignore`, which strict mypy reports where it is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import assert_type

import polars as pl

import dqdata
from dqdata import (
    Batch,
    BatchOperator,
    CallOperator,
    Columns,
    Completion,
    Data,
    Decisions,
    Message,
    NoParams,
    Outcome,
    Params,
    Reject,
    Request,
    Row,
    RowError,
    RowOperator,
    Run,
    Schema,
    Source,
    Table,
    TableOperator,
    Teacher,
    TeacherName,
    Trainer,
    TrainResult,
    TrainRun,
    Usage,
)


class LimitParams(Params):
    most: int = 10


class Shorter(RowOperator[LimitParams]):
    """Keeps short questions."""

    name = "shorter"
    Params = LimitParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.require("question", "VARCHAR")

    def process(self, row: Row) -> Outcome:
        if not row["question"]:
            raise RowError("empty")
        assert_type(self.params.most, int)
        return row if len(row["question"]) <= self.params.most else Reject("long")


class Loud(BatchOperator[NoParams]):
    """Writes questions in capitals."""

    name = "loud"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have

    def process(self, batch: pl.DataFrame) -> Batch:
        return Batch(batch.with_columns(pl.col("question").str.to_uppercase()))


class AskParams(Params):
    teacher: TeacherName


class Ask(CallOperator[AskParams]):
    """Asks a teacher."""

    name = "ask"
    Params = AskParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.add(response="VARCHAR")

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        made = await run.teacher(self.params.teacher).complete(Request((Message("user", row["question"]),)))
        assert_type(made, Completion)
        return [{**row, "response": made.response}]


class First(TableOperator[NoParams]):
    """Keeps every row."""

    name = "first"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have

    def process(self, table: Table, run: Run) -> Decisions:
        return Decisions(table.scan([table.key]).head(0))


class Echo(Teacher[NoParams]):
    """Says what it was asked."""

    provider = "echo"

    async def complete(self, request: Request) -> Completion:
        return Completion(request.messages[-1].content, "stop", Usage(1, 1))


class Nothing(Source[NoParams]):
    """Has no rows."""

    kind = "nothing"

    def schema(self) -> Columns:
        return Columns({"question": "VARCHAR"})

    def fingerprint(self) -> str:
        return "nothing"

    def batches(self) -> Iterator[object]:
        return iter(())


class Lazy(Trainer[NoParams]):
    """Learns nothing."""

    kind = "lazy"

    def needs(self, split: str, have: Columns) -> None:
        have.require("messages")

    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        return TrainResult(out, {})


def script() -> None:
    project = dqdata.open("pipelines.toml", profile="tiny")
    assert_type(project, dqdata.Project)
    assert_type(project.run("p", limit=3), dqdata.RunResult)
    assert_type(project.plan("p"), dqdata.PlanReport)
    assert_type(project.build("p"), dqdata.Build)
    assert_type(project.train("t"), dqdata.TrainOutcome)
    assert_type(project.eval("trained:t", data="held"), dqdata.Comparison)
    assert_type(project.catalog("p@3"), dqdata.Catalog)
    assert_type(project.sql("from p").polars(), pl.DataFrame)
    assert_type(project.run("p").version, int)
    project.run("p", nosuch=1)  # type: ignore[call-arg]
    project.run(3)  # type: ignore[arg-type]
    dqdata.nosuch  # type: ignore[attr-defined]  # noqa: B018


async def cell() -> None:
    project = dqdata.open()
    assert_type(await project.arun("p", force=True), dqdata.RunResult)
    assert_type(await project.abuild("p"), dqdata.Build)
    assert_type(await project.atrain("t", processes=2), dqdata.TrainOutcome)
    await project.arun("p", limit="3")  # type: ignore[arg-type]
