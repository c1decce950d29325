"""Only its owner reads a store, or with `[store] group = true` its group; nothing in it points outside."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dqdata.catalog import Store
from dqdata.errors import StoreError
from dqdata.ledger import Ledger
from tests.dqdata.security.conftest import Invoke
from tests.dqdata.security.servers import completion, serving

PROJECT = """
[store]
group = GROUP

[teachers.t]
provider = "openai"
base_url = "URL"
model = "m"

[pipelines.p]
from = "rows.jsonl"
steps = [
    { op = "generate", teacher = "t" },
    { op = "sql", query = "select * from rows" },
    { op = "dedup", column = "question", method = "exact" },
]

[profiles.small.pipelines.p]
seed = 1
"""


@pytest.fixture(autouse=True)
def _usual_rights() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def run(folder: Path, dqdata: Invoke, *arguments: str, group: bool = False) -> None:
    with serving(lambda request: completion("4")) as server:
        text = PROJECT.replace("URL", server.url).replace("GROUP", "true" if group else "false")
        (folder / "pipelines.toml").write_text(text)
        rows = [json.dumps({"question": f"What is {number} + 1?"}) for number in range(4)]
        (folder / "rows.jsonl").write_text("\n".join(rows) + "\n")
        done = dqdata("run", "p", "--quiet", *arguments)
    assert done.code == 0, done


def rights(root: Path) -> dict[str, int]:
    """Rights of the folder and of everything below, by relative path."""
    found = [root, *root.rglob("*")]
    return {str(path.relative_to(root)): stat.S_IMODE(path.lstat().st_mode) for path in found}


def open_to(root: Path, mask: int) -> list[str]:
    return [f"{name}: {mode:o}" for name, mode in rights(root).items() if mode & mask]


def test_a_store_is_its_owners(tmp_path: Path, dqdata: Invoke) -> None:
    run(tmp_path, dqdata)
    run(tmp_path, dqdata, "--profile", "small")
    store = tmp_path / "catalogs"
    assert not open_to(store, 0o077)
    made = rights(store)
    assert made["."] == made["data"] == made["work"] == made["profiles"] == made["profiles/small"] == 0o700
    assert made["ledger.sqlite"] == made["metadata.sqlite"] == made["store.json"] == 0o600
    assert {made[name] for name in made if name.startswith("data/main/p/") and name.endswith(".parquet")} == {0o400}


def test_a_store_for_a_group(tmp_path: Path, dqdata: Invoke) -> None:
    run(tmp_path, dqdata, group=True)
    made = rights(tmp_path / "catalogs")
    assert not open_to(tmp_path / "catalogs", 0o007)
    assert made["."] == made["data"] == made["work"] == 0o770
    assert made["ledger.sqlite"] == made["metadata.sqlite"] == 0o660
    assert all(mode & 0o070 == (mode & 0o700) >> 3 for mode in made.values())


def test_files_beside_an_open_database(tmp_path: Path) -> None:
    """SQLite's write-ahead log and shared memory, and the locks, while a run is at work."""
    with Store.open(tmp_path / "catalogs") as store, Ledger(store.ledger_place) as ledger:
        ledger.rows("select count(*) from calls", ())
        names = {path.name for path in store.path.iterdir()}
        assert {"ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.sqlite.lock", "commit.lock"} <= names
        assert not open_to(store.path, 0o077)


def test_checkpoints_of_a_killed_run(tmp_path: Path, dqdata: Invoke) -> None:
    """What a run leaves behind when it stops in the middle is private too."""
    refused = threading.Event()

    def answer(request: object) -> object:
        refused.set()
        return completion("4")._replace(status=401)

    with serving(answer) as server:  # type: ignore[arg-type]
        (tmp_path / "pipelines.toml").write_text(PROJECT.replace("URL", server.url).replace("GROUP", "false"))
        (tmp_path / "rows.jsonl").write_text('{"question": "What is 1 + 1?"}\n')
        assert dqdata("run", "p", "--quiet").code == 1
    assert refused.is_set()
    assert any((tmp_path / "catalogs" / "work").rglob("*.parquet"))
    assert not open_to(tmp_path / "catalogs", 0o077)


def test_an_older_store_is_closed_to_others(tmp_path: Path, dqdata: Invoke) -> None:
    run(tmp_path, dqdata)
    store = tmp_path / "catalogs"
    for path in [store, *store.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    run(tmp_path, dqdata)
    assert not open_to(store, 0o077)


def test_exports_keep_the_usual_rights(tmp_path: Path, dqdata: Invoke) -> None:
    run(tmp_path, dqdata)
    for name in ("out.jsonl", "out.parquet", "out.csv"):
        assert dqdata("export", "p", "-o", str(tmp_path / name)).code == 0
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o644
    assert dqdata("sql", "from p", "-o", str(tmp_path / "sql.jsonl")).code == 0
    assert stat.S_IMODE((tmp_path / "sql.jsonl").stat().st_mode) == 0o644


def test_the_key_must_be_a_boolean(tmp_path: Path, dqdata: Invoke) -> None:
    (tmp_path / "pipelines.toml").write_text('[store]\ngroup = "staff"\n')
    done = dqdata("check")
    assert done.code == 1 and "group" in done.error


LINKS = ["data", "metadata.sqlite", "ledger.sqlite", "work/extra", "data/main/p/extra.parquet", "profiles", "models"]


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("read_only", [False, True])
def test_links_in_a_store_are_refused(name: str, read_only: bool, tmp_path: Path, dqdata: Invoke) -> None:
    run(tmp_path, dqdata)
    link, outside = tmp_path / "catalogs" / name, tmp_path / "outside"
    if link.exists():
        shutil.move(link, outside)
    else:
        outside.write_text("kept")
    link.symlink_to(outside)
    with pytest.raises(StoreError, match=f"symbolic link, {name}"):
        Store.open(tmp_path / "catalogs", read_only=read_only)
    done = dqdata("sql", "from p")
    assert done.code == 1 and "symbolic link" in done.error


def test_the_store_itself_may_be_a_link(tmp_path: Path, dqdata: Invoke) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "catalogs").symlink_to(tmp_path / "disk")
    run(tmp_path, dqdata)
    assert not open_to(tmp_path / "disk", 0o077)


@pytest.mark.parametrize("path", ["../outside", "/etc", "models/../../outside"])
def test_a_model_outside_of_the_store_is_refused(path: str, tmp_path: Path) -> None:
    with Store.open(tmp_path / "catalogs") as store:
        given = {"name": "m", "path": path, "recipe": {}, "metrics": {}}
        store.record_model(given)
        with pytest.raises(StoreError, match="outside"):
            store.trained("m")
