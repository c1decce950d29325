"""What a user of dqdata writes, for mypy: `make check` fails where a public name has another type than is said here.

The lines that must be refused have a `type: ignore`, which strict mypy reports where it is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, assert_type

import polars as pl

import dqdata
from dqdata import (
    Batch,
    BatchOperator,
    CallEstimate,
    CallOperator,
    CatalogRef,
    Columns,
    Completion,
    Data,
    Decisions,
    DqdataError,
    EmbeddingName,
    Estimate,
    InputError,
    Message,
    NewRows,
    NoParams,
    Outcome,
    Params,
    PromptFile,
    Reject,
    Request,
    Row,
    RowError,
    RowOperator,
    Run,
    RunError,
    Sampling,
    Schema,
    ScorerName,
    Source,
    SqlExpression,
    Stopped,
    Table,
    TableOperator,
    Teacher,
    TeacherError,
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
    prompt: PromptFile | None = None
    examples: CatalogRef | None = None
    scorer: ScorerName | None = None
    embedding: EmbeddingName = "words"
    where: SqlExpression = "true"


class Ask(CallOperator[AskParams]):
    """Asks a teacher."""

    name = "ask"
    Params = AskParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.add(response="VARCHAR")

    def estimate(self, rows: float) -> Estimate:
        return Estimate(rows, {self.params.teacher: CallEstimate(rows, 100 * rows, 500 * rows)})

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        asked = Request((Message("user", row["question"]),), Sampling(max_tokens=100))
        try:
            made = await run.teacher(self.params.teacher).complete(asked)
        except TeacherError as error:
            assert_type(error.kind, Literal["retryable", "row", "fatal"])
            raise
        assert_type(made, Completion)
        return [{**row, "response": made.response}]


class First(TableOperator[NoParams]):
    """Keeps every row."""

    name = "first"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have

    def process(self, table: Table, run: Run) -> Decisions:
        return Decisions(table.scan([table.key]).head(0))


class Counted(TableOperator[NoParams]):
    """Makes one row of all."""

    name = "counted"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return Columns({"n": "BIGINT"})

    def process(self, table: Table, run: Run) -> NewRows:
        return NewRows([pl.DataFrame({"n": [1]})], pl.DataFrame())


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


def store() -> None:
    catalogs = dqdata.open_store("catalogs")
    assert_type(catalogs, dqdata.Catalogs)
    assert_type(catalogs.sql("from p"), dqdata.Rows)
    assert_type(catalogs.ledger, dqdata.CallLedger)
    assert_type(catalogs.ledger.export("answers.jsonl"), int)
    catalogs.run("p")  # type: ignore[attr-defined]
    assert_type(dqdata.apply("filter", {"where": "true"}, "rows.jsonl", "kept.jsonl"), dqdata.Applied)
    assert_type(dqdata.__version__, str)


def ends() -> str:
    try:
        checked = dqdata.open().check()
        assert_type(checked, dqdata.Check)
        return "whole" if checked.ok else "faulty"
    except InputError as error:
        return str(error)
    except Stopped:
        return "go on later"
    except RunError as error:
        assert_type(error.code, str)
        return error.code
    except DqdataError:
        return "any other"


async def cell() -> None:
    project = dqdata.open()
    assert_type(await project.arun("p", force=True), dqdata.RunResult)
    assert_type(await project.abuild("p"), dqdata.Build)
    assert_type(await project.atrain("t", processes=2), dqdata.TrainOutcome)
    await project.arun("p", limit="3")  # type: ignore[arg-type]
