"""Older ledgers come to the present version by numbered steps, whole or not at all; reading changes none."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from store_0_1 import unpack
from together import together

from dqdata import sqlite
from dqdata.errors import StoreError
from dqdata.ledger import Ledger, maintenance, migrations
from dqdata.ledger.tables import connect
from dqdata.ledger.transfer import merge

KEY = "7496dcc2484b6aa6516ba5284c270a20"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The ledger of a store of version 0.1: 63 calls, 60 requests, 8 failures."""
    return unpack(tmp_path, "store_0_1/catalogs/ledger.sqlite") / "catalogs" / "ledger.sqlite"


OWN = migrations.STEPS


def _drop_index(con: sqlite3.Connection) -> None:
    for step in OWN:
        step.change(con)
    con.execute("drop index failures_by_request")  # a second time it would fail
    con.execute("create table notes (ledger_key text primary key, note text not null) strict")
    con.execute("insert into notes select ledger_key, 'answered in ' || seconds from calls")


def _tags(con: sqlite3.Connection) -> None:
    con.execute("create table tags (tag text primary key) strict")
    con.execute("insert into tags values ('old')")


STEPS = (sqlite.Step(2, "notes", _drop_index), sqlite.Step(3, "tags", _tags))


@pytest.fixture
def two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "STEPS", STEPS)


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as con:
        found: int = con.execute("pragma user_version").fetchone()[0]
        return found


def count(path: Path, table: str) -> int:
    with closing(connect(path, read_only=True)) as con:
        found: int = con.execute(f"select count(*) from {table}").fetchone()[0]
        return found


def test_writing_carries_out_every_step_once(old: Path, two_steps: None, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with Ledger(old) as ledger:
            answer = ledger.get(KEY)
            assert answer is not None and answer.response == "It is \\boxed{3}."
    assert (version(old), count(old, "notes"), count(old, "tags"), count(old, "calls")) == (3, 63, 1, 63)
    assert list(maintenance.verify(old)) == []
    assert caplog.text.count("migrated to version 3") == 1
    backup = old.with_name("ledger.sqlite.version-1")
    assert version(backup) == 1 and f"{backup} is the file from before" in caplog.text


def test_reading_changes_nothing(old: Path, two_steps: None, tmp_path: Path) -> None:
    before = old.read_bytes()
    with Ledger(old, read_only=True) as ledger:
        assert ledger.get(KEY) is not None
    assert count(old, "notes") == 63
    assert maintenance.size(old).calls == 63
    assert list(maintenance.verify(old)) == []
    with maintenance.exported(old, failures=True) as rows:
        assert len(rows.read_all()) == 8
    assert merge(tmp_path / "new.sqlite", old).calls == 63
    assert old.read_bytes() == before and version(tmp_path / "new.sqlite") == 3
    assert not list(old.parent.glob("*version*"))


def test_on_a_read_only_folder(old: Path, two_steps: None) -> None:
    old.parent.chmod(0o555), old.chmod(0o444)
    try:
        assert count(old, "tags") == 1
    finally:
        old.parent.chmod(0o755)


def test_a_merge_into_an_older_one_migrates_it(old: Path, two_steps: None, tmp_path: Path) -> None:
    other = shutil.copy(old, tmp_path / "other.sqlite")
    assert merge(old, Path(other)).known == 63
    assert (version(old), version(Path(other))) == (3, 1)


def test_a_ledger_without_a_number_is_of_version_0_1(old: Path, two_steps: None) -> None:
    with closing(sqlite3.connect(old)) as con:
        con.execute("pragma user_version = 0")
    assert count(old, "notes") == 63
    Ledger(old).close()
    assert version(old) == 3


def test_a_newer_one_is_refused_with_both_versions(old: Path, two_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(old).close()
    monkeypatch.setattr(migrations, "STEPS", STEPS[:1])
    for read_only in (True, False):
        with pytest.raises(StoreError, match=r"version 3, made by a newer dqdata \(.*reads up to 2\): update dqdata"):
            Ledger(old, read_only=read_only)


def test_a_step_that_fails_leaves_the_ledger_before_it(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(con: sqlite3.Connection) -> None:
        con.execute("delete from calls")
        con.execute("insert into nowhere values (1)")

    monkeypatch.setattr(migrations, "STEPS", (STEPS[0], sqlite.Step(3, "breaks", broken)))
    with pytest.raises(StoreError, match="no such table: nowhere"):
        Ledger(old)
    monkeypatch.setattr(migrations, "STEPS", STEPS)
    assert (version(old), count(old, "calls")) == (2, 63)
    Ledger(old).close()
    assert (version(old), count(old, "notes"), count(old, "tags")) == (3, 63, 1)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_that_open_an_older_one_at_once_migrate_it_once(
    old: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, processes: int
) -> None:
    def slowly(con: sqlite3.Connection) -> None:
        time.sleep(0.1)  # the others wait for the lock meanwhile
        _drop_index(con)

    monkeypatch.setattr(migrations, "STEPS", (sqlite.Step(2, "notes", slowly), STEPS[1]))

    def work(number: int) -> None:
        with Ledger(old) as ledger:
            assert ledger.get(KEY) is not None
        assert count(old, "notes") == 63

    assert together(work, processes) == [0] * processes
    assert (version(old), count(old, "notes"), count(old, "tags"), count(old, "calls")) == (3, 63, 1, 63)
    assert version(old.with_name("ledger.sqlite.version-1")) == 1 and list(maintenance.verify(old)) == []


def test_a_foreign_file_with_a_number_is_no_ledger(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as con:
        con.execute("create table other (x)")
        con.execute("pragma user_version = 7")
    with pytest.raises(StoreError, match="this SQLite file is no ledger"):
        Ledger(tmp_path / "other.sqlite")


def test_killed_at_any_line(old: Path, two_steps: None, tmp_path: Path) -> None:
    line, status, seen = 0, 1, set()
    while status:
        line += 1
        path = tmp_path / str(line) / "ledger.sqlite"
        path.parent.mkdir()
        shutil.copy(old, path)
        status = _killed_at(line, lambda path=path: Ledger(path).close())
        seen.add(version(path))
        assert count(path, "calls") == 63 and count(path, "notes") == 63, f"killed at line {line}"
        Ledger(path).close()
        assert (version(path), count(path, "notes"), count(path, "tags"), count(path, "calls")) == (3, 63, 1, 63)
        if (backup := path.with_name("ledger.sqlite.version-1")).exists():
            assert version(backup) == 1 and count(backup, "calls") == 63
    assert line > 15 and seen == {1, 2, 3}


def _killed_at(count: int, work: Callable[[], None]) -> int:
    """Exit status of a child that kills itself at the count-th line of the migrations, steps included."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    left = count

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in (sqlite.__file__, __file__) or frame.f_code.co_name == "_killed_at":
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    try:
        work()
    except BaseException:
        os._exit(9)
    os._exit(0)
