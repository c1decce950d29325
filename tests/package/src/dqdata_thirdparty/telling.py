"""Plug-ins whose errors, logs and prints hold the password that they were given."""

from __future__ import annotations

import base64
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import pyarrow as pa

from dqdata.columns import Columns
from dqdata.operator import CallOperator, NoParams, Outcome, Params, Row, RowOperator, Run, Schema
from dqdata.source import Source
from dqdata.teacher import Completion, Request, Teacher


def tell() -> NoReturn:
    password = os.environ["BANK_PASSWORD"]
    logging.getLogger("dqdata").warning("log in with %s", password)
    try:
        raise KeyError(base64.b64encode(password.encode()).decode())
    except KeyError as error:
        raise RuntimeError(f"{password} and {error}") from error


class TellingRow(RowOperator[NoParams]):
    """Raises for every row."""

    name = "telling_row"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have

    def process(self, row: Row) -> Outcome:
        tell()


class TellingCall(CallOperator[NoParams]):
    """Raises for every row."""

    name = "telling_call"

    def columns(self, have: Columns, schema: Schema) -> Columns:
        return have

    async def process(self, row: Row, run: Run) -> Sequence[Outcome]:
        tell()


class TellingTeacherParams(Params):
    model: str = "m"
    leaves: bool = False
    """By SystemExit, as code does that was written for a command line."""


class TellingTeacher(Teacher[TellingTeacherParams]):
    """Raises for every request."""

    provider = "telling"
    Params = TellingTeacherParams

    async def complete(self, request: Request) -> Completion:
        if self.params.leaves:
            sys.exit(f"no access with {os.environ['BANK_PASSWORD']}")
        tell()


class TellingSourceParams(Params):
    at: str


class TellingSource(Source[TellingSourceParams]):
    """Raises when it is planned, or after its first batch."""

    kind = "telling"
    Params = TellingSourceParams

    def schema(self) -> Columns:
        if self.params.at == "schema":
            tell()
        return Columns({"question": "VARCHAR"})

    def fingerprint(self) -> str:
        return "telling"

    def batches(self) -> Iterator[Any]:
        yield pa.record_batch({"question": ["one"]})
        tell()
