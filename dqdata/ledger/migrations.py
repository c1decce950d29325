"""Brings a ledger that an earlier dqdata made to the present version, a numbered step after the other.

    migrate(con, path, version)                  # under the lock of writers

A step and its number are one transaction: a process killed on the way leaves a ledger at the version before or after,
and the next one goes on from there. Before the first step the file is copied to `<file>.version-N`. Whoever changes the
tables appends a step here and leaves those before as they are: they run on ledgers that are as old as themselves. A
step never changes a ledger key.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dqdata.files import make_file, whole_file

log = logging.getLogger("dqdata")

FIRST = 1
"""The version of a ledger that dqdata 0.1 made, also where it has no number."""


@dataclass(frozen=True)
class Step:
    """to: the version that the ledger has afterwards, one more than before. does: what changes. change: runs inside the
    step's transaction."""

    to: int
    does: str
    change: Callable[[sqlite3.Connection], None]


STEPS: tuple[Step, ...] = ()


def newest() -> int:
    """The version that this dqdata writes. A ledger with a higher one is refused."""
    return STEPS[-1].to if STEPS else FIRST


def migrate(con: sqlite3.Connection, path: Path, version: int) -> None:
    """Runs every step that the ledger lacks. Call it under the lock of writers. Raises sqlite3's and the
    system's errors, with the ledger at the last step that was whole."""
    if version == newest():
        return
    backup = path.with_name(f"{path.name}.version-{version}")
    with whole_file(backup) as unfinished:
        make_file(unfinished)
        with closing(sqlite3.connect(unfinished)) as to:
            con.backup(to)
    run_steps(con, version)
    log.warning(
        "ledger %s was migrated to version %d; earlier versions of dqdata cannot open it; %s is the ledger from before",
        *(path, newest(), backup),
    )


def run_steps(con: sqlite3.Connection, version: int) -> None:
    """Runs the missing steps alone, each in a transaction; also for a private copy."""
    for step in STEPS:
        if step.to <= version:
            continue
        con.execute("begin immediate")
        try:
            step.change(con)
            con.execute(f"pragma user_version = {step.to}")
            con.execute("commit")
        except BaseException:
            con.execute("rollback")
            raise
