"""`dqdata sql`, `log` and `export`, as typed: what goes to stdout, exit codes, files."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dqdata.catalog import Store
from dqdata.columns import REJECTS, Columns, polars_schema

from .conftest import Invoke
from .processes import SCRIPT

CHAT = 'STRUCT("role" VARCHAR, "content" VARCHAR)[]'
"""Chats as catalogs of dqdata 0.1 have them."""
COLUMNS = Columns({"problem_id": "VARCHAR", "question": "VARCHAR", "messages": CHAT, "rv": "DOUBLE"})

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose store has arith@1 of 150 rows, arith@2 of one row and three rejects."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pipelines.toml").write_text('[store]\npath = "data/catalogs"\n')
    (folder / "sub").mkdir()
    with Store.open(folder / "data" / "catalogs") as store:
        for version, count in ((1, 150), (2, 1)):
            rows = [
                {
                    "problem_id": f"p{n}",
                    "question": f"zwei\n[b]{n}[/b] é",
                    "messages": [{"role": "user", "content": "x"}],
                }
                for n in range(count)
            ]
            file, rejects = store.work / f"{version}.parquet", store.work / f"{version}r.parquet"
            pl.DataFrame(rows, schema=polars_schema(COLUMNS)).write_parquet(file)
            pl.DataFrame([{"reason": "wrong"}] * 3, schema=polars_schema(REJECTS)).write_parquet(rejects)
            store.commit(
                "arith",
                rows=[file],
                rejects=[rejects] if version == 2 else [],
                columns=COLUMNS,
                fingerprint=str(version),
                recipe={"steps": [{"op": "filter"}]},
                run_id="20261122-1",
                partial=version == 2,
                message="tiny",
            )
    return folder


@pytest.fixture
def dqdata(project: Path, command_line: Invoke, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """dqdata("sql", ...): the verb in this process, in a folder below the project's."""
    monkeypatch.chdir(project / "sub")
    return command_line


@pytest.fixture
def script(project: Path) -> Run:
    """The same in a process of its own."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*SCRIPT, *words], cwd=project / "sub", capture_output=True, text=True, timeout=300)

    return run


def test_sql_as_json(script: Run) -> None:
    done = script("sql", "select count(*) n, any_value(messages) m from arith@1", "--json")
    assert json.loads(done.stdout) == {
        "columns": ["n", "m"],
        "rows": [{"n": 150, "m": [{"role": "user", "content": "x"}]}],
    }
    assert (done.returncode, done.stderr) == (0, "")


def test_a_query_may_begin_with_a_comment(dqdata: Invoke) -> None:
    for words in (["--", "-- rows\nfrom arith"], ["-- rows\nfrom arith"], ["-- rows\nfrom arith", "--limit", "1"]):
        assert dqdata("sql", *words).out.splitlines()[-1] == "1 row"


def test_sql_as_a_table(dqdata: Invoke) -> None:
    done = dqdata("sql", "select * from arith@1")
    lines = done.out.splitlines()
    assert lines[0].split() == ["problem_id", "question", "messages", "rv"]
    assert "zwei [b]0[/b] é" in lines[2], "markup and line breaks are only text"
    assert lines[-1] == "100 rows, and more: --limit N shows them"
    assert dqdata("sql", "select * from arith@1", "--limit", "150").out.splitlines()[-1] == "150 rows"
    assert dqdata("sql", "from arith").out.splitlines()[-1] == "1 row"


def test_sql_as_csv_and_jsonl_on_stdout(script: Run) -> None:
    query = "select problem_id, question from arith@1 order by problem_id limit 2"
    rows = list(csv.DictReader(io.StringIO(script("sql", query, "--format", "csv").stdout)))
    assert rows == [json.loads(line) for line in script("sql", query, "--format", "jsonl").stdout.splitlines()]
    assert rows[0] == {"problem_id": "p0", "question": "zwei\n[b]0[/b] é"}


def test_sql_to_a_file(dqdata: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    assert json.loads(dqdata("sql", "from arith__rejects", "-o", str(file), "--json").out) == {
        "file": str(file),
        "rows": 3,
    }
    assert pl.read_parquet(file)["reason"].to_list() == ["wrong"] * 3


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["from arit"], 2, "no catalog 'arit'; did you mean 'arith'?"),
        (["from arith@3"], 2, "arith has no version 3; it has 1-2"),
        (["drop table arith"], 2, "got DROP"),
        (["delete from arith"], 2, "got DELETE"),
        (["select 1", "--format", "parquet"], 2, "Parquet for a file"),
        (["select 1", "--json", "--format", "csv"], 2, "--json is a format"),
        (["select 1", "-o", "x.txt"], 2, "must end in"),
        (["select 1", "--store", "nowhere"], 1, "nowhere: `dqdata run`"),
        (["select 1", "-p", "nowhere.toml"], 2, "nowhere.toml"),
    ],
)
def test_sql_that_is_wrong(dqdata: Invoke, words: list[str], code: int, message: str) -> None:
    done = dqdata("sql", *words)
    assert message in done.error
    assert (done.code, done.out) == (code, "")
    assert "Traceback" not in done.error


def test_log(dqdata: Invoke) -> None:
    lines = dqdata("log").out.splitlines()
    assert [line.split()[0] for line in lines] == ["arith@1", "arith@2"]
    assert "150 rows" in lines[0] and "0 rejects" in lines[0] and "20261122-1" in lines[0] and "tiny" in lines[0]
    assert "3 rejects" in lines[1] and "partial" in lines[1] and "partial" not in lines[0]
    assert '"op": "filter"' in dqdata("log", "arith", "--verbose").out

    found = json.loads(dqdata("log", "arith", "--json").out)["versions"]
    assert [(one["version"], one["rows"], one["rejects"], one["partial"]) for one in found] == [
        (1, 150, 0, False),
        (2, 1, 3, True),
    ]
    assert found[0]["recipe"] == {"steps": [{"op": "filter"}]}
    unknown = dqdata("log", "aritth")
    assert (unknown.code, "did you mean 'arith'" in unknown.error) == (2, True)


def test_export(dqdata: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    assert dqdata("export", "arith@1", "-o", str(file), "--column", "prompt=question").out == f"{file}: 150 rows\n"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert list(rows[0]) == ["problem_id", "prompt", "messages", "rv"]
    assert rows[7] == {
        "problem_id": "p7",
        "prompt": "zwei\n[b]7[/b] é",
        "messages": [{"role": "user", "content": "x"}],
        "rv": None,
    }
    for name, count in {"arith": 1, "arith__rejects@2": 3, "select 1 as x from arith@1 limit 7": 7}.items():
        done = dqdata("export", name, "-o", str(tmp_path / "y.parquet"), "--json")
        assert json.loads(done.out)["rows"] == count == pl.read_parquet(tmp_path / "y.parquet").height
    for words, message in {
        ("--column", "x=nope"): "no column 'nope'",
        ("--column", "x"): "is not NEW=OLD",
    }.items():
        done = dqdata("export", "arith", "-o", str(tmp_path / "z.csv"), *words)
        assert (done.code, message in done.error) == (2, True)
    assert not (tmp_path / "z.csv").exists()
