"""What DuckDB spills: a folder for each database, none of which is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dqdata.catalog import Store
from dqdata.catalog.spill import SpillFolder
from dqdata.database import open_database

SORT = "select hash(i)::varchar as k from range(600000) t(i) order by k"
CLAIM = """
import sys, time
from pathlib import Path
from dqdata.catalog.spill import SpillFolder
made = SpillFolder(Path(sys.argv[1]))
(made.path / "x").touch()
print(made.path, flush=True)
time.sleep(600)
"""


def test_databases_that_spill_at_once_keep_apart(tmp_path: Path) -> None:
    """In one folder of DuckDB's they end the process, or take each other's rows."""
    spills = [SpillFolder(tmp_path / "spill") for _ in range(2)]
    opened = [open_database([], spill=spill.path, threads=1) for spill in [spills[0], *spills]]
    answers = []
    for con in opened:
        con.execute("set memory_limit = '24MB'")
        answers.append(con.execute(SORT).to_arrow_reader(2048))
        answers[-1].read_next_batch()
    assert len(list((tmp_path / "spill").glob("*/spill-*/*"))) >= 3, "all of them spill"
    for answer in answers:
        keys = answer.read_all()["k"].to_pylist()
        assert len(keys) == 600_000 - 2048 and keys == sorted(keys)
    for con in opened:
        con.close()
    assert not list((tmp_path / "spill").glob("*/*"))
    del spills
    assert not (tmp_path / "spill").exists()


def test_a_folder_stays_for_a_stream_that_outlives_its_reader(tmp_path: Path) -> None:
    """Another process removes what nobody locks, and DuckDB then fails where it spills next."""
    parent = tmp_path / "catalogs" / "spill"
    with Store.open(tmp_path / "catalogs") as store, store.limited(24 << 20) as reader:
        reader.versions()
        before = set(parent.iterdir())
        answer = reader.query(SORT, repeatable=True)
        (theirs,) = set(parent.iterdir()) - before
        first = len(answer.read_next_batch())
    SpillFolder(parent).release()
    assert list(parent.iterdir()) == [theirs] and list(theirs.glob("spill-*/*")), "what was spilled is there"
    keys = answer.read_all()["k"].to_pylist()
    assert len(keys) == 600_000 - first and keys == sorted(keys)
    del answer
    assert not parent.exists()


def test_what_a_killed_process_left_is_removed_and_no_more(tmp_path: Path) -> None:
    parent = tmp_path / "spill"
    with subprocess.Popen([sys.executable, "-c", CLAIM, str(parent)], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        theirs = Path(killed.stdout.readline().strip())
        ours = SpillFolder(parent)
        assert sorted(parent.iterdir()) == sorted([theirs, ours.path]) and (theirs / "x").is_file()
        killed.kill()
    another = SpillFolder(parent)
    assert sorted(parent.iterdir()) == sorted([ours.path, another.path])
    for one in (ours, another):
        one.release()
    assert os.listdir(tmp_path) == []
