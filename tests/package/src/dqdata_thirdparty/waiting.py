"""Operators by which tests see in which order and in which process rows are worked on."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from dqdata.columns import Columns
from dqdata.operator import CallOperator, Outcome, Params, Row, Run, Schema


class WaitForFilesParams(Params):
    row: int
    glob: str
    files: int


class WaitForFiles(CallOperator[WaitForFilesParams]):
    """Holds one row until so many files exist; the others pass."""

    name = "wait_for_files"
    Params = WaitForFilesParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.require("number", "BIGINT")

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        folder, _, pattern = self.params.glob.partition("*/")
        while row["number"] == self.params.row and len(list(Path(folder).glob(f"*/{pattern}"))) < self.params.files:
            await asyncio.sleep(0.01)
        return [row]


class CallOutParams(Params):
    row: int
    file: str


class CallOut(CallOperator[CallOutParams]):
    """Logs one row, with something that looks like a key, and holds it until a file exists."""

    name = "call_out"
    Params = CallOutParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have.require("number", "BIGINT")

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        if row["number"] == self.params.row:
            key = "sk-" + "a1b2c3d4" * 4
            logging.getLogger("thirdparty").warning(
                "row %d waits with %s", row["number"], key, extra={"code": "machine-lost"}
            )
            while not Path(self.params.file).exists():
                await asyncio.sleep(0.01)
        return [row]


class LeaveOnceParams(Params):
    folder: str


class LeaveOnce(CallOperator[LeaveOnceParams]):
    """Ends its process in the first run."""

    name = "leave_once"
    Params = LeaveOnceParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        mark = Path(self.params.folder) / "left-once"
        if not mark.exists():
            mark.touch()
            os._exit(7)
        return [row]
