"""Merges the small files of the store's own tables, so that reading these takes no longer with each version.

    for table in crowded(con, backend):
        merge(con, backend, table)              # inside a transaction, under the store's lock

Each commit adds a Parquet file to dq_versions and dq_files, and each run one to dq_runs. DuckLake keeps the snapshot of
every row in a merged file, so `snapshot_id`, `rowid` and time travel stay as they were. The files that were merged
stay for `KEPT`, as readers may have begun to read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dqdata.catalog.backend import Backend
from dqdata.refs import RECORDS
from dqdata.sql import literal

if TYPE_CHECKING:
    import duckdb

FILES = 32
"""Small files of a table that are left alone."""
SMALL = 4 << 20
"""Bytes of a file from which it is not merged again, which bounds what a merge writes."""
KEPT = "1 day"
"""How long a file stays that was merged into another."""


def crowded(con: duckdb.DuckDBPyConnection, backend: Backend) -> list[str]:
    """Names of the store's own tables that have more than `FILES` small files."""
    metadata = f"__ducklake_metadata_lake.{backend.metadata.schema}"
    names = ", ".join(map(literal, RECORDS))
    found = con.execute(
        f"select table_name from {metadata}.ducklake_data_file f join {metadata}.ducklake_table t using (table_id) "
        f"where table_name in ({names}) and t.end_snapshot is null and f.end_snapshot is null "
        f"and file_size_bytes < {SMALL} group by table_name having count(*) > {FILES} order by table_name"
    )
    return [str(name) for (name,) in found.fetchall()]


def merge(con: duckdb.DuckDBPyConnection, backend: Backend, table: str) -> None:
    """Writes the rows of the small files of a table to one file, on disk before the transaction commits."""
    with backend.data.written(table):
        con.execute(
            f"call ducklake_merge_adjacent_files('lake', {literal(table)}, schema => 'main', max_file_size => {SMALL})"
        )


def remove_merged(con: duckdb.DuckDBPyConnection, backend: Backend) -> None:
    """Removes the files that were merged longer than `KEPT` ago, then the list of them: one that was removed already is
    no error. DuckLake's own function removes many S3 objects in one request, which not every server answers."""
    scheduled = f"__ducklake_metadata_lake.{backend.metadata.schema}.ducklake_files_scheduled_for_deletion"
    old = f"schedule_start::timestamptz <= now() - interval {literal(KEPT)}"
    for number, path in con.execute(f"select data_file_id, path from {scheduled} where {old}").fetchall():
        table, name = str(path).split("/")[-2:]
        backend.data.file(table, name).remove()
        con.execute(f"delete from {scheduled} where data_file_id = {int(number)}")
