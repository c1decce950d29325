"""What a query finds on its connection: versions as tables, records of the store, the ledger, and views over them.

make_views(reader, con, pin("select * from problems@3", ...))
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.catalog.contents import rows_with
from dqdata.catalog.costs import VERIFIED, cost_view
from dqdata.catalog.difficulty import COLUMNS, difficulty_view
from dqdata.catalog.folder import writable
from dqdata.catalog.pins import Pinned
from dqdata.errors import QueryError
from dqdata.ledger.choice import has_ledger
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

    from dqdata.catalog.reader import Reader


def make_views(reader: Reader, con: duckdb.DuckDBPyConnection, pinned: Pinned) -> None:
    """Makes what the query names. Raises QueryError for a ledger that is not there."""
    for name in pinned.tables:
        table, _, version = name.rpartition("@")
        source = reader.table_at(table, int(version))
        con.execute(f"create or replace temp view {quoted(name)} as {source}")
    for name in pinned.records:
        con.execute(f"create or replace temp view {name} as select *, snapshot_id from lake.main.{name}")
    if pinned.ledger:
        _attach_ledger(reader, con)
    if pinned.costs:
        con.execute(cost_view(*rows_with(reader, VERIFIED)))
    if pinned.difficulty:
        con.execute(difficulty_view(rows_with(reader, COLUMNS)[1]))


def _attach_ledger(reader: Reader, con: duckdb.DuckDBPyConnection) -> None:
    """Only for a query that names it: DuckDB brings a SQLite of its own, which must not open and close the file beside
    the one that a run in this process writes through."""
    file = reader.ledger_place
    if not has_ledger(file):
        raise QueryError(f"there is no ledger yet: {file} appears with the first call to a teacher")
    if not isinstance(file, Path):
        if not con.execute("from duckdb_databases() where database_name = 'ledger'").fetchall():
            raise QueryError(f"the ledger {file} did not answer when the store was opened: run the query again")
        con.execute("call pg_clear_cache()")  # its tables may be younger than the connection
        return
    if not writable(file.parent):
        file = reader.copies.of(file)
    con.execute(f"attach if not exists {literal(str(file))} as ledger (type sqlite, read_only)")
