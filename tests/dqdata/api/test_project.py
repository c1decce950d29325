"""A project in Python: the same results as the command line, from files that pip installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import dqdata
from dqdata.errors import DataError, ProjectError, QueryError, StoreError
from dqdata.project.tables import Project as Tables

TALK = """
[teachers.parrot]
provider = "parrot"
log = "LOG"
price = { input = 1.0, output = 2.0 }

[pipelines.talk]
from = { source = "counting", rows = 60 }
steps = [ { op = "talk", teacher = "parrot", n = 2 } ]

[pipelines.picked]
from = "select distinct problem_id, question, number from talk"
max_failed_rate = 1.0
steps = [ { op = "picky" } ]
"""


@pytest.fixture
def opened(project: Callable[[str], Tables]) -> dqdata.Project:
    return dqdata.open(project(TALK).path)


def test_a_project_is_opened_by_file_by_folder_and_from_within(
    opened: dqdata.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened.pipelines == ("talk", "picked") and opened.trainers == ()
    assert dqdata.open(tmp_path).path == dqdata.open(str(opened.path)).path == opened.path
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert dqdata.open().path == opened.path
    assert "talk" in repr(opened) and "picked" in opened._repr_html_()
    with pytest.raises(ProjectError, match="no such file"):
        dqdata.open(tmp_path / "other.toml")
    with pytest.raises(ProjectError, match="nosuch"):
        dqdata.open(tmp_path, profile="nosuch")


def test_looking_at_a_project_that_never_ran_makes_nothing(opened: dqdata.Project, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    plan = opened.plan("picked")
    assert [step.op for segment in plan.segments for step in segment.steps] == ["picky"]
    assert plan.rows == 120 and plan.made is None
    assert opened.plan("talk", limit=7).rows == 7
    assert opened.check().ok and opened.check(["talk"]).checked == ["talk"]
    assert [node.made for node in opened.plan_build("picked")] == ["", ""]
    with pytest.raises(StoreError, match="no store at"):
        opened.sql("select 1")
    assert sorted(tmp_path.rglob("*")) == before


def test_run_then_read(opened: dqdata.Project) -> None:
    result = opened.run("talk")
    assert (result.catalog, result.version, result.rows_out) == ("talk", 1, 120)
    assert opened.run("talk").unchanged
    assert opened.run("talk", force=True).version == 2
    assert opened.run("talk", limit=5).catalog == "talk__first_5"
    assert [version.version for version in opened.versions("talk")] == [1, 2]
    assert len(opened.catalog("talk")) == 120 and opened.catalog("talk@1").version == 1
    assert opened.catalog("talk").recipe["steps"][0]["op"] == "talk"
    assert opened.models() == []
    assert opened.plan("talk").made == "talk@2"


def test_build_makes_what_is_missing_and_reports_it(opened: dqdata.Project) -> None:
    begun: list[str] = []
    done = opened.build("picked", begin=lambda node: begun.append(node.name))
    assert begun == ["talk", "picked"] and done.built == 2
    assert [node.built for node in opened.build("picked")] == [False, False]
    rejects = opened.catalog("picked").rejects
    assert len(rejects) + len(opened.catalog("picked")) == 60
    assert rejects.polars().height == len(rejects) == len(opened.catalog("picked__rejects@1"))


def test_a_query_reads_the_versions_that_were_newest_when_it_was_given(opened: dqdata.Project) -> None:
    opened.run("talk", limit=5)
    rows = opened.sql("select trace_id from talk__first_5 order by trace_id")
    opened.run("talk", limit=5, force=True)
    assert "@1" in rows.query
    assert rows.polars().height == len(rows) == 10
    assert opened.catalog("talk__first_5").version == 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from tlak", "did you mean 'talk'"),
        ("select nosuch from talk", "nosuch"),
        ("select * from talk@9", "no version 9"),
        ("selec 1", "syntax"),
        ("drop table talk", "SELECT"),
        ("select * from read_csv('/etc/passwd')", "read_csv"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused_where_it_is_given(
    opened: dqdata.Project, query: str, said: str
) -> None:
    opened.run("talk")
    with pytest.raises(QueryError, match=f"(?i){said}"):
        opened.sql(query)


@pytest.mark.parametrize("name", ["tlak", "talk@9", "select 1", "", "talk@x"])
def test_a_catalog_that_is_not_there_is_refused(opened: dqdata.Project, name: str) -> None:
    opened.run("talk", limit=5)
    opened.run("talk")
    with pytest.raises(QueryError):
        opened.catalog(name)


def test_files_come_in_and_go_out(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"problem": "2 + 2?", "answer": "4"}\n{"problem": "3 + 3?", "answer": "6"}\n')
    catalogs = dqdata.open_store(tmp_path / "store")
    made = catalogs.import_files([tmp_path / "rows.jsonl"], "sums", columns={"question": "problem"})
    assert (made.catalog, made.rows_out) == ("sums", 2)
    assert catalogs.catalog("sums").write(tmp_path / "out.jsonl", {"prompt": "question"}) == 2
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["prompt"] == "2 + 2?"
    with pytest.raises(DataError, match="ending|must end"):
        catalogs.catalog("sums").write(tmp_path / "out.xyz")
    with pytest.raises(ProjectError, match="no name for a catalog"):
        catalogs.import_files([tmp_path / "rows.jsonl"], "Sums!")


def test_an_operator_is_applied_to_a_file(tmp_path: Path) -> None:
    pl.DataFrame({"question": ["2 + 2?"], "answer": ["4"], "response": ["It is 4."]}).write_parquet(
        tmp_path / "in.parquet"
    )
    done = dqdata.apply("verify_math", {}, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert (done.rows_in, done.rows_out) == (1, 1)
    assert pl.read_parquet(tmp_path / "out.parquet")["verdict"].to_list() == ["correct"]
