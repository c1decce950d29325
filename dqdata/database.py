"""DuckDB connections for SQL from users: limited to the given files, without network access, in UTC.

    >>> with connect(files=[Path("rows.parquet")]) as con:
    ...     con.execute("from read_parquet('rows.parquet')").fetchall()

DuckDB checks `allowed_paths` in its own file system, and its configuration is locked before the first query. Extensions
that open files by themselves (SQLite's) are not bound by that, and some functions run SQL that comes as text: of table
functions `dqdata.sql.check_functions` admits those of a positive list.
"""

from __future__ import annotations

import importlib.util
import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.errors import StoreError

if TYPE_CHECKING:
    import duckdb

THREAD_BYTES = 128 << 20
"""Memory that a thread of DuckDB needs for sorting, joining and reading long texts."""


def connect(
    *,
    files: Iterable[Path] = (),
    folders: Iterable[Path] = (),
    spill: Path | None = None,
    memory: int | None = None,
    threads: int | None = None,
    insertion_order: bool = True,
) -> duckdb.DuckDBPyConnection:
    """A new in-memory database, locked. files, folders: what queries may read and write. spill: folder that is there,
    for what exceeds `memory` bytes; without it nothing spills to disk. With `memory` there are no more threads than it
    has room for, as each holds buffers of its own."""
    if memory is not None and threads is None:
        threads = max(1, min(os.cpu_count() or 1, memory // THREAD_BYTES))
    con = open_database([], spill=spill, threads=threads)
    if memory is not None:
        con.execute(f"set memory_limit = '{memory // (1 << 20)}MB'")
    if not insertion_order:
        con.execute("set preserve_insertion_order = false")
    lock(con, files, folders)
    return con


def open_database(
    extensions: Sequence[str], *, spill: Path | None, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """A new in-memory database with extensions from their wheels, for the engine to attach its own files to; `lock` it
    before it runs a query of anyone else. spill: as for `connect`. Raises StoreError for an extension that is not
    installed."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        # pip has checked the wheels, and DuckDB would hash 70 MB at each start; `lock` takes it back.
        "allow_unsigned_extensions": bool(extensions),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,  # a table name must not mean a variable of the caller
        # Two databases in one folder write to the same files there, and crash. DuckDB makes and removes its own.
        "temp_directory": str(spill / f"spill-{uuid.uuid4().hex}") if spill else "",
    }
    if threads is not None:
        config["threads"] = threads
    con = duckdb.connect(config=config)
    # Under `python -c` the bar would be printed among the rows; in a notebook without ipywidgets no value can be set.
    if con.execute("select current_setting('enable_progress_bar')").fetchone() == (True,):
        con.execute("set enable_progress_bar = false")
    for name in extensions:
        con.execute(f"load {_text(_extension(name))}")
    con.execute("set global TimeZone = 'UTC'")  # else a cast to DATE depends on the machine
    return con


def _extension(name: str) -> Path:
    import duckdb

    package = f"duckdb-extension-{name.replace('_', '-')}"
    module = importlib.util.find_spec(package.replace("-", "_"))
    for folder in (module.submodule_search_locations or ()) if module else ():
        file = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if file.is_file():
            return file
    raise StoreError(
        f"DuckDB's {name} extension is missing: pip install {package}=={duckdb.__version__}", code="missing-extra"
    )


def lock(
    con: duckdb.DuckDBPyConnection,
    files: Iterable[Path] = (),
    folders: Iterable[Path] = (),
    prefixes: Iterable[str] = (),
) -> None:
    """From now on the database reaches these files and what is below these folders and URLs, and nothing can be set.
    prefixes: URLs that end with a slash."""
    paths = ", ".join(_text(path) for file in files for path in _spellings(file))
    below = [f"{path.rstrip('/')}/" for folder in folders for path in _spellings(folder)] + list(prefixes)
    con.execute(f"set allowed_paths = [{paths}]")
    con.execute(f"set allowed_directories = [{', '.join(map(_text, below))}]")
    con.execute("set enable_external_access = false")
    con.execute("set allow_unsigned_extensions = false")
    con.execute("set lock_configuration = true")


def _spellings(path: Path) -> tuple[str, ...]:
    """The path as it is written and as the system resolves it: DuckDB compares text."""
    return tuple(dict.fromkeys((str(path), str(path.absolute()), str(path.resolve()))))


def _text(value: str | Path) -> str:
    """A path or text as an SQL string."""
    return "'" + str(value).replace("'", "''") + "'"
