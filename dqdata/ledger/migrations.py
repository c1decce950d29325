"""The steps from one version of the ledger's tables to the next. A step never changes a ledger key."""

from __future__ import annotations

import sqlite3

from dqdata.sqlite import Step


def _tool_calls(con: sqlite3.Connection) -> None:
    con.execute("alter table requests add column tools text")
    con.execute("alter table calls add column tool_calls text")


STEPS: tuple[Step, ...] = (Step(2, "columns for tools of a request and calls of an answer", _tool_calls),)
