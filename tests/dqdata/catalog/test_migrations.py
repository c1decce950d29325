"""Older stores come to the present format by numbered steps, whole or not at all, whenever the process is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from store_0_1 import unpack
from together import ended, together

from dqdata import ids
from dqdata.catalog import Store, copies, create, migrations, store
from dqdata.catalog.backend import Backend
from dqdata.catalog.choice import backend_of
from dqdata.catalog.format import read_facts, write_facts
from dqdata.catalog.lake import attach
from dqdata.errors import StoreError
from dqdata.place import StorePlace

NOW = migrations.NEWEST
LAST = NOW + 2


def at(root: Path) -> Backend:
    return backend_of(StorePlace(root))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return unpack(tmp_path) / "catalogs"


@pytest.fixture
def three_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two formats of the future: a column that a second run of the step would refuse, and one filled from another."""

    def remark(con: Any) -> None:
        con.execute("alter table lake.main.dq_runs add column remark VARCHAR")

    def renamed(con: Any) -> None:
        con.execute("alter table lake.main.dq_models rename column path to folder")
        con.execute("alter table lake.main.dq_models rename column folder to path")
        con.execute("alter table lake.main.dq_models add column size BIGINT")

    steps = (
        *migrations.STEPS,
        migrations.Step(NOW + 1, "runs have remarks", remark),
        migrations.Step(NOW + 2, "models have sizes", renamed, {"made_by": "dqdata 9"}),
    )
    monkeypatch.setattr(migrations, "STEPS", steps)
    for module in (migrations, store, copies, create):
        monkeypatch.setattr(module, "NEWEST", LAST)
    yield


def state(root: Path, **options: bool) -> dict[str, Any]:
    """What the store says of itself and holds."""
    with Store.open(root, **options) as opened:
        return {
            "versions": [(v.catalog, v.version, v.rows, v.rejects, v.fingerprint) for v in opened.versions()],
            "rows": {
                name: len(opened.query(f"from {name}").read_all())
                for name in ("problems@1", "problems__rejects@2", "graded")
            },
            "runs": opened.query("select count(*) as n from dq_runs").read_all().to_pylist(),
            "models": [(model["name"], model["version"], model["path"]) for model in opened.models()],
        }


