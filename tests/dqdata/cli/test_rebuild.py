"""`dqdata rebuild NAME@3 --replay`: a version comes out of its recipe and the ledger again, row for row."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

from .conftest import Invoke
from .test_history import make, teacher, write

pytestmark = pytest.mark.usefixtures("kept_workers")

__all__ = ["teacher"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, teacher: Loopback) -> Iterator[Path]:
    """Two versions of problems and of traces, of which the second were made with another prompt and more problems."""
    from dqdata.cli import main

    folder = tmp_path_factory.mktemp("rebuild")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write(folder, teacher)
        assert main(["run", "problems", "-q"]) == 0 and main(["run", "traces", "-q"]) == 0
        write(folder, teacher, range(12), prompt="Think. ")
        assert main(["run", "problems", "-q"]) == 0 and main(["run", "traces", "-q"]) == 0
    yield folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path, dqdata: Invoke, teacher: Loopback) -> Path:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    teacher.asked.clear()
    return tmp_path


def rebuilt(dqdata: Invoke, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = dqdata("rebuild", *arguments, "--replay", "-q", "--json")
    assert done.code == code, done.error
    found: dict[str, Any] = json.loads(done.out)
    return found


@pytest.mark.parametrize(("version", "rows", "cached"), [("traces@1", 4, 8), ("traces@2", 6, 12), ("problems@1", 8, 0)])
def test_every_row_is_the_same_and_nobody_is_asked(
    dqdata: Invoke, project: Path, teacher: Loopback, version: str, rows: int, cached: int
) -> None:
    """problems@1 comes from a file that has changed since: its first rows are the same."""
    if version == "problems@1":
        lines = (project / "problems.jsonl").read_text().splitlines()[:8]
        (project / "problems.jsonl").write_text("\n".join(lines) + "\n")
    found = rebuilt(dqdata, version)
    assert (found["same"], found["changed"], found["removed"], found["added"]) == (rows, 0, 0, 0)
    assert found["equal"] and found["cached"] == cached and found["missing"] == 0
    assert found["content"][0] == found["content"][1] and len(found["content"][0]) == 32
    assert teacher.asked == []


def test_without_a_key_and_after_the_project_moved_on(
    dqdata: Invoke, project: Path, teacher: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The teacher is another model by now and wants a key that nobody has; pipeline and prompt are gone."""
    (project / "solve.md").unlink()
    (project / "pipelines.toml").write_text(
        f'[teachers.t]\nprovider = "openai"\nbase_url = "{teacher.url}"\nmodel = "other"\n'
        'api_key = { env = "KEY_THAT_IS_NOT_SET" }\n'
    )
    monkeypatch.delenv("KEY_THAT_IS_NOT_SET", raising=False)
    assert rebuilt(dqdata, "traces@1")["equal"]
    assert teacher.asked == []


def test_a_row_that_differs_is_counted_with_its_column(dqdata: Invoke, project: Path) -> None:
    import sqlite3

    with sqlite3.connect(project / "catalogs" / "ledger.sqlite") as con:
        key = json.loads(dqdata("sql", "select min(ledger_key) as key from traces@1", "--json").out)["rows"][0]["key"]
        con.execute("update calls set response = response || ' ' where ledger_key = ?", (key,))
    different = rebuilt(dqdata, "traces@1", code=1)
    assert (different["changed"], different["columns"]) == (1, {"response": 1})
    assert different["content"][0] != different["content"][1] and different["same"] == 3
    assert rebuilt(dqdata, "traces@2")["equal"]


def test_answers_that_the_ledger_lost_are_counted(dqdata: Invoke, project: Path) -> None:
    import sqlite3

    with sqlite3.connect(project / "catalogs" / "ledger.sqlite") as con:
        con.execute("delete from calls")
    found = rebuilt(dqdata, "traces@1", code=1)
    assert (found["removed"], found["missing"], found["cached"]) == (4, 8, 0)
    assert ["generate", "not_recorded", 0, 8] in found["rejects"]
    for file in (project / "catalogs").glob("ledger.sqlite*"):
        file.unlink()
    refused = dqdata("rebuild", "traces@1", "--replay")
    assert refused.code == 2 and "there is no ledger" in refused.error and "ledger merge FILE" in refused.error


@pytest.mark.parametrize(
    ("version", "text"), [("traces@9", "has no version 9"), ("nothing", "no catalog"), ("select 1", "is no version")]
)
def test_what_cant_be_rebuilt(dqdata: Invoke, project: Path, version: str, text: str) -> None:
    done = dqdata("rebuild", version, "--replay", "-q")
    assert done.code == 2 and text in done.error


def test_an_input_that_was_dropped_is_named(dqdata: Invoke, project: Path) -> None:
    assert dqdata("drop", "problems@1").code == 0
    done = dqdata("rebuild", "traces@1", "--replay", "-q")
    assert done.code == 2 and "dqdata restore problems@1" in done.error
    make(dqdata)


@pytest.mark.parametrize(
    "step",
    [
        '{ op = "split", near = false, shares = { train = 0.5, test = 0.5 } }',
        '{ op = "split", near = false, shares = { zeta = 0.3, beta = 0.3, alpha = 0.4 } }',
    ],
)
def test_what_was_switched_off_or_is_in_an_order_is_so_again(dqdata: Invoke, tmp_path: Path, step: str) -> None:
    """`false` is null in a recipe, and the order of the parts of a split says where each row goes."""
    rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(24)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "pipelines.toml").write_text(f'[pipelines.parts]\nfrom = "x.jsonl"\nsteps = [ {step} ]\n')
    made = dqdata("run", "parts", "-q")
    assert made.code == 0, made.error
    done = dqdata("rebuild", "parts@1", "--replay", "--json", "-q")
    found = json.loads(done.out)
    assert done.code == 0 and found["equal"] and found["same_recipe"] and found["same"] == 24, found
