"""Marks of rows survive kill -9, and become versions that pipelines join."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import dqdata
from dqdata.cli import main
from dqdata.errors import InputError, StoreError

pytestmark = [pytest.mark.needs("starlette"), pytest.mark.needs("jinja2")]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

WRITER = """
import sys, itertools
from datetime import UTC, datetime
from pathlib import Path
from dqdata.view.row_marks import MarkLog, RowMark
log = MarkLog(Path(sys.argv[1]))
for number in itertools.count():
    log.add(RowMark("traces@2", "trace_id", f"t{number}", "good", ("ä",), "n" * 50, "ann", datetime.now(UTC)))
    print(number, flush=True)
"""


def mark(row: str = "t020", value: str = "good", who: str = "ann", at: datetime = NOON, **more: Any) -> Any:
    from dqdata.view.row_marks import RowMark

    given = {"version": "traces@2", "key": "trace_id", "tags": (), "note": "", **more}
    return RowMark(id=row, mark=value, who=who, at=at, **given)


@pytest.fixture
def log(store_path: Path, tmp_path: Path) -> Any:
    from dqdata.view.row_marks import MarkLog

    shutil.copytree(store_path, tmp_path / "catalogs")
    return MarkLog(tmp_path / "catalogs")


def test_a_killed_process_loses_no_mark_that_it_acknowledged(tmp_path: Path) -> None:
    from dqdata.view.row_marks import MarkLog

    running = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    acknowledged = [int(running.stdout.readline()) for _ in range(20)]
    running.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in running.stdout.read().splitlines()]
    running.wait()
    log = MarkLog(tmp_path)
    found = {one.id for one in log.pending()}
    assert {f"t{number}" for number in acknowledged} <= found
    log.add(mark("after"))
    assert log.pending()[-1].id == "after" and len(log.pending()) == len(found) + 1


@pytest.mark.parametrize(
    "torn", [b'{"version": "traces@2", "ke', b"\xff\xfe", b"{}\n", b"[1]\n", b'{"at": 1}\n', b"\n"]
)
def test_a_line_that_was_cut_off_hides_no_other(tmp_path: Path, torn: bytes) -> None:
    from dqdata.view.row_marks import MarkLog

    log = MarkLog(tmp_path)
    log.add(mark("t1"))
    with log.file.open("ab") as file:
        file.write(torn)
    log.add(mark("t2", note="line\nand \u2028 line"))
    assert [one.id for one in log.pending()] == ["t1", "t2"] and log.pending()[1].note == "line\nand \u2028 line"


def test_marks_become_versions_with_the_newest_of_each_person(log: Any) -> None:
    log.add(mark(value="bad", tags=("units", "sign"), note="<b>wrong</b>"))
    log.add(mark(value="good", who="bob", at=NOON + timedelta(hours=1)))
    log.add(mark("t021", value="", note="look again"))
    log.add(mark("p003", version="problems@1", key="problem_id"))
    made = log.commit()
    assert [(one.catalog, one.version, one.rows) for one in made] == [("traces_marks", 1, 2), ("problems_marks", 1, 1)]
    assert log.pending() == [] and log.commit() == []
    log.add(mark(value="good", at=NOON + timedelta(hours=2)))
    log.add(mark("t021", value="", at=NOON + timedelta(hours=2)))  # takes the note back
    assert [one.version for one in log.commit()] == [2]
    [row] = dqdata.open_store(log.place.path).catalog("traces_marks")
    assert (row["trace_id"], row["mark"], row["good"], row["bad"], row["who"]) == ("t020", "good", 2, 0, "ann")
    assert [one["who"] for one in row["marks"]] == ["bob", "ann"] and row["marked_in"] == "traces@2"
    [before] = [one for one in dqdata.open_store(log.place.path).catalog("traces_marks@1") if one["trace_id"] == "t020"]
    assert before["mark"] == "good" and before["bad"] == 1 and before["marks"][0]["tags"] == ["units", "sign"]


def test_a_commit_that_was_killed_before_it_emptied_the_file_is_not_made_twice(log: Any) -> None:
    log.add(mark())
    waiting = log.file.read_bytes()
    [first] = log.commit()
    log.file.write_bytes(waiting)
    [again] = log.commit()
    assert (again.catalog, again.version) == (first.catalog, first.version) and log.pending() == []


def test_marks_wait_where_the_commit_fails(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dqdata.catalog import Store

    def full(*_: Any, **__: Any) -> None:
        raise StoreError("the disk is full")

    log.add(mark())
    monkeypatch.setattr(Store, "commit", full)
    with pytest.raises(StoreError):
        log.commit()
    assert [one.id for one in log.pending()] == ["t020"]


@pytest.mark.parametrize(
    "given",
    [
        {"value": "fine"},
        {"key": "question"},
        {"row": ""},
        {"note": "x" * 10_001},
        {"tags": ("t",) * 21},
        {"who": "w" * 61},
    ],
)
def test_a_mark_that_can_not_be_meant_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        mark(**given)


def test_a_pipeline_reads_rows_with_their_marks(log: Any, tmp_path: Path) -> None:
    for number in range(20, 30):
        log.add(mark(f"t{number:03}", "good" if number % 2 else "bad", note="n"))
    log.commit()
    (tmp_path / "pipelines.toml").write_text(
        """
