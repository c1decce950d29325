"""Tags, notes, drop, restore, gc and verify; what a killed process leaves; processes at once."""

from __future__ import annotations

import json
import linecache
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from servers import both
from store_0_1 import unpack
from together import ended, together

from dqdata.catalog import Store, upkeep
from dqdata.catalog import store as store_module
from dqdata.catalog.answers import query_errors
from dqdata.columns import Columns
from dqdata.errors import InputError, QueryError, StoreError
from dqdata.place import StorePlace

COLUMNS = Columns({"problem_id": "VARCHAR", "question": "VARCHAR"})


def add_file(name: str, rows: int, folder: Path) -> Path:
    file = folder / f"{name}-{rows}.parquet"
    pq.write_table(pa.table({"problem_id": [f"p{n}" for n in range(rows)], "question": ["q"] * rows}), file)
    return file


def add(store: Store, catalog: str, rows: int, folder: Path) -> int:
    file = add_file(catalog, rows, folder)
    made = store.commit(
        catalog, rows=[file], rejects=[], columns=COLUMNS, fingerprint=f"{catalog} {rows}", recipe={}, run_id="test"
    )
    return made.version


def count(store: Store, name: str) -> int:
    return int(store.query(f"select count(*) as n from {name}").read_all()["n"][0].as_py())


def fill(store: Store, folder: Path) -> None:
    for rows in (3, 5, 7):
        add(store, "traces", rows, folder)
    add(store, "other", 2, folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    with Store.open(folder / "catalogs") as opened:
        fill(opened, folder)
    return folder / "catalogs"


@pytest.fixture
def store(place: StorePlace, made: Path, tmp_path: Path) -> Any:
    if not place.data:
        shutil.copytree(made, place.path)
    with Store.open(place) as opened:
        if place.data:
            fill(opened, tmp_path)
        yield opened


@both
def test_a_tag_and_a_day_name_a_version(store: Store) -> None:
    upkeep.tag(store, "traces", 2, "Release")
    day = f"{store.version('traces', 3).created_at:%Y-%m-%d}"
    for name, rows in {"traces@release": 5, '"traces@release"': 5, f"traces@{day}": 7, "traces": 7}.items():
        assert count(store, name) == rows, name
    assert store.query_columns("select a.* from traces@RELEASE a")[0] == 'select a.* from "traces@2" a'
    for name, text in {
        "traces@releas": "did you mean 'release'",
        "traces@1999-12-31": "had no version on 1999-12-31",
        "traces@2026-02-30": "there is no such day",
        "other@release": "it has no tags",
        "traces@4": "has no version 4; it has 1-3",
    }.items():
        with pytest.raises(QueryError, match=text):
            store.query(f"from {name}")


def test_a_tag_moves_only_on_request(store: Store) -> None:
    upkeep.tag(store, "traces", 1, "release")
    upkeep.tag(store, "traces", 1, "release")
    with pytest.raises(InputError, match="traces@1 has the tag"):
        upkeep.tag(store, "traces", 3, "release")
    upkeep.tag(store, "traces", 3, "release", move=True)
    assert count(store, "traces@release") == 7
    assert upkeep.untag(store, "traces", "release") == 3
    with pytest.raises(QueryError, match="it has no tags"):
        store.query("from traces@release")


@pytest.mark.parametrize("name", ["latest", "3", "2026-11-01", "a b", "", "x" * 64, "v1.0"])
def test_what_is_no_tag(store: Store, name: str) -> None:
    with pytest.raises(InputError, match="is no tag"):
        upkeep.tag(store, "traces", 1, name)


@both
def test_dropped_versions_come_back_until_their_files_are_removed(store: Store, tmp_path: Path) -> None:
    upkeep.tag(store, "traces", 2, "release")
    with pytest.raises(InputError, match="has the tag 'release'"):
        upkeep.drop(store, [("other", 1), ("traces", 1), ("traces", 2)])
    assert store.marks().states == {}, "all or none"
    upkeep.drop(store, [("traces", 1), ("traces", 3)])
    assert store.latest("traces") == 2 and count(store, "traces") == 5
    assert store.find("traces 7") is None
    with pytest.raises(QueryError, match="`dqdata restore traces@3`"):
        store.query("from traces@3")
    upkeep.restore(store, [("traces", 3)])
    assert count(store, "traces") == 7 and store.find("traces 7") == ("traces", 3)

    [planned] = upkeep.collect(store, dry_run=True)
    assert (planned.catalog, planned.version, planned.files) == ("traces", 1, 1) and planned.bytes > 0
    assert upkeep.collect(store, dry_run=True) == [planned]
    assert upkeep.collect(store, dry_run=False) == [planned] and upkeep.collect(store, dry_run=False) == []
    with pytest.raises(QueryError, match="removed by `dqdata gc`"):
        upkeep.restore(store, [("traces", 1)])
    assert [count(store, name) for name in ("traces@2", "traces@3", "other")] == [5, 7, 2]
    assert upkeep.verify(store).faults == ()
    assert add(store, "traces", 3, tmp_path) == 4, "a dropped version is not what a recipe made, nor is its number free"


@both
def test_a_query_whose_version_is_removed_meanwhile_names_the_cause(store: Store, place: StorePlace) -> None:
    with Store.open(place, read_only=True) as reader:
        con, pinned = reader.prepared("select count(a.question) from traces@1 a join traces@2 using (problem_id)")
        upkeep.drop(store, [("traces", 1)])
        assert len(upkeep.collect(store, dry_run=False)) == 1
        with con, pytest.raises(QueryError, match="while it was read, traces@1 was dropped"), query_errors(reader):
            con.execute(pinned.sql).fetchall()
        store.table_files("other", 1)["other"][0].remove()
        with pytest.raises(StoreError, match="is damaged"):
            reader.query("select count(question) from other").read_all()


@both
def test_verify_finds_files_that_are_gone_or_changed(store: Store, on_disk: Callable[[Any], Path]) -> None:
    assert upkeep.verify(store).files == 4
    file = on_disk(store.table_files("traces", 1)["traces"][0])
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)
    store.table_files("other", 1)["other"][0].remove()
    faults = {(one.catalog, one.version): one.problem for one in upkeep.verify(store).faults}
    assert faults == {("traces", 1): "changed", ("other", 1): "missing"}
    assert upkeep.verify(store, "traces", 2).faults == ()


