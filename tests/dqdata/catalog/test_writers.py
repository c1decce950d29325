"""Several processes write, and some of them are killed: no version is lost, doubled or left in halves."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from servers import Servers

from dqdata.catalog import Store, Version
from dqdata.catalog.queue import QueuedLock
from dqdata.place import StorePlace

WRITER = Path(__file__).with_name("writer.py")

Make = Callable[..., Version]
Orphans = Callable[[Path], set[str]]


def start(root: Path | StorePlace, catalog: str, seconds: float) -> subprocess.Popen[str]:
    place = json.dumps(asdict(root), default=str) if isinstance(root, StorePlace) else str(root)
    return subprocess.Popen(
        [sys.executable, str(WRITER), place, catalog, str(seconds)], stdout=subprocess.PIPE, text=True
    )


def check(root: Path | StorePlace, catalog: str) -> int:
    """Number of versions, each of which must be whole."""
    with Store.open(root) as store:
        versions = store.versions(catalog)
        assert [version.version for version in versions] == list(range(1, len(versions) + 1))
        assert len({version.snapshot_id for version in versions}) == len(versions)
        for version in random.Random(len(versions)).sample(versions, min(5, len(versions))) + versions[-1:]:
            rows = f"select count(*), count(distinct problem_id) from {catalog}@{version.version}"
            assert _one(store, rows) == (version.rows, version.rows) == (1000, 1000)
            assert (
                _one(store, f"select count(*) from {catalog}__rejects@{version.version}") == (version.rejects,) == (3,)
            )
    return len(versions)


def _one(store: Store, sql: str) -> tuple[Any, ...]:
    [row] = store.query(sql).read_all().to_pylist()
    return tuple(row.values())


@pytest.mark.parametrize("seconds", [5, pytest.param(30, marks=pytest.mark.slow)])
def test_two_writers_of_one_catalog(tmp_path: Path, orphans: Orphans, seconds: int) -> None:
    root = tmp_path / "catalogs"
    writers = [start(root, "p", seconds) for _ in range(2)]
    said = [[int(line) for line in writer.communicate(timeout=seconds + 120)[0].split()] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert all(said)
    assert sorted(said[0] + said[1]) == list(range(1, check(root, "p") + 1)), "each version was made by one of them"
    assert orphans(root) == set()


@pytest.mark.slow
@pytest.mark.long
def test_four_writers_of_two_catalogs_on_servers(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nobodys: Callable[[StorePlace], set[str]]
) -> None:
    """Four processes commit and read for two minutes."""
    for name, value in servers.variables.items():
        monkeypatch.setenv(name, value)
    place, seconds = servers.place(tmp_path / "catalogs"), 120
    writers = [start(place, catalog, seconds) for catalog in ("p", "q") * 2]
    said = [[int(line) for line in writer.communicate(timeout=seconds + 900)[0].split()] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4 and all(said)
    for catalog, made in (("p", said[0] + said[2]), ("q", said[1] + said[3])):
        assert sorted(made) == list(range(1, check(place, catalog) + 1)), "each version was made by one of them"
    assert nobodys(place) == set()


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_at_any_moment(tmp_path: Path, orphans: Orphans, kills: int) -> None:
    """Every other kill waits until the writer is inside a commit, so that some hit one however fast commits are."""
    root = tmp_path / "catalogs"
    chance = random.Random(kills)
    Store.open(root).close()
    count, left_behind = 0, 0
    for kill in range(kills):
        writer = start(root, "p", 60)
        assert writer.stdout is not None
        said = [int(writer.stdout.readline())]
        time.sleep(chance.uniform(0, 0.8))
        if kill % 2:
            stop_inside_a_commit(writer, root)
        os.kill(writer.pid, signal.SIGKILL)
        said += [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        writer.stdout.close()
        left_behind += bool(orphans(root)) or (root / "commit.pending").exists()

        before, count = count, check(root, "p")
        assert said == list(range(before + 1, before + len(said) + 1))
        assert count - before - len(said) in (0, 1), "what was said is there, and at most one more that was cut short"
        assert orphans(root) == set(), "opening cleans up"
    assert left_behind >= kills // 2, "the kills inside a commit left nothing: this test would prove nothing"


def stop_inside_a_commit(writer: subprocess.Popen[str], root: Path) -> None:
    """Stops (SIGSTOP) the process at a moment at which it has begun a commit and not ended it."""
    pending = root / "commit.pending"
    while writer.poll() is None:
        if pending.exists():
            os.kill(writer.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, writer.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            if pending.exists():
                return
            os.kill(writer.pid, signal.SIGCONT)
    raise AssertionError("the writer ended by itself")


def test_leftovers_of_a_killed_commit(tmp_path: Path, commit_to: Make, orphans: Orphans, problems: Any) -> None:
    root = tmp_path / "catalogs"
    with Store.open(root) as store:
        commit_to(store, "p", problems([1]))
        (root / "data" / "main" / "p" / "v2-nobody.parquet").write_bytes(b"half")
        commit_to(store, "p", problems([1, 2]))
        assert orphans_while_open(root) == {"v2-nobody.parquet"}, "no mark: nobody was killed, nothing is touched"
        (root / "commit.pending").write_text("{")
        commit_to(store, "p", problems([1, 2, 3]))
    assert orphans(root) == set()
    with Store.open(root) as store:
        assert [len(store.query(f"from p@{n}").read_all()) for n in (1, 2, 3)] == [1, 2, 3]


def orphans_while_open(root: Path) -> set[str]:
    return {file.name for file in (root / "data" / "main" / "p").iterdir() if "nobody" in file.name}


def test_a_commit_under_way_is_left_alone(tmp_path: Path, commit_to: Make, problems: Any) -> None:
    """Opening the store meanwhile must not take the files that are being committed for leftovers."""
    root = tmp_path / "catalogs"
    writer = start(root, "p", 4)
    assert writer.stdout is not None
    writer.stdout.readline()
    opened = 0
    while writer.poll() is None:
        Store.open(root).close()
        opened += 1
    writer.stdout.close()
    assert writer.returncode == 0
    assert opened > 1
    check(root, "p")


def test_who_waits_gets_the_lock_in_the_order_in_which_they_asked(tmp_path: Path) -> None:
    """Even where the one that had it asks again at once; nobody waits for one that was killed or stopped while it
    waited."""
    queue = tmp_path / "commit.waiting"
    order: list[str] = []

    def wait(name: str) -> None:
        lock = QueuedLock(tmp_path / "commit")
        assert lock.acquire(120)
        order.append(name)
        lock.release()

    def waiting(name: str) -> threading.Thread:
        before = len(list(queue.glob("*")))
        thread = threading.Thread(target=wait, args=(name,), daemon=True)
        thread.start()
        deadline = time.monotonic() + 120
        while len(list(queue.glob("*"))) == before and time.monotonic() < deadline:
            time.sleep(0.01)
        return thread

    first = QueuedLock(tmp_path / "commit")
    assert first.acquire(0)
    others = [waiting(name) for name in "abc"]
    assert not QueuedLock(tmp_path / "commit").acquire(0) and len(list(queue.glob("*"))) == 3, "a try leaves no ticket"
    (queue / f"{0:020}-1-1").touch()  # of one that was killed while it waited, just now and before all others
    os.utime(queue / f"{0:020}-1-1", (time.time() + 1000, time.time() + 1000))
    with (queue / f"{0:020}-2-2").open("w") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        os.utime(queue / f"{0:020}-2-2", (0, 0))
        first.release()
        wait("first, again")
        for thread in others:
            thread.join(120)
        assert order == ["a", "b", "c", "first, again"]
        assert [ticket.name for ticket in queue.iterdir()] == [f"{0:020}-2-2"]


def test_who_waits_for_the_store_says_for_how_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from dqdata.catalog import commit as module
    from dqdata.errors import StoreError
    from dqdata.files import lock

    with Store.open(tmp_path / "catalogs") as opened:
        monkeypatch.setattr(module, "PATIENCE", 0.5)
        monkeypatch.setattr(module, "NOTED_EVERY", 0.1)
        with lock(tmp_path / "catalogs" / "commit"), pytest.raises(StoreError, match="is locked by another program"):
            opened.record_run({"run_id": "r"})
    assert list((tmp_path / "catalogs" / "commit.waiting").iterdir()) == [], "who gives up waits no longer"
    said = [record.getMessage() for record in caplog.records]
    assert said and all("waiting for it, " in line and line.endswith(" s so far") for line in said)
