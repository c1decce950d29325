"""Writes rows to a file that people asked for: Parquet, JSONL or CSV by its ending; streamed, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dqdata.columns import Columns, arrow_schema
from dqdata.errors import DataError, StoreError

FORMATS = {
    ".parquet": "(format parquet, compression zstd)",
    ".jsonl": "(format json)",
    ".csv": "(format csv, header true)",
}


def write_rows(files: Sequence[Path], columns: Columns, target: Path) -> int:
    """The number of rows written. Raises DataError for another ending, StoreError where the disk refuses."""
    import duckdb

    if target.suffix not in FORMATS:
        raise DataError(f"{target}: can't tell the format; end it in {', '.join(FORMATS)}")
    part = target.with_name(f".{target.name}.part")
    try:
        with duckdb.connect() as con:
            if files:
                names = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
                source = f"read_parquet([{names}])"
            else:
                con.register("nothing", arrow_schema(columns).empty_table())
                source = "nothing"
            quoted = str(part).replace("'", "''")
            written = con.execute(f"copy (from {source}) to '{quoted}' {FORMATS[target.suffix]}").fetchone()
        part.rename(target)
    except (duckdb.IOException, OSError) as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"can't write {target}: {error}") from error
    return int(written[0]) if written else 0
