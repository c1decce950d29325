"""A store in a fresh folder, and short ways to fill and look into one."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from servers import Servers

from dqdata.catalog import Store, Version
from dqdata.catalog.backend import DataFile
from dqdata.catalog.choice import backend_of
from dqdata.catalog.lake import attach
from dqdata.columns import REJECTS, Columns, polars_schema
from dqdata.place import StorePlace

CHAT = 'STRUCT("role" VARCHAR, "content" VARCHAR)[]'
"""Chats as catalogs of dqdata 0.1 have them."""
COLUMNS = Columns({"problem_id": "VARCHAR", "question": "VARCHAR", "messages": CHAT})
_numbers = itertools.count()

Rows = Sequence[Mapping[str, Any]]


FILE_TABLES = ("ducklake_data_file", "ducklake_files_scheduled_for_deletion")
"""Of DuckLake: files that snapshots refer to, and files that wait until nobody can be reading them."""


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StorePlace:
    """Where a new store is to be: in a folder; in tests marked `both`, with metadata in Postgres and data in S3 too."""
    folder = tmp_path / "catalogs"
    if getattr(request, "param", "folder") == "folder":
        return StorePlace(folder)
    started: Servers = request.getfixturevalue("servers")
    for name, value in started.variables.items():
        monkeypatch.setenv(name, value)
    return started.place(folder)


@pytest.fixture
def store(place: StorePlace) -> Iterator[Store]:
    with Store.open(place) as opened:
        yield opened


@pytest.fixture
def on_disk(place: StorePlace, request: pytest.FixtureRequest) -> Callable[[DataFile], Path]:
    """on_disk(file): the bytes of a data file, for tests that damage them."""
    if not place.data:
        return lambda file: Path(file.url)
    started: Servers = request.getfixturevalue("servers")
    return lambda file: started.on_disk(file.url)


@pytest.fixture
def nobodys() -> Callable[[StorePlace], set[str]]:
    """nobodys(place): as `orphans`, of a store of any kind that is closed."""

    def find(place: StorePlace) -> set[str]:
        backend = backend_of(place)
        tables = f"__ducklake_metadata_lake.{backend.metadata.schema}"
        with closing(attach(backend, read_only=True)) as con:
            known = {
                Path(path).name
                for table in FILE_TABLES
                for (path,) in con.execute(f"select path from {tables}.{table}").fetchall()
            }
        return {file.name for file in backend.data.files()} - known

    return find


@pytest.fixture
def problems() -> Callable[..., list[dict[str, Any]]]:
    """problems(ids, question="..."): rows of COLUMNS."""

    def make(ids: Sequence[object], question: str = "1 + 1?") -> list[dict[str, Any]]:
        chat = [{"role": "user", "content": "é"}]
        return [{"problem_id": str(one), "question": question, "messages": chat} for one in ids]

    return make


@pytest.fixture
def parquet() -> Callable[..., Path]:
    """parquet(folder, rows, columns=...): a finished file."""
    return _parquet


@pytest.fixture
def commit_to() -> Callable[..., Version]:
    """commit_to(store, catalog, rows, rows, ..., rejects=rows): a version, with one file for each lot of rows."""

    def make(store: Store, catalog: str, *lots: Rows, rejects: Rows = (), **values: Any) -> Version:
        columns = values.pop("columns", COLUMNS)
        given = {"fingerprint": f"f{next(_numbers)}", "recipe": {}, "run_id": "run", **values}
        return store.commit(
            catalog,
            rows=[_parquet(store.work, rows, columns) for rows in lots],
            rejects=[_parquet(store.work, rejects, REJECTS)] if rejects else [],
            columns=columns,
            **given,
        )

    return make


@pytest.fixture
def commit(store: Store, commit_to: Callable[..., Version]) -> Callable[..., Version]:
    return lambda *args, **values: commit_to(store, *args, **values)


@pytest.fixture
def read(store: Store) -> Callable[[str], list[dict[str, Any]]]:
    return lambda sql: store.query(sql).read_all().to_pylist()  # type: ignore[no-any-return]


@pytest.fixture
def orphans() -> Callable[[Path], set[str]]:
    """orphans(folder of a store): data files that no snapshot refers to and that wait for no removal. The store must be
    closed, as Python's sqlite3 and DuckDB's mustn't have the metadata open at once in one process. Looks at a copy, so
    that DuckDB finds the store as it was left."""

    def find(root: Path) -> set[str]:
        with tempfile.TemporaryDirectory() as folder:
            for file in root.glob("metadata.sqlite*"):
                shutil.copy(file, folder)
            with closing(sqlite3.connect(Path(folder) / "metadata.sqlite")) as con:
                known = {
                    Path(path).name for table in FILE_TABLES for (path,) in con.execute(f"select path from {table}")
                }
        return {file.name for file in (root / "data").rglob("*") if file.is_file()} - known

    return find


def _parquet(folder: Path, rows: Rows, columns: Mapping[str, str] = COLUMNS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{os.getpid()}-{next(_numbers)}.parquet"
    pl.DataFrame(list(rows), schema=polars_schema(columns)).write_parquet(file)
    return file


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts something at a new folder and gives the folder; skips the test where that isn't allowed."""
    points: list[Path] = []

    def mount(*options: str, then: Sequence[str] = ()) -> Path:
        point = tmp_path / f"mount-{len(points)}"
        point.mkdir()
        for words in (["mount", *options, str(point)], ["mount", *then, str(point)] if then else None):
            if words and (os.geteuid() != 0 or subprocess.run(words, capture_output=True).returncode != 0):
                pytest.skip("mounting needs root")
            if not points or points[-1] != point:
                points.append(point)
        return point

    yield mount
    for point in reversed(points):
        subprocess.run(["umount", "-l", str(point)], check=True)


@pytest.fixture(autouse=True)
def new_stores() -> None:
    """Stores of these tests are made as they are outside tests."""
