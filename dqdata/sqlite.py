"""Numbered formats of SQLite files: brings a file of an earlier dqdata to the present format, step by step.

    migrate(con, path, version, STEPS)           # under the lock of the file's writers

The number is SQLite's `user_version`. A step and its number are one transaction: if the process is killed, the file has
the format before or after the step, and the next process continues from there. Before the first step the file is copied
to `<file>.version-N`. To change a format, append a step and leave the earlier ones as they are: they run on files that
are as old as themselves.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dqdata import __version__
from dqdata.errors import StoreError
from dqdata.files import make_file, whole_file

log = logging.getLogger("dqdata")

FIRST = 1
"""The format that dqdata 0.1 wrote, also where the file has no number."""


@dataclass(frozen=True)
class Step:
    """to: the format after the step, one more than before. does: what changes. change: runs inside the step's
    transaction."""

    to: int
    does: str
    change: Callable[[sqlite3.Connection], None]


def newest(steps: Sequence[Step]) -> int:
    """The format that this dqdata writes."""
    return steps[-1].to if steps else FIRST


def version(con: sqlite3.Connection, steps: Sequence[Step]) -> int:
    """The file's format; 0 for an empty file. Raises StoreError for a format that this dqdata does not know."""
    found = int(con.execute("pragma user_version").fetchone()[0])
    if found > newest(steps):
        raise StoreError(
            f"version {found}, made by a newer dqdata (this is dqdata {__version__}, which reads up to "
            f"{newest(steps)}): update dqdata"
        )
    if found == 0 and con.execute("select count(*) from sqlite_master").fetchone()[0] == 0:
        return 0
    return found or FIRST


def migrate(con: sqlite3.Connection, path: Path, version: int, steps: Sequence[Step]) -> None:
    """Runs every step that the file lacks. Call it under the lock of writers. Raises sqlite3's and the system's errors,
    with the file at the last step that was whole."""
    if version == newest(steps):
        return
    backup = path.with_name(f"{path.name}.version-{version}")
    with whole_file(backup) as unfinished:
        make_file(unfinished)
        with closing(sqlite3.connect(unfinished)) as to:
            con.backup(to)
    run_steps(con, version, steps)
    log.warning(
        "%s was migrated to version %d; earlier versions of dqdata cannot open it; %s is the file from before",
        *(path, newest(steps), backup),
        extra={"code": "migrated"},
    )


def run_steps(con: sqlite3.Connection, version: int, steps: Sequence[Step]) -> None:
    """Runs the missing steps alone, each in a transaction; also for a private copy."""
    for step in steps:
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