def files(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def columns(root: Path, table: str) -> list[str]:
    with Store.open(root, read_only=True) as opened:
        return opened.query(f"from {table} limit 0").read_all().column_names


def test_reading_an_older_store_changes_nothing(old: Path, three_steps: None) -> None:
    before = files(old)
    assert len(state(old, read_only=True)["versions"]) == 9
    assert "remark" in columns(old, "dq_runs") and "size" in columns(old, "dq_models")
    assert {name: data for name, data in files(old).items() if not name.endswith(("-wal", "-shm"))} == before


def test_opening_for_writing_carries_out_every_step_once(
    old: Path, three_steps: None, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = state(old, read_only=True)
    assert state(old) == wanted
    assert f"migrated to format {LAST}" in caplog.text and "backups/format-1" in caplog.text
    said = json.loads((old / "store.json").read_text())
    assert said == {"format": LAST, "ids": "nfkc", "made_by": "dqdata 9"}
    assert columns(old, "dq_runs").count("remark") == 1 and "size" in columns(old, "dq_models")
    caplog.clear()
    assert state(old) == wanted and caplog.text == ""


def test_from_a_format_in_between(old: Path, three_steps: None) -> None:
    """The store has taken the first step, as with a dqdata of that time."""
    backend = at(old)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "STEPS", migrations.STEPS[:-2])
        for module in (migrations, store, copies):
            patch.setattr(module, "NEWEST", NOW)
        wanted = state(old)
    assert read_facts(backend, LAST).format == NOW
    assert state(old) == wanted and read_facts(backend, LAST).format == LAST
    assert sorted(path.name for path in (old / "backups").iterdir()) == ["format-1", f"format-{NOW}"]


def test_a_store_without_a_number_is_of_version_0_1(old: Path) -> None:
    (old / "store.json").write_text('{"made_by": "dqdata 0.1.0"}\n')
    assert len(state(old)["versions"]) == 9
    assert read_facts(at(old), migrations.NEWEST).format == migrations.NEWEST


def test_a_store_from_before_dq_metrics_gets_it(old: Path) -> None:
    """As version 0.1 made them at first."""
    with closing(attach(at(old), read_only=False)) as con:
        con.execute("drop table lake.main.dq_metrics")
    for options in ({"read_only": True}, {}):
        with Store.open(old, **options) as opened:
            assert len(opened.query("from dq_metrics").read_all()) == 0


def test_the_backup_is_a_store_of_the_format_before(old: Path, three_steps: None, tmp_path: Path) -> None:
    wanted = state(old, read_only=True)
    state(old)
    for file in (old / "backups" / "format-1").iterdir():
        shutil.copy(file, old / file.name)
    assert read_facts(at(old), LAST).format == 1
    assert state(old) == wanted and read_facts(at(old), LAST).format == LAST


def test_a_step_that_fails_leaves_the_store_before_it(old: Path, three_steps: None) -> None:
    def broken(con: Any) -> None:
        con.execute("alter table lake.main.dq_models add column size BIGINT")
        con.execute("alter table lake.main.dq_models add column size BIGINT")

    wanted = state(old, read_only=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "STEPS", (*migrations.STEPS[:-1], migrations.Step(LAST, "breaks", broken)))
        with pytest.raises(StoreError, match=r"migrating the store .*size"):
            Store.open(old)
    assert read_facts(at(old), LAST).format == NOW + 1
    assert state(old) == wanted and read_facts(at(old), LAST).format == LAST


def test_killed_at_any_line(old: Path, three_steps: None, tmp_path: Path) -> None:
    """A child for every third line that the migration runs through, killed there; then the store is opened."""
    data = {file.name for file in (old / "data").rglob("*.parquet")}
    line, seen, status = 0, set(), 1
    while status:
        line += 3
        copy = shutil.copytree(old, tmp_path / f"copy-{line}")
        status = _killed_at(line, lambda root=copy: Store.open(root).close())
        seen.add(read_facts(at(copy), LAST).format)
        with Store.open(copy) as opened:
            assert (len(opened.versions()), opened.facts.format) == (9, LAST), f"killed at line {line}"
            assert len(opened.query("select remark, run_id from dq_runs").read_all()) == 10
            assert len(opened.query("from traces@1").read_all()) == 6
        assert {file.name for file in (copy / "data").rglob("*.parquet")} == data
        assert not (copy / "commit.pending").exists()
        shutil.rmtree(copy)
    assert line > 30 and seen == set(range(1, LAST + 1))


def _killed_at(count: int, work: Callable[[], None]) -> int:
    """Exit status of a child that kills itself at the count-th line of a migration."""
    child = os.fork()
    if child:
        return ended(child)
    left = count

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_name not in ("migrate", "back_up", "write_facts"):
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


def test_ids_are_named_as_the_store_began(old: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A scheme to come is for stores to come: this one tells `²` from `2`."""
    monkeypatch.setitem(ids.SCHEMES, "plain", str)
    monkeypatch.setattr(create, "DEFAULT_SCHEME", "plain")
    with Store.open(tmp_path / "new") as new, Store.open(old) as kept:
        assert (new.id_scheme, kept.id_scheme) == ("plain", "nfkc")
    with Store.open(tmp_path / "new", read_only=True) as new:
        assert new.id_scheme == "plain"
    monkeypatch.delitem(ids.SCHEMES, "plain")
    with pytest.raises(StoreError, match=r"ids of the scheme 'plain'.*which knows nfkc, nfc: update dqdata"):
        Store.open(tmp_path / "new")


def test_a_store_of_another_scheme_names_problems_by_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command_line: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    questions = ["What is 2² + 0?", "What is 22 + 0?", "What is 22 + 0?"]
    lines = [json.dumps({"question": question, "answer": "22"}) for question in questions]
    (tmp_path / "problems.jsonl").write_text("\n".join(lines))
    (tmp_path / "pipelines.toml").write_text('[store]\npath = "STORE"\n[pipelines.p]\nfrom = "problems.jsonl"\n')
    monkeypatch.setitem(ids.SCHEMES, "plain", str)
    for scheme, kept in {"nfkc": 1, "plain": 2}.items():
        monkeypatch.setattr(create, "DEFAULT_SCHEME", scheme)
        (tmp_path / "pipelines.toml").write_text(
            f'[store]\npath = "{scheme}"\n[pipelines.p]\nfrom = "problems.jsonl"\n'
        )
        assert json.loads(command_line("run", "p", "-q", "--json").out)["rows_out"] == kept


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_that_open_an_older_store_at_once_migrate_it_once(
    old: Path, three_steps: None, processes: int
) -> None:
    wanted = state(old, read_only=True)

    def work(number: int) -> None:
        if number % 2:
            assert state(old, read_only=True) == wanted
        with Store.open(old) as opened:
            assert (len(opened.versions()), opened.facts.format) == (9, LAST)

    assert together(work, processes) == [0] * processes
    assert state(old) == wanted and read_facts(at(old), LAST).format == LAST
    assert columns(old, "dq_runs").count("remark") == 1 and columns(old, "dq_models").count("size") == 1
    assert [path.name for path in (old / "backups").iterdir()] == ["format-1"]


def test_a_process_that_read_the_old_number_finds_the_steps_done(old: Path, three_steps: None) -> None:
    backend = at(old)
    facts = read_facts(backend, LAST)
    state(old)
    write_facts(backend, replace(facts, format=1))
    assert len(state(old)["versions"]) == 9
    assert columns(old, "dq_runs").count("remark") == 1
