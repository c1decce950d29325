"""Operators with the habits, good and bad, that an engine must cope with."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

import polars as pl

from dqdata.columns import Columns
from dqdata.errors import RowError
from dqdata.operator import (
    Batch,
    BatchOperator,
    CallEstimate,
    CallOperator,
    Decisions,
    Estimate,
    NewRows,
    NoParams,
    Outcome,
    Params,
    Reject,
    Row,
    RowOperator,
    Run,
    Schema,
    Table,
    TableOperator,
    TeacherName,
)
from dqdata.teacher import Message, Request, Sampling


class TalkParams(Params):
    teacher: TeacherName
    n: int = 1


class Talk(CallOperator[TalkParams]):
    """Asks the teacher n times and makes a trace of each answer."""

    name = "talk"
    Params = TalkParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.require("question", "VARCHAR").add(trace_id="VARCHAR", response="VARCHAR", ledger_key="VARCHAR")

    def estimate(self, rows: float) -> Estimate:
        calls = rows * self.params.n
        return Estimate(calls, {self.params.teacher: CallEstimate(calls, 10 * calls, 20 * calls)})

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        made: list[Outcome] = []
        for sample in range(self.params.n):
            request = Request((Message("user", row["question"]),), Sampling(max_tokens=40), sample=sample)
            answer = await run.teacher(self.params.teacher).complete(request)
            if "drop" in answer.response:
                made.append(Reject("unwanted", "the answer says drop"))
            else:
                made.append({**row, "trace_id": None, "response": answer.response, "ledger_key": answer.ledger_key})
        return made


class PickyParams(Params):
    bad: int = 3


class Picky(BatchOperator[PickyParams]):
    """Raises on numbers divisible by `bad`, drops odd ones, doubles the rest."""

    name = "picky"
    Params = PickyParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.require("number", "BIGINT").add(double="BIGINT")

    def process(self, batch: pl.DataFrame) -> Batch:
        if batch.filter(pl.col("number") % self.params.bad == 0).height:
            raise RowError("divisible", "can't")
        odd = batch.filter(pl.col("number") % 2 == 1)
        why = odd.select("problem_id", reason=pl.lit("odd"), detail=pl.col("number").cast(pl.String))
        return Batch(batch.filter(pl.col("number") % 2 == 0).with_columns(double=pl.col("number") * 2), why)


class Hang(RowOperator[NoParams]):
    """Never comes back from number 5, dies at number 7, fails at 9, and copies the rest."""

    name = "hang"
    deadline = 0.5

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.require("number", "BIGINT").add(copy="BIGINT")

    def process(self, row: Row) -> Outcome:
        if row["number"] == 5:
            (10**9) ** (10**9)
        if row["number"] == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        if row["number"] == 9:
            raise ValueError("nine")
        return {**row, "copy": row["number"]}


class Forget(BatchOperator[NoParams]):
    """Loses its last row."""

    name = "forget"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have

    def process(self, batch: pl.DataFrame) -> Batch:
        return Batch(batch.head(batch.height - 1))


class Rank(TableOperator[NoParams]):
    """Drops numbers below the mean and says of the others how far above they are."""

    name = "rank"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.require("number", "BIGINT").add(above="DOUBLE")

    def process(self, table: Table, run: Run) -> Decisions:
        rows = table.scan([table.key, "number"]).with_columns(mean=pl.col("number").mean())
        low = rows.filter(pl.col("number") < pl.col("mean"))
        high = rows.filter(pl.col("number") >= pl.col("mean"))
        return Decisions(
            low.select(table.key, reason=pl.lit("low"), detail=pl.lit("")),
            high.select(table.key, above=pl.col("number") - pl.col("mean")),
        )


class Merge(TableOperator[NoParams]):
    """Makes one row of each even number and the odd one after it; the rest is dropped."""

    name = "merge"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return Columns({"problem_id": "VARCHAR", "total": "BIGINT", "parent_ids": "VARCHAR[]"})

    def process(self, table: Table, run: Run) -> NewRows:
        rows = table.scan(["problem_id", "number"]).collect().sort("number")
        pairs: list[dict[str, Any]] = []
        left: list[str] = []
        numbers = rows.to_dicts()
        while numbers:
            one = numbers.pop(0)
            if one["number"] % 2 == 0 and numbers and numbers[0]["number"] == one["number"] + 1:
                two = numbers.pop(0)
                ids = [one["problem_id"], two["problem_id"]]
                pairs.append({"problem_id": None, "total": one["number"] + two["number"], "parent_ids": ids})
            else:
                left.append(one["problem_id"])
        schema = {"problem_id": pl.String, "total": pl.Int64, "parent_ids": pl.List(pl.String)}
        dropped = pl.DataFrame({"problem_id": left}, schema={"problem_id": pl.String})
        return NewRows(
            [pl.DataFrame(pairs, schema=schema)],
            dropped.with_columns(reason=pl.lit("alone"), detail=pl.lit("")),
        )
