"""What all versions of a store consist of: data files, their manifests, keys. One question each, however many versions
there are: DuckLake's own functions and `describe` take one for each table of each version.

    data_files(reader)["traces", 3]["traces__rejects"]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.catalog.records import FILES, Version
from dqdata.columns import KEYS, key_of
from dqdata.refs import REJECTS_SUFFIX
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    from dqdata.catalog.backend import DataFile
    from dqdata.catalog.reader import Reader

_LAKE_TYPES = {"VARCHAR": "varchar", "BIGINT": "int64", "BOOLEAN": "boolean"}
"""What DuckLake calls types."""


def data_files(reader: Reader, catalog: str | None = None) -> dict[tuple[str, int], dict[str, list[DataFile]]]:
    """By catalog and version, then by table: the files of a version and of its rejects, whether they are there or not;
    of one catalog or of all, dropped versions included."""
    rows = reader.rows(
        f"""{_made(reader, catalog)} select catalog, version, name, path from made
        left join {_metadata(reader)}.ducklake_data_file f
            on f.table_id = made.table_id and f.begin_snapshot <= made_in
            and made_in < coalesce(f.end_snapshot, made_in + 1)
        order by made_in, data_file_id"""
    )
    found: dict[tuple[str, int], dict[str, list[DataFile]]] = {}
    for name, version, table, path in rows:
        files = found.setdefault((name, version), {name: [], name + REJECTS_SUFFIX: []})[table]
        if path is not None:
            files.append(reader.backend.data.file(table, Path(str(path)).name))
    return found


def keys(reader: Reader) -> dict[tuple[str, int], str]:
    """The key column of each version, dropped ones included."""
    return {at: key_of(names) for at, names in having(reader, KEYS).items()}


def having(reader: Reader, names: Iterable[str]) -> dict[tuple[str, int], list[str]]:
    """Which of these columns each version has; those that have none are left out."""
    listed = ", ".join(map(literal, names))
    rows = reader.rows(
        f"""{_made(reader, None)} select catalog, version, list(column_name) from made
        join {_metadata(reader)}.ducklake_column c
            on c.table_id = made.table_id and c.begin_snapshot <= made_in
            and made_in < coalesce(c.end_snapshot, made_in + 1)
        where name = catalog and parent_column is null and column_name in ({listed}) group by catalog, version"""
    )
    return {(str(name), int(version)): list(columns) for name, version, columns in rows}


def rows_with(reader: Reader, columns: Mapping[str, str]) -> tuple[list[Version], str]:
    """The readable versions that have these columns in these types, and SQL for their rows: catalog, version,
    created_at and the columns. Read from the files, as DuckLake plans a scan, and its whole catalog, for each version.
    """
    typed = ", ".join(f"({literal(name)}, {literal(_LAKE_TYPES[kind])})" for name, kind in columns.items())
    found = reader.rows(
        f"""{_made(reader, None)} select catalog, version from made
        join {_metadata(reader)}.ducklake_column c
            on c.table_id = made.table_id and c.begin_snapshot <= made_in
            and made_in < coalesce(c.end_snapshot, made_in + 1)
        where name = catalog and parent_column is null and (column_name, column_type) in ({typed})
        group by catalog, version having count(*) = {len(columns)}"""
    )
    at = {(str(name), int(version)) for name, version in found}
    versions = [one for one in reader.versions() if (one.catalog, one.version) in at]
    made = data_files(reader) if versions else {}
    files = [
        (file.url, one.catalog, one.version, one.created_at)
        for one in versions
        for file in made[one.catalog, one.version][one.catalog]
    ]
    names = ", ".join(f"{quoted(name)}::{kind} as {quoted(name)}" for name, kind in columns.items())
    if not files:
        nulls = ", ".join(f"null::{kind} as {quoted(name)}" for name, kind in columns.items())
        about = "null::varchar as catalog, null::bigint as version, null::timestamptz as created_at"
        return versions, f"select {about}, {nulls} limit 0"
    urls = ", ".join(literal(url) for url, *_ in files)
    listed = ", ".join(f"({', '.join(literal(value) for value in file)})" for file in files)
    return versions, (
        f"select catalog, version::bigint as version, created_at, {names} from read_parquet([{urls}], filename = "
        f"dq_file) join (values {listed}) of(dq_file, catalog, version, created_at) using (dq_file)"
    )


def manifests(reader: Reader, catalog: str | None = None) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Rows of dq_files by catalog and version; a version that an earlier dqdata made has none."""
    where = "true" if catalog is None else f"catalog = {literal(catalog)}"
    names = ", ".join(quoted(name) for name in FILES)
    rows = reader.rows(f"select {names} from lake.main.dq_files where {where} order by catalog, version, table_name")
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((str(row[0]), int(row[1])), []).append(dict(zip(FILES, row, strict=True)))
    return found


def _metadata(reader: Reader) -> str:
    return f"__ducklake_metadata_lake.{reader.backend.metadata.schema}"


def _made(reader: Reader, catalog: str | None) -> str:
    """A CTE with the two tables of each version, as DuckLake numbers them, and the snapshot that made them."""
    where = "true" if catalog is None else f"catalog = {literal(catalog)}"
    return f"""with named as (
            select catalog, version, snapshot_id as made_in, unnest([catalog, catalog || '{REJECTS_SUFFIX}']) as name
            from lake.main.dq_versions where {where}
        ), made as (
            select named.*, table_id from named join {_metadata(reader)}.ducklake_table t
            on t.table_name = name and t.begin_snapshot <= made_in
            and made_in < coalesce(t.end_snapshot, made_in + 1)
        )"""
