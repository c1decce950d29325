"""Stores that can't be used as asked: each says what is wrong and what to do, and stays as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import dqdata.catalog.store
from dqdata.catalog import Store, Version
from dqdata.errors import StoreError
from dqdata.ledger import Ledger

Make = Callable[..., Version]
Problems = Callable[..., list[dict[str, Any]]]
Mount = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, commit_to: Make, problems: Problems) -> Path:
    """A closed store with p@1 of two rows."""
    with Store.open(tmp_path / "catalogs") as store:
        commit_to(store, "p", problems([1, 2]))
    return tmp_path / "catalogs"


def test_made_by_a_newer_dqdata(root: Path) -> None:
    (root / "store.json").write_text(json.dumps({"format": 99, "made_by": "dqdata 9.1"}))
    for read_only in (True, False):
        with pytest.raises(
            StoreError,
            match=r"newer dqdata \(dqdata 9\.1, store format 99; this is dqdata .*, format \d+\): update dqdata",
        ):
            Store.open(root, read_only=read_only)


def test_made_by_a_newer_ducklake(root: Path) -> None:
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"
    change = "update ducklake_metadata set value = '7.0' where key = 'version'"
    subprocess.run([sys.executable, "-c", code, str(root / "metadata.sqlite"), change], check=True)
    with pytest.raises(StoreError, match=r"newer dqdata"):
        Store.open(root, read_only=True)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("store.json", b"{", r"damaged: store\.json can't be read"),
        ("store.json", b'{"format": "one"}', r"damaged: store\.json"),
        ("store.json", b'{"format": 0}', r"damaged: store\.json"),
        ("store.json", b"[1]", r"damaged: store\.json"),
        (
            "store.json",
            b'{"format": 2, "ids": "nfz", "made_by": "dqdata 8"}',
            r"ids of the scheme 'nfz'.*update dqdata",
        ),
        (
            "metadata.sqlite",
            b"not a database at all, not even nearly so" * 200,
            r"metadata\.sqlite\) is damaged; restore",
        ),
        ("metadata.sqlite", None, r"damaged: metadata\.sqlite is missing; restore it from a backup"),
    ],
)
def test_damaged(root: Path, file: str, content: bytes | None, message: str) -> None:
    if content is None:
        (root / file).unlink()
    else:
        (root / file).write_bytes(content)
    data = {path: path.stat().st_size for path in (root / "data").rglob("*.parquet")}
    for read_only in (True, False):
        with pytest.raises(StoreError, match=message):
            Store.open(root, read_only=read_only)
    assert {path: path.stat().st_size for path in (root / "data").rglob("*.parquet")} == data


def test_missing_store_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store at .*nothing"):
        Store.open(tmp_path / "nothing", read_only=True)
    assert not (tmp_path / "nothing").exists()
    assert not Store.exists(tmp_path)


def test_a_folder_that_is_there_already(tmp_path: Path, commit_to: Make, problems: Problems) -> None:
    (tmp_path / "README.md").write_text("Catalogs live here.")
    (tmp_path / "metadata.sqlite").touch()  # as a process leaves it that was killed while making the store
    with Store.open(tmp_path) as store:
        assert commit_to(store, "p", problems([1])).version == 1
    assert Store.exists(tmp_path)


def test_a_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="opening the store"):
        Store.open(tmp_path / "file")


def test_locked(root: Path, commit_to: Make, problems: Problems, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dqdata.catalog.commit, "PATIENCE", 0.2)
    note = {"pid": 12, "host": "box", "catalog": "q", "since": "2026-11-22T10:00:00+00:00"}
    with FileLock(root / "commit.lock"):
        (root / "commit.pending").write_text(json.dumps(note))
        with Store.open(root) as store:
            with pytest.raises(StoreError, match=r"locked by another program \(process 12 on box, committing q"):
                commit_to(store, "p", problems([3]))
            assert len(store.query("from p").read_all()) == 2, "readers need no lock"
        assert (root / "commit.pending").exists()


def test_read_only_file_system(
    root: Path, mounted: Mount, commit_to: Make, problems: Problems, parquet: Callable[..., Path], tmp_path: Path
) -> None:
    with Ledger(root / "ledger.sqlite"):
        pass
    point = mounted("--bind", str(root), then=["mount", "-o", "remount,bind,ro"])
    with pytest.raises(StoreError, match=r"read-only for you"):
        Store.open(point)
    with Store.open(point, read_only=True) as store:
        assert len(store.query("from p@1").read_all()) == 2
        assert store.query_columns("from p")[0] == 'from "p@1"'
        assert len(store.query("from ledger.calls").read_all()) == 0
        assert len(store.query("select question from p order by problem_id", repeatable=True).read_all()) == 2
    with Store.open(root) as store:
        assert commit_to(store, "p", problems([1])).version == 2


def test_read_only_by_permission(root: Path, tmp_path: Path) -> None:
    """Somebody else's store: the folder and its files may be read and nothing more."""
    code = """
import os, sys
from pathlib import Path
from dqdata.catalog import Store
from dqdata.errors import StoreError
from dqdata.ledger import Ledger
with Store.open(Path(sys.argv[2])) as store:  # imports everything, as nobody may not read root's Python
    store.query("select 1, now()").read_all().to_pylist()
if os.geteuid() == 0:  # else the files are the user's own, who may make them writable again
    os.setgid(65534), os.setuid(65534)
    try:
        Store.open(Path(sys.argv[1]))
    except StoreError as error:
        assert "read-only for you" in str(error), error
    else:
        sys.exit("opened for writing")
with Store.open(Path(sys.argv[1]), read_only=True) as store:
    print(len(store.query("from p@1").read_all()))
"""
    with tempfile.TemporaryDirectory() as above:  # pytest's own folders are closed to other users
        Path(above).chmod(0o755)
        theirs = shutil.copytree(root, Path(above) / "catalogs")
        for folder, _, names in os.walk(theirs):
            for name in names:
                (Path(folder) / name).chmod(0o444)
            Path(folder).chmod(0o555)
        try:
            command = [sys.executable, "-c", code, str(theirs), str(tmp_path / "warm")]
            done = subprocess.run(command, capture_output=True, text=True)
        finally:
            for folder, _, _ in os.walk(theirs):
                Path(folder).chmod(0o755)
    assert (done.stdout.strip(), done.returncode) == ("2", 0), done.stderr


