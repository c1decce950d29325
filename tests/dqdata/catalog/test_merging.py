"""Small files of the store's own tables are merged: what is read stays the same, for older readers too."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers import both

from dqdata.catalog import Store, merging
from dqdata.place import StorePlace

SEEN = "select catalog, version, fingerprint, snapshot_id from dq_versions order by snapshot_id"


def listed(store: Store, table: str) -> set[str]:
    rows = store.rows(f"select data_file from ducklake_list_files('lake', '{table}', schema => 'main')")
    return {str(path).rpartition("/")[2] for (path,) in rows}


def on_place(store: Store, table: str) -> set[str]:
    return {file.name for file in store.backend.data.files() if f"/{table}/" in file.url}


@both
def test_records_stay_the_same_in_few_files(
    store: Store, place: StorePlace, commit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "FILES", 3)
    made = [commit("problems", [{"problem_id": str(number)}]) for number in range(3)]
    with Store.open(place, read_only=True) as reader:
        opened = reader.query(SEEN)
        made += [commit("problems", [{"problem_id": str(number)}]) for number in range(3, 6)]
        assert len(opened.read_all()) == 3, "a query that began before a merge still finds its files"
        assert len(listed(store, "dq_versions")) <= 4 and len(listed(store, "dq_files")) <= 4
        seen = reader.query(SEEN).read_all().to_pylist()
    assert [row["snapshot_id"] for row in seen] == [one.snapshot_id for one in made]
    assert [row["version"] for row in seen] == [1, 2, 3, 4, 5, 6]
    old = f"select count(*) from lake.main.dq_versions at (version => {made[2].snapshot_id})"
    assert store.rows(old) == [(3,)]

    assert on_place(store, "dq_versions") > listed(store, "dq_versions")
    monkeypatch.setattr(merging, "KEPT", "0 seconds")
    for number in range(6, 9):
        commit("problems", [{"problem_id": str(number)}])
    assert on_place(store, "dq_versions") == listed(store, "dq_versions")
    assert len(store.query(SEEN).read_all()) == 9


KILLED = """
import os, signal, sys
from pathlib import Path
import dqdata.catalog.store as module
from dqdata.catalog import Store, merging
from dqdata.columns import Columns

def merge(*given):
    merging.merge(*given)
    os.kill(os.getpid(), signal.SIGKILL)

merging.FILES, module.merge = 2, merge
with Store.open(Path(sys.argv[1])) as store:
    columns = Columns({"problem_id": "VARCHAR"})
    store.commit("other", rows=[], rejects=[], columns=columns, fingerprint="", recipe={}, run_id="killed")
"""


def test_a_merge_that_is_killed_leaves_nothing(
    store: Store, commit_to: Callable[..., Any], orphans: Callable[[Path], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        commit_to(store, "problems", [{"problem_id": str(number)}])
    root = store.path
    store.close()
    done = subprocess.run([sys.executable, "-c", KILLED, str(root)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert orphans(root), "the merged file was written"
    monkeypatch.setattr(merging, "FILES", 2)
    with Store.open(root) as opened:
        assert opened.latest("problems") == 3 and len(listed(opened, "dq_versions")) == 3
        assert commit_to(opened, "problems", [{"problem_id": "4"}]).version == 4
        assert len(opened.query(SEEN).read_all()) == 4
        alive = listed(opened, "dq_versions")
        merged = on_place(opened, "dq_versions") - alive
        assert len(alive) == 2 and len(merged) == 3, "one file of three rows, which stay for readers, and a new one"
