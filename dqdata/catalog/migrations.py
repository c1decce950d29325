"""Brings a store that an earlier dqdata made to the present format, a numbered step after the other.

    migrate(backend, facts)                      # under the store's lock; Facts of the format NEWEST

A step changes the metadata alone, never a data file, and does so in one transaction that also notes its number (as a
comment on dq_versions): a process killed on the way leaves a store at the step before or after, and the next one goes
on from there. Before the first step metadata and store.json are copied to `backups/format-N/`. Whoever changes the
format appends a step here and leaves those before as they are: they run on stores that are as old as themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata import __version__
from dqdata.catalog.backend import FACTS, Backend
from dqdata.catalog.folder import snapshot
from dqdata.catalog.format import FIRST, Facts, write_facts
from dqdata.catalog.lake import attach
from dqdata.files import make_file, make_folder, whole_folder
from dqdata.sql import literal

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("dqdata")

_NOTE = "store format "


@dataclass(frozen=True)
class Step:
    """to: the format that the store has afterwards, one more than before. does: what changes, for the log. change:
    gets a connection with the lake attached, inside the step's transaction; changes metadata alone. facts: fields of
    store.json that hold from then on."""

    to: int
    does: str
    change: Callable[[duckdb.DuckDBPyConnection], None]
    facts: Mapping[str, Any] = field(default_factory=dict)


def _metrics_and_ids(con: duckdb.DuckDBPyConnection) -> None:
    """dq_metrics came in the course of version 0.1: the earliest stores lack it."""
    con.execute(
        "create table if not exists lake.main.dq_metrics "
        "(model VARCHAR, version BIGINT, step BIGINT, name VARCHAR, value DOUBLE)"
    )


def _evals(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "create table if not exists lake.main.dq_evals (evaluation VARCHAR, benchmark VARCHAR, model VARCHAR, "
        "answers VARCHAR, data VARCHAR, questions BIGINT, samples BIGINT, pass_at_1 DOUBLE, low DOUBLE, high DOUBLE, "
        "majority DOUBLE, tokens DOUBLE, seconds DOUBLE, scores VARCHAR, settings VARCHAR, created_at TIMESTAMPTZ)"
    )


def _marks_and_files(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "create table if not exists lake.main.dq_marks "
        "(catalog VARCHAR, version BIGINT, kind VARCHAR, value VARCHAR, created_at TIMESTAMPTZ)"
    )
    con.execute(
        "create table if not exists lake.main.dq_files (catalog VARCHAR, version BIGINT, table_name VARCHAR, "
        'file VARCHAR, "rows" BIGINT, bytes BIGINT, blake2b VARCHAR)'
    )


def _checks(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "create table if not exists lake.main.dq_checks (catalog VARCHAR, version BIGINT, source VARCHAR, "
        'name VARCHAR, severity VARCHAR, sql VARCHAR, passed BOOLEAN, wrong BIGINT, "value" DOUBLE, detail VARCHAR, '
        "created_at TIMESTAMPTZ)"
    )


STEPS: tuple[Step, ...] = (
    Step(2, "every store has dq_metrics and names its scheme of ids", _metrics_and_ids, {"ids": "nfkc"}),
    Step(3, "results of evaluations are rows of dq_evals", _evals),
    Step(4, "versions have marks and a manifest of files", _marks_and_files),
    Step(5, "versions have results of checks", _checks),
)
NEWEST = STEPS[-1].to
"""The format that this dqdata writes. A store with a higher one is refused."""


def migrate(backend: Backend, facts: Facts) -> Facts:
    """The facts after every step that this store lacks. Call it under the store's lock, while nothing in this process
    has the metadata open. Raises DuckDB's and the system's errors, with the store at the last step that was whole."""
    if facts.format == NEWEST:
        return facts
    with closing(attach(backend, read_only=True)) as con:
        noted = max(_noted(con), facts.format)
    backup = back_up(backend, facts, fresh=noted == facts.format)
    con = attach(backend, read_only=False)
    try:
        for step in pending(facts):
            if step.to > noted:
                con.execute("begin")
                step.change(con)
                con.execute(f"comment on table lake.main.dq_versions is {literal(f'{_NOTE}{step.to}')}")
                con.execute("commit")
            facts = after(facts, step)
            write_facts(backend, facts)
    finally:
        con.close()
    log.warning(
        "the store %s was migrated to format %d (dqdata %s); earlier versions of dqdata cannot open it; %s holds "
        "its metadata from before",
        *(backend.place, facts.format, __version__, backup),
        extra={"code": "migrated"},
    )
    return facts


def migrate_copy(backend: Backend, facts: Facts, metadata: Path) -> None:
    """The steps that the store lacks, on a private copy of its metadata: for a store that is only read."""
    with closing(attach(backend, metadata, read_only=False)) as con:
        noted = max(_noted(con), facts.format)
        for step in pending(facts):
            if step.to > noted:
                step.change(con)


def pending(facts: Facts) -> list[Step]:
    """The steps that a store with these facts lacks, in order."""
    return [step for step in STEPS if step.to > facts.format]


def after(facts: Facts, step: Step) -> Facts:
    return replace(facts, format=step.to, **step.facts)


def back_up(backend: Backend, facts: Facts, *, fresh: bool) -> Path:
    """Folder with metadata (those of a SQLite file) and store.json as they are at this format. fresh: no step was done
    yet, so an older copy makes way for one of now; otherwise it is the copy that an interrupted migration made."""
    folder = backend.root / "backups" / f"format-{facts.format}"
    if folder.exists() and not fresh:
        return folder
    make_folder(folder.parent)
    with whole_folder(folder) as unfinished:
        if (file := backend.metadata.file) is not None:
            copy = unfinished / file.name
            make_file(copy)
            snapshot(file, copy)
        (unfinished / FACTS).write_text(backend.data.read_note(FACTS) or "", encoding="utf-8")
    return folder


def _noted(con: duckdb.DuckDBPyConnection) -> int:
    """The format that the last whole step left, as the metadata itself says."""
    [(comment,)] = con.execute(
        "select comment from duckdb_tables() where database_name = 'lake' and table_name = 'dq_versions'"
    ).fetchall()
    text = str(comment or "")
    return int(text.removeprefix(_NOTE)) if text.startswith(_NOTE) else FIRST