def test_the_verbs(store: Store, tmp_path: Path, command_line: Callable[..., Any], monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    at = ("--store", "catalogs")
    assert command_line("tag", "traces@2", "release", "--note", "for the paper", *at).out == (
        "traces@release is traces@2\n"
    )
    log = command_line("log", "traces", *at).out.splitlines()
    assert "[release]" in log[1] and log[2].strip() == "for the paper"
    assert command_line("drop", "traces@2", *at).code == 2
    assert command_line("drop", "traces", *at).code == 2
    assert command_line("drop", "traces@1", *at).code == 0
    assert "dropped" in command_line("log", "traces", *at).out.splitlines()[0]
    assert json.loads(command_line("log", "--json", *at).out)["versions"][0]["state"] == "dropped"
    assert command_line("restore", "traces@1", *at).code == 0
    assert command_line("drop", "traces@1", *at).code == 0
    assert "traces@1: 1 files" in command_line("gc", "--dry-run", *at).out
    assert command_line("gc", *at).code == 1, "nobody said yes"
    assert command_line("verify", *at).out.endswith("sound\n")
    assert json.loads(command_line("gc", "--yes", "--json", *at).out)["removed"][0]["version"] == 1
    assert command_line("sql", "from traces@1", *at).code == 2
    store.table_files("traces", 2)["traces"][0].remove()
    done = command_line("verify", "traces@release", *at)
    assert done.code == 1 and "missing" in done.out


def killed_before(line: str, times: int, work: Callable[[], object]) -> None:
    """Runs the work in a fork that kills itself with SIGKILL before this line of dqdata's code for the n-th time."""
    child = os.fork()
    if child:
        assert os.WTERMSIG(ended(child)) == signal.SIGKILL, f"it ended before {line}"
        return
    left = times

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal left
        code = frame.f_code
        if code.co_filename not in (store_module.__file__, upkeep.__file__):
            return None
        if event == "line" and linecache.getline(code.co_filename, frame.f_lineno).strip() == line:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    try:
        sys.settrace(trace)
        work()
    finally:
        os._exit(9)


def test_kill_9_within_drop_restore_and_gc(store: Store, place: StorePlace) -> None:
    """`bench/kill_steps.py` does so at any line of commands."""
    store.close()
    both_versions = [("traces", 1), ("traces", 2)]
    committing = 'con.execute("commit")'

    def within(work: Callable[..., object], *given: Any, **options: Any) -> Callable[[], object]:
        def run() -> None:
            with Store.open(place) as opened:
                work(opened, *given, **options)

        return run

    def states() -> dict[tuple[str, int], str]:
        with Store.open(place) as opened:
            assert upkeep.verify(opened).faults == ()
            for one in opened.versions():
                assert count(opened, f"{one.catalog}@{one.version}") == one.rows
            return {at: state for at, state in opened.marks().states.items() if state}

    killed_before(committing, 1, within(upkeep.drop, both_versions))
    assert states() == {}
    within(upkeep.drop, both_versions)()
    killed_before(committing, 1, within(upkeep.restore, both_versions))
    assert states() == dict.fromkeys(both_versions, "dropped")
    killed_before(committing, 1, within(upkeep.collect, dry_run=False))
    assert states() == dict.fromkeys(both_versions, "dropped")
    killed_before("file.remove()", 2, within(upkeep.collect, dry_run=False))
    assert states() == dict.fromkeys(both_versions, "gone")
    with Store.open(place) as opened:
        assert len(upkeep.collect(opened, dry_run=False)) == 1, "what the killed one left"
        assert upkeep.collect(opened, dry_run=True) == []


WORK = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from dqdata.catalog import Store, upkeep
from dqdata.catalog import store as store_module
from tests.dqdata.catalog.test_upkeep import add
root, work = Path(sys.argv[1]), Path(sys.argv[2])
print("started", flush=True)
with Store.open(root) as store:
    number = 10
    while True:
        number += 1
        made = add(store, "traces", number, work)
        upkeep.drop(store, [("traces", made)])
        if number % 2:
            upkeep.restore(store, [("traces", made)])
        upkeep.collect(store, dry_run=False)
        upkeep.tag(store, "traces", 2, "release", move=True)
"""


@pytest.mark.slow
def test_kill_9_at_any_moment_of_commit_drop_restore_and_gc(store: Store, tmp_path: Path) -> None:
    """After each kill every version that is readable is whole, and what was dropped is out of reach. `bench/kills.py`
    does the same to commands, 200 times."""
    chance = random.Random(7)
    root = store.path
    store.close()
    tree = str(Path(__file__).parents[3])
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WORK, str(root), str(tmp_path), tree, str(Path(tree) / "tests")],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None and process.stdout.readline()
        time.sleep(chance.uniform(0.2, 2.0))
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
        process.stdout.close()
        with Store.open(root) as opened:
            assert upkeep.verify(opened).faults == ()
            for version in opened.versions("traces"):
                assert count(opened, f"traces@{version.version}") == version.rows
    with Store.open(root) as opened:
        upkeep.collect(opened, dry_run=False)
        assert upkeep.collect(opened, dry_run=True) == []
        known = {
            file.name
            for v in opened.versions()
            for files in opened.table_files(v.catalog, v.version).values()
            for file in files
        }
        assert {file.name for file in (root / "data" / "main" / "traces").glob("*.parquet")} <= known
        assert not (root / "commit.pending").exists()


@pytest.mark.slow
@pytest.mark.long
def test_200_kills_of_commands() -> None:
    """Imports, appending runs, exports, drop, restore and gc; some minutes."""
    script = Path(__file__).parents[3] / "bench" / "kills.py"
    done = subprocess.run(
        [sys.executable, str(script), "--kills", "200", "--rows", "500", "--every", "5"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "restore killed" in done.stdout


@pytest.mark.slow
def test_60_kills_at_steps_of_drop_restore_and_gc() -> None:
    script = Path(__file__).parents[3] / "bench" / "kill_steps.py"
    done = subprocess.run([sys.executable, str(script), "--kills", "60"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_processes_that_commit_tag_drop_and_read_at_once(store: Store, tmp_path: Path) -> None:
    """In forks of a process whose threads read files before, as those that others start a process pool in."""
    root = store.path
    pl.scan_parquet(add_file("read", 9, tmp_path), glob=False).sum().collect()
    store.close()

    def work(number: int) -> None:
        catalog = f"c{number}"
        with Store.open(root) as opened:
            for rows in (1, 2, 3):
                add(opened, catalog, rows, tmp_path)
                upkeep.tag(opened, "traces", number % 3 + 1, f"tag{number}_{rows}")
                assert count(opened, "traces@3") == 7
            upkeep.drop(opened, [(catalog, 2)])

    assert together(work, 4) == [0] * 4
    with Store.open(root, read_only=True) as opened:
        assert len(opened.marks().tags) == 12
        assert [[v.version for v in opened.versions(f"c{number}")] for number in range(4)] == [[1, 3]] * 4
        assert upkeep.verify(opened).faults == ()


def test_an_older_store_verifies_without_checksums(tmp_path: Path) -> None:
    root = unpack(tmp_path) / "catalogs"
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    with Store.open(root, read_only=True) as opened:
        found = upkeep.verify(opened)
    assert found.faults == () and len(found.unknown) == found.versions == 9
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    with Store.open(root) as opened:
        opened.table_files("traces", 1)["traces"][0].remove()
        assert [fault.problem for fault in upkeep.verify(opened, "traces").faults] == ["missing"]
