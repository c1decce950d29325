"""Reading: SQL over versions, recipes' queries, moved stores, other working directories, a writer at work."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from servers import both

from dqdata.catalog import Store, Version
from dqdata.catalog.lake import attach
from dqdata.columns import Columns
from dqdata.errors import QueryError, StoreError
from dqdata.ledger import Ledger

Make = Callable[..., Version]
Read = Callable[[str], list[dict[str, Any]]]
Problems = Callable[..., list[dict[str, Any]]]


@both
def test_hard_queries_give_the_right_rows(commit: Make, read: Read, problems: Problems) -> None:
    commit("p", problems([1]))
    commit("p", problems([1, 2]))
    commit("data", problems([1, 2, 3], "bob@2.com"))
    for sql, count in {
        "select count(*) n from p": 2,
        "select count(*) n from p@1": 1,
        "select count(*) n from P@LATEST x, p@1 y": 2,
        "with p as (from data) select count(*) n from p": 3,
        "with q as (from p@1 union all from p@2) select count(*) n from q": 3,
        "select count(*) n from data where question = 'bob@2.com' -- p@1": 3,
        "select count(p.problem_id) n from p join data using (problem_id)": 2,
        'select count("p@1".question) n from "p@1"': 1,
        "select count(p@1.question) n from p@1": 1,
        "select (select count(*) from p@1) + (select count(*) from data) n": 4,
        "select count(*) n from data d, lateral (select 1 from p where p.problem_id = d.problem_id)": 2,
        "select count(*) n from data anti join p using (problem_id)": 1,
        "select len(messages) n from p@1": 1,
        "select count(*) n from dq_versions": 3,
        "select count(*) n from range(5)": 5,
    }.items():
        assert read(sql) == [{"n": count}], sql


def test_what_is_wrong_with_a_query_is_said(store: Store, commit: Make, problems: Problems) -> None:
    commit("problems", problems([1]))
    for sql, message in {
        "from problemz": "no catalog 'problemz'; did you mean 'problems'?",
        "from xyz": "(there are: problems)",
        "from problems@7": "problems has no version 7; it has 1",
        "from problem__rejects@1": "no catalog 'problem'; did you mean 'problems'?",
        "select qestion from problems": 'Referenced column "qestion" not found',
        "from 'nowhere.parquet'": "nowhere.parquet",
        "from ledger.calls": "there is no ledger yet",
    }.items():
        with pytest.raises(QueryError) as caught:
            store.query(sql)
        assert message in str(caught.value)
    with pytest.raises(QueryError, match="Could not convert"):
        store.query("select 'x'::int from problems").read_all()
    with pytest.raises(QueryError, match="no catalog 'nope'"):
        store.versions("nope")
    with pytest.raises(QueryError, match="problems has no version 3; it has 1"):
        store.schema("problems", 3)


def test_a_query_that_fails_half_way_says_so(store: Store) -> None:
    reader = store.query(
        "select repeat('x', 1000), case when i = 99999 then error('half way') end from range(100000) t(i)"
    )
    with pytest.raises(QueryError, match="half way"):
        reader.read_all()


@both
def test_a_query_for_a_recipe(store: Store, commit: Make, read: Read, problems: Problems) -> None:
    commit("p", problems([1, 2]))
    sql, columns = store.query_columns("select problem_id, messages, length(p.question) as n from p where 'p@9' <> ''")
    assert sql == """select problem_id, messages, length(p.question) as n from "p@1" AS "p" where 'p@9' <> ''"""
    assert columns == Columns(
        {"problem_id": "VARCHAR", "messages": 'STRUCT("role" VARCHAR, "content" VARCHAR)[]', "n": "BIGINT"}
    )
    with store.connect() as con:
        assert len(con.execute(sql).fetchall()) == 2

    commit("p", problems([3]))
    assert len(read(sql)) == 2, "a newer version changes nothing"
    assert store.query_columns(sql)[0] == sql
    assert store.query_columns("from p")[0] == 'from "p@2"'
    with pytest.raises(QueryError, match="two columns are named 'problem_id'"):
        store.query_columns("select a.problem_id, b.problem_id from p a, p b")
    with pytest.raises(QueryError, match=r"random\(\) gives another value each time"):
        store.query_columns("select random() from p")


@pytest.mark.many_threads
def test_a_repeatable_query(store: Store, commit: Make, problems: Problems) -> None:
    lots = [problems(range(k, 30_000, 7), f"question {k % 3}") for k in range(7)]
    commit("p", *lots)
    sql = "select a.question, left(a.problem_id, 3) x, count(*) n from p a join p b using (problem_id) group by all"
    first = store.query(sql, repeatable=True).read_all()
    assert first.num_rows > 1000
    assert all(store.query(sql, repeatable=True).read_all().equals(first) for _ in range(3))


@pytest.mark.many_threads
def test_repeatable_queries_share_one_database_and_see_new_versions(
    store: Store, commit: Make, problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit("p", problems(range(5_000)))
    attached: list[int | None] = []

    def counted(*given: Any, threads: int | None = None, **more: Any) -> Any:
        attached.append(threads)
        return attach(*given, threads=threads, **more)

    monkeypatch.setattr("dqdata.catalog.reader.attach", counted)
    first, second = (store.query("from p order by problem_id", repeatable=True) for _ in range(2))
    rows = next(iter(first)).num_rows
    commit("p", problems(range(7)))
    assert store.query("from p", repeatable=True).read_all().num_rows == 7
    assert store.query("from p@1", repeatable=True).read_all().num_rows == 5_000
    assert second.read_all().num_rows == 5_000 and rows + sum(batch.num_rows for batch in first) == 5_000
    assert attached.count(1) == 1
    with pytest.raises(QueryError):
        store.query("set threads = 2", repeatable=True)


@pytest.mark.parametrize("sql", ["describe p", "describe select * from p", "from (describe p@1)", "summarize p"])
def test_a_catalog_is_described(store: Store, commit: Make, problems: Problems, sql: str) -> None:
    commit("p", problems(range(3)))
    with store.query(sql) as rows:
        assert rows.read_all()["column_name"].to_pylist()[0] == "problem_id"
    assert store.pinned(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select nope from p",
        "select\n  nope\nfrom p",
        "select question from p where nope",
        "with a as (from p) select nope from a",
    ],
)
@pytest.mark.parametrize("how", ["query", "pinned", "query_columns"])
def test_an_error_shows_the_query_as_it_was_given(
    store: Store, commit: Make, problems: Problems, sql: str, how: str
) -> None:
    commit("p", problems(range(3)))
    with pytest.raises(QueryError) as raised:
        getattr(store, how)(sql)
    said = str(raised.value)
    line, mark = said[said.index("LINE ") :].split("\n")[:2]
    assert "describe" not in said and line[mark.index("^") :].startswith("nope"), said


def test_rows_stream_and_outlive_the_store(store: Store, commit: Make, problems: Problems) -> None:
    commit("p", problems(range(10_000)))
    one, two = store.query("from p"), store.query("select count(*) n from p")
    first = next(iter(one))
    assert isinstance(first, pa.RecordBatch) and first.num_rows < 10_000
    assert two.read_all().to_pylist() == [{"n": 10_000}]
    store.close()
    assert first.num_rows + sum(batch.num_rows for batch in one) == 10_000


def test_python_variables_are_no_tables(store: Store) -> None:
    hidden = pa.table({"x": [1]})
    assert hidden.num_rows
    with pytest.raises(QueryError, match="hidden"):
        store.query("from hidden")


def test_files_of_the_user_can_be_joined_on_request(
    store: Store, commit: Make, problems: Problems, tmp_path: Path
) -> None:
    commit("p", problems([1, 2]))
    (tmp_path / "own.csv").write_text("problem_id,mark\n2,good\n")
    joined = f"select mark from p join '{tmp_path}/own.csv' o on p.problem_id = o.problem_id::varchar"
    assert store.query(joined, local_files=True).read_all().to_pylist() == [{"mark": "good"}]
    with pytest.raises(QueryError, match="--files"):
        store.query(joined)


@both
def test_the_ledger_is_there(store: Store, read: Read) -> None:
    with Ledger(store.ledger_place):
        pass
    assert read("select count(*) n from ledger.calls") == [{"n": 0}]
    with pytest.raises(QueryError, match=r"ledger\.calls is no catalog"):
        store.query_columns("from ledger.calls")


def test_a_moved_store(store: Store, commit: Make, commit_to: Make, problems: Problems, tmp_path: Path) -> None:
    commit("p", problems([1]), rejects=[{"step": "s", "row": "{}"}])
    commit("p", problems([1, 2]))
    store.close()
    moved, copy = tmp_path / "it's elsewhere" / "c", tmp_path / "copy"
    moved.parent.mkdir()
    shutil.copytree(store.path, copy)
    store.path.rename(moved)
    shutil.rmtree(copy / "data" / "main" / "p")

    with Store.open(moved) as opened:
        commit_to(opened, "p", problems([1, 2, 3]))
        counts = [len(opened.query(f"from p@{n}").read_all()) for n in (1, 2, 3)]
        assert (counts, len(opened.query("from p__rejects@1").read_all())) == ([1, 2, 3], 1)
    with Store.open(moved, read_only=True) as opened:
        assert len(opened.query("from p").read_all()) == 3
    with Store.open(copy, read_only=True) as opened, pytest.raises(StoreError, match=r"damaged.*from a backup"):
        opened.query("from p@1").read_all()


def test_another_working_directory(
    commit_to: Make,
    problems: Problems,
    orphans: Callable[[Path], set[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open(Path("here")) as opened:
        commit_to(opened, "p", problems([1]))
        (tmp_path / "sub").mkdir()
        monkeypatch.chdir(tmp_path / "sub")
        commit_to(opened, "p", problems([1, 2]))
        assert len(opened.query("from p@2").read_all()) == 2
    with Store.open(Path("../here")) as opened:
        assert [len(opened.query(f"from p@{n}").read_all()) for n in (1, 2)] == [1, 2]
    assert orphans(tmp_path / "here") == set()


def test_readers_see_whole_versions_while_one_writes(
    store: Store, commit: Make, commit_to: Make, problems: Problems
) -> None:
    commit("p", problems(range(500), "v1"))
    seen: list[tuple[int, int, str]] = []
    wrong: list[BaseException] = []
    done = threading.Event()

    def look() -> None:
        try:
            with Store.open(store.place, read_only=True) as reader:
                last = False
                while not last:
                    last = done.is_set()
                    table = reader.query("select count(*) n, count(distinct question) k, max(question) q from p")
                    [row] = table.read_all().to_pylist()
                    seen.append((row["n"], row["k"], row["q"]))
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(2, 8):
        commit_to(store, "p", *[problems(range(k, 500, 10), f"v{number}") for k in range(10)])
    done.set()
    thread.join(60)
    assert not wrong
    assert {(n, k) for n, k, _ in seen} == {(500, 1)}
    assert seen[-1][2] == "v7"
    assert [q for *_, q in seen] == sorted(q for *_, q in seen)