[store]
path = "catalogs"

[pipelines.judged]
from = "select t.*, m.mark as human from traces t join traces_marks m using (trace_id)"
steps = [{ op = "filter", where = "human = 'good'" }]
"""
    )
    assert main(["run", "judged", "-p", str(tmp_path / "pipelines.toml"), "-q"]) == 0
    rows = list(dqdata.open_store(log.place.path).catalog("judged"))
    assert sorted(row["trace_id"] for row in rows) == [f"t{number:03}" for number in range(21, 30, 2)]
    assert {row["human"] for row in rows} == {"good"}


def test_marks_by_the_page(log: Any) -> None:
    from starlette.testclient import TestClient

    from dqdata.view.app import make_app
    from dqdata.view.opened import OpenStore
    from dqdata.view.security import Keys

    opened, keys = OpenStore(log.place.path), Keys()
    client = TestClient(make_app(opened, keys, 8764, who="ann"), base_url="http://127.0.0.1:8764")
    client.get("/", params={"token": keys.token})
    pages = SimpleNamespace(post=lambda path, **data: client.post(path, data=data, headers={"x-csrf-token": keys.csrf}))
    given = {"mark": "bad", "tags": " units, <script>x</script> ,units,", "note": "<img onerror=x>\nü", "who": ""}
    assert client.post("/c/traces@2/row/3/mark", data=given).status_code == 403
    answer = pages.post("/c/traces@2/row/3/mark", **given)
    assert answer.status_code == 200 and "Saved on disk" in answer.text and "<img" not in answer.text
    [waiting] = log.pending()
    assert (waiting.id, waiting.mark, waiting.who) == ("t023", "bad", "ann")
    assert list(waiting.tags) == ["units", "<script>x</script>"] and "ü" in waiting.note
    assert pages.post("/c/traces@2/row/3/mark", mark="maybe").status_code == 400
    assert pages.post("/c/traces__rejects@2/row/3/mark", mark="good").status_code == 200
    assert "no version yet: 2." in client.get("/marks").text
    answer = pages.post("/marks/commit")
    assert answer.status_code == 200 and "traces_marks@1" in answer.text and log.pending() == []
    assert "units" in client.get("/c/traces@2/row/3").text and "traces_marks" in client.get("/").text
    assert pages.post("/marks/commit").status_code == 400
    opened.close()


def test_json_of_a_mark_is_one_line(tmp_path: Path) -> None:
    from dqdata.view.row_marks import MarkLog

    log = MarkLog(tmp_path)
    log.add(mark(note="a\nb"))
    assert len(log.file.read_text().splitlines()) == 1 and json.loads(log.file.read_text())["note"] == "a\nb"
