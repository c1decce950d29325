"""Plug-ins whose code doesn't come back for one row."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Sequence
from typing import Literal

import polars as pl

from dqdata.columns import Columns
from dqdata.operator import Batch, BatchOperator, CallOperator, Outcome, Params, Row, Run, Schema
from dqdata_thirdparty.faults import BAD

How = Literal["loop", "sleep", "swallow", "task", "search", "yield", "crash"]


class StuckParams(Params):
    how: How = "loop"


def loop() -> None:
    while True:
        pass


def swallow() -> None:
    while True:
        try:
            loop()
        except Exception:
            continue


class StuckBatch(BatchOperator[StuckParams]):
    """Doesn't come back, or ends its process, for a batch with one row in it."""

    name = "stuck_batch"
    Params = StuckParams

    @property
    def deadline(self) -> float:
        return 0.5 if self.params.how == "sleep" else 1.0  # what sleeps is waited for six times as long

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.add(seen="BIGINT")

    def process(self, batch: pl.DataFrame) -> Batch:
        if BAD in batch["number"].to_list():
            if self.params.how == "crash":
                os._exit(3)
            {"loop": loop, "sleep": lambda: time.sleep(3600), "swallow": swallow}[self.params.how]()
        return Batch(batch.with_columns(seen=pl.col("number")))


class StuckCall(CallOperator[StuckParams]):
    """Doesn't come back for one row."""

    name = "stuck_call"
    Params = StuckParams

    @property
    def deadline(self) -> float:
        return 0.5

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.add(seen="BIGINT")

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        await asyncio.sleep(0)
        if row["number"] == BAD:
            await self._stuck()
        return [{**row, "seen": row["number"]}]

    async def _stuck(self) -> None:
        how = self.params.how
        if how == "task":
            await asyncio.gather(asyncio.sleep(0), self._alone())
        elif how == "search":
            re.search(r"(a+)+$", "a" * 60 + "b")
        elif how == "yield":
            while True:
                await asyncio.sleep(0)
        else:
            {"loop": loop, "sleep": lambda: time.sleep(3600), "swallow": swallow}[how]()

    async def _alone(self) -> None:
        loop()