@pytest.mark.parametrize("left", [0, 40_000, 150_000])
def test_full_disk(
    mounted: Mount,
    commit_to: Make,
    problems: Problems,
    parquet: Callable[..., Path],
    orphans: Callable[[Path], set[str]],
    tmp_path: Path,
    left: int,
) -> None:
    """With no byte left, with room for some of the metadata, with room for it but not for the rows."""
    root = mounted("-t", "tmpfs", "-o", "size=3m", "none") / "catalogs"
    rows = [parquet(tmp_path, problems(range(k, k + 4000))) for k in (0, 4000, 8000)] if left > 100_000 else []
    with Store.open(root) as store:
        commit_to(store, "p", problems([1, 2]))
        given: dict[str, Any] = {"rejects": [], "columns": store.schema("p", 1), "run_id": "r"}
        _fill(root / "filler", left)
        with pytest.raises(StoreError, match=r"the disk is full; nothing was changed"):
            for number in range(50):
                store.commit("p", rows=rows, fingerprint=str(number), recipe={"x": "y" * 9000}, **given)
        assert len(store.query("from p@1").read_all()) == 2
        (root / "filler").unlink()
        there = len(store.versions("p"))
        made = store.commit("p", rows=rows, fingerprint="after", recipe={}, **given)
        assert (made.version, made.rows) == (there + 1, 4000 * len(rows))
    with Store.open(root) as store:
        for version in store.versions("p"):
            assert len(store.query(f"from p@{version.version}").read_all()) == version.rows
    assert orphans(root) == set()
    assert not (root / "commit.pending").exists()


def _fill(file: Path, left: int) -> None:
    """Writes until only `left` bytes are free."""
    with file.open("wb", buffering=0) as out:
        space = os.statvfs(file.parent)
        try:
            out.write(bytes(max(space.f_bavail * space.f_frsize - left, 0)))
            while left == 0:
                out.write(bytes(4096))
        except OSError:
            pass
