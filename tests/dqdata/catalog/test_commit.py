"""A commit is whole or never was: rows, rejects, recipe; duplicates, unknown keys, fingerprints."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from servers import both

from dqdata.catalog import Store, Version
from dqdata.catalog.backend import PENDING
from dqdata.catalog.choice import backend_of
from dqdata.catalog.records import Measured
from dqdata.columns import REJECTS, Columns
from dqdata.errors import ColumnError, InputError, QueryError, StoreError
from dqdata.place import StorePlace
from dqdata.refs import check_name

Make = Callable[..., Version]
Read = Callable[[str], list[dict[str, Any]]]
Problems = Callable[..., list[dict[str, Any]]]


@both
def test_what_goes_in_comes_out(store: Store, commit: Make, read: Read, problems: Problems) -> None:
    reject = {**dict.fromkeys(REJECTS), "step": "verify", "kind": "dropped", "reason": "wrong", "row": '{"a": 1}'}
    before = datetime.now(UTC)
    made = commit(
        "arith", problems([3, 1]), problems(["b", "a"]), rejects=[reject], recipe={"steps": [1]}, message="first"
    )

    assert (made.catalog, made.version, made.rows, made.rejects) == ("arith", 1, 4, 1)
    assert (made.recipe, made.message, made.partial) == ({"steps": [1]}, "first", False)
    assert before - timedelta(seconds=1) <= made.created_at <= datetime.now(UTC)
    assert made.created_at.utcoffset() == timedelta(0)
    assert read("from arith@1") == problems([3, 1, "b", "a"]), "rows stay in the order of the files"
    assert read("from arith__rejects@1") == [reject]
    assert store.versions("arith") == [made] == store.versions()
    assert (store.latest("arith"), store.row_count("arith", 1), store.row_count("arith__rejects", 1)) == (1, 4, 1)
    assert dict(store.schema("arith__rejects", 1)) == dict(REJECTS)
    assert list(store.schema("arith", 1)) == ["problem_id", "question", "messages"]
    assert read("select recipe->>'$.steps[0]' as step, snapshot_id from dq_versions") == [
        {"step": "1", "snapshot_id": made.snapshot_id}
    ]


def test_each_version_keeps_its_rows_and_its_columns(commit: Make, read: Read, problems: Problems) -> None:
    commit("p", problems([1, 2, 3]))
    commit("p", problems([2, 3, 4], "new?"))
    wider = Columns({"problem_id": "VARCHAR", "rv": "DOUBLE"})
    commit("p", [{"problem_id": "9", "rv": 1.5}], columns=wider)

    assert [row["problem_id"] for row in read("from p@1")] == ["1", "2", "3"]
    assert [row["problem_id"] for row in read("from p@2")] == ["2", "3", "4"]
    assert read("from p") == read("from p@latest") == [{"problem_id": "9", "rv": 1.5}]
    diff = """select coalesce(a.problem_id, b.problem_id) as id, case when a.problem_id is null then 'added'
              when b.problem_id is null then 'removed' when a.question <> b.question then 'changed' end as change
              from p@1 a full join p@2 b using (problem_id) order by id"""
    assert [row["change"] for row in read(diff)] == ["removed", "changed", "changed", "added"]


@both
def test_a_version_of_no_rows(commit: Make, read: Read, problems: Problems) -> None:
    for lots in ([], [problems([])], [problems([]), problems([1])]):
        made = commit("p", *lots)
        assert read(f"from p@{made.version}") == [row for rows in lots for row in rows]
        assert made.rows == sum(len(rows) for rows in lots)
    assert read("describe p@1")[0]["column_name"] == "problem_id"


@both
def test_files_of_any_writer(store: Store, read: Read, problems: Problems, tmp_path: Path) -> None:
    rows = problems([1, 2])
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "arrow.parquet")
    pl.DataFrame(problems([3])).write_parquet(tmp_path / "it's polars.parquet")
    columns = Columns(dict.fromkeys(rows[0], "VARCHAR") | {"messages": 'STRUCT("role" VARCHAR, "content" VARCHAR)[]'})
    files = [tmp_path / "arrow.parquet", tmp_path / "it's polars.parquet"]
    store.commit("p", rows=files, rejects=[], columns=columns, fingerprint="f", recipe={}, run_id="r")
    assert read("from p") == problems([1, 2, 3])


def test_the_same_file_in_two_versions(
    store: Store, read: Read, parquet: Callable[..., Path], problems: Problems
) -> None:
    file = parquet(store.work, problems([1]))
    columns = Columns(
        {"problem_id": "VARCHAR", "question": "VARCHAR", "messages": "STRUCT(role VARCHAR, content VARCHAR)[]"}
    )
    for fingerprint in ("a", "b"):
        store.commit("p", rows=[file], rejects=[], columns=columns, fingerprint=fingerprint, recipe={}, run_id="r")
    assert read("select (select count(*) from p@1) a, (select count(*) from p@2) b") == [{"a": 1, "b": 1}]


def test_checkpoints_are_linked_and_other_files_copied(
    store: Store, parquet: Callable[..., Path], problems: Problems, tmp_path: Path
) -> None:
    columns = Columns(
        {"problem_id": "VARCHAR", "question": "VARCHAR", "messages": "STRUCT(role VARCHAR, content VARCHAR)[]"}
    )
    theirs, ours = parquet(tmp_path, problems([1])), parquet(store.work, problems([2]))
    store.commit("p", rows=[theirs, ours], rejects=[], columns=columns, fingerprint="f", recipe={}, run_id="r")
    assert (theirs.stat().st_nlink, ours.stat().st_nlink) == (1, 2)

    parquet(tmp_path, problems([7, 8, 9])).replace(theirs)
    theirs.write_bytes(b"written over")
    ours.unlink()
    assert [row["problem_id"] for row in store.query("from p").read_all().to_pylist()] == ["1", "2"]


@both
def test_a_fingerprint_is_committed_once(store: Store, commit: Make, problems: Problems) -> None:
    first = commit("p", problems([1]), fingerprint="same")
    commit("p", problems([2]), fingerprint="other")
    assert commit("p", problems([3]), fingerprint="same") == first
    assert store.find("same") == ("p", 1)
    assert store.find("never") is None
    assert store.latest("p") == 2


def test_a_forced_run_takes_over_only_what_it_made_itself(store: Store, commit: Make, problems: Problems) -> None:
    first = commit("p", problems([1]), fingerprint="same", run_id="r1")
    forced = commit("p", problems([1]), fingerprint="same", run_id="r2", again=True)
    assert (first.version, forced.version) == (1, 2)
    assert commit("p", problems([1]), fingerprint="same", run_id="r2", again=True) == forced, "the run was resumed"
    assert store.find("same", run_id="r1") == ("p", 1) and store.find("same", catalog="q") is None


def test_a_partial_version_satisfies_nobody(store: Store, commit: Make, problems: Problems) -> None:
    assert commit("p", problems([1]), fingerprint="f", partial=True).partial
    assert store.find("f") is None
    assert commit("p", problems([1, 2]), fingerprint="f").version == 2
    assert store.find("f") == ("p", 2)
    assert commit("p", problems([1]), fingerprint="f", partial=True).version == 2, "the whole one is better"


@both
def test_duplicate_keys(
    store: Store, commit: Make, problems: Problems, nobodys: Callable[[StorePlace], set[str]]
) -> None:
    with pytest.raises(StoreError, match=r"p: problem_id must be unique.* '1' \(3 times\), '2' \(2 times\)"):
        commit("p", problems([1, 2, 1]), problems([3, 1, 2]))
    with pytest.raises(StoreError, match="2 rows have no problem_id"):
        commit("p", [{**row, "problem_id": None} for row in problems([1, 2])])
    assert store.latest("p") is None
    store.close()
    assert nobodys(store.place) == set()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"problem_id": "VARCHAR", "question": "BIGINT"}, "question"),
        ({"problem_id": "VARCHAR"}, "question"),
        ({"problem_id": "VARCHAR", "question": "VARCHAR", "rv": "DOUBLE"}, "rv"),
        ({"problem_id": "VARCHAR", "question": "VARCHAR", "kind": "ENUM('a')"}, "(?i)enum"),
        ({"problem_id": "VARCHAR", "question": "VARCHAR", "vector": "FLOAT[3]"}, "(?i)array|float"),
    ],
)
def test_files_that_differ_from_the_columns(
    store: Store,
    parquet: Callable[..., Path],
    nobodys: Callable[[StorePlace], set[str]],
    columns: dict[str, str],
    message: str,
) -> None:
    have = {"problem_id": "VARCHAR", "question": "VARCHAR"}
    file = parquet(store.work, [{"problem_id": "1", "question": "?"}], have)
    with pytest.raises(StoreError, match=message):
        store.commit("p", rows=[file], rejects=[], columns=Columns(columns), fingerprint="f", recipe={}, run_id="r")
    assert store.latest("p") is None
    assert file.exists()
    made = store.commit("p", rows=[file], rejects=[], columns=Columns(have), fingerprint="f", recipe={}, run_id="r")
    assert (made.version, made.rows) == (1, 1)
    store.close()
    assert nobodys(store.place) == set()
    assert backend_of(store.place).data.read_note(PENDING) is None


def test_a_file_that_is_gone_or_no_parquet(store: Store, tmp_path: Path) -> None:
    columns = Columns({"problem_id": "VARCHAR"})
    (tmp_path / "text.parquet").write_text("no")
    for name in ("gone.parquet", "text.parquet"):
        with pytest.raises(StoreError, match=name):
            store.commit(
                "p", rows=[tmp_path / name], rejects=[], columns=columns, fingerprint="f", recipe={}, run_id="r"
            )


@pytest.mark.parametrize(
    "name", ["Big", "a-b", "1st", "", "p__rejects", "dq_own", "order", "lake", "ledger", "é", "a" * 64]
)
def test_names_that_no_catalog_may_have(name: str) -> None:
    with pytest.raises(InputError, match="no name for a catalog"):
        check_name(name)


def test_a_commit_checks_the_name(commit: Make, problems: Problems) -> None:
    with pytest.raises(InputError, match="no name for a catalog"):
        commit("select", problems([1]))


def test_names_that_are_words_of_sql(commit: Make, read: Read, problems: Problems) -> None:
    for name in ("data", "method", "sample", "values", "a_1__tiny", "rejects"):
        commit(name, problems([name]))
        assert [row["problem_id"] for row in [*read(f"from {name}@1"), *read(f'from "{name}"')]] == [name, name]
        assert read(f"from {name}__rejects@1") == []


def test_rows_without_a_key_column(commit: Make) -> None:
    with pytest.raises(ColumnError, match="no key"):
        commit("p", [{"x": "1"}], columns=Columns({"x": "VARCHAR"}))


@both
def test_runs_and_models(store: Store, read: Read) -> None:
    store.record_run(
        {
            "run_id": "r1",
            "pipeline": "p",
            "status": "done",
            "started_at": datetime(2026, 1, 2, 3),
            "dropped": {"wrong": 2},
        }
    )
    store.record_run({"run_id": "r1", "status": "failed", "error": "no"})
    rows = read(
        "select run_id, status, started_at::varchar as at_time, dropped->>'wrong' as wrong from dq_runs order by status"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("r1", "done", "2026-01-02 03:00:00+00", "2"),
        ("r1", "failed", None, None),
    ]
    with pytest.raises(KeyError, match="statsu"):
        store.record_run({"statsu": "done"})

    about = {"name": "sft", "path": "models/sft", "trainer": "sft", "metrics": {"loss": 0.5}, "recipe": {"lr": 1}}
    assert [store.record_model(about), store.record_model(about), store.record_model({**about, "name": "rm"})] == [
        1,
        2,
        1,
    ]
    assert [(row["name"], row["version"]) for row in store.models()] == [("sft", 1), ("sft", 2), ("rm", 1)]
    [last] = [row for row in store.models("sft") if row["version"] == 2]
    assert json.loads(last["metrics"]) == {"loss": 0.5}
    assert store.models("none") == []


@both
def test_figures_of_each_step_go_with_the_model(store: Store, read: Read) -> None:
    figures = [Measured(step, name, step / 4) for step in range(1, 4) for name in ("loss", "grad_norm")]
    store.record_model({"name": "sft"})
    assert read("from dq_metrics") == []
    assert store.record_model({"name": "sft"}, figures) == 2
    rows = read("select model, version, step, value from dq_metrics where name = 'loss' order by step")
    assert [tuple(row.values()) for row in rows] == [("sft", 2, 1, 0.25), ("sft", 2, 2, 0.5), ("sft", 2, 3, 0.75)]
    assert not list((store.path / "work").glob(".metrics-*"))


@both
def test_no_secret_is_written_down(
    store: Store, commit: Make, problems: Problems, monkeypatch: pytest.MonkeyPatch, on_disk: Callable[[Any], Path]
) -> None:
    monkeypatch.setenv("R1_API_KEY", "a-very-secret-value")
    recipe = {
        "teacher": {"api_key": "plain-secret", "url": "https://me:hunter22@host/v1"},
        "note": "a-very-secret-value",
    }
    commit("p", problems([1]), recipe=recipe, message="401 for Bearer abcdefghijkl")
    store.record_run({"run_id": "r", "error": "wrong key sk-abcdefghijklmnopqrstuv"})
    store.record_model({"name": "m", "recipe": {"hub_token": "hf_abcdefghijklmnopqrstuv"}})
    store.close()
    secrets = (b"a-very-secret-value", b"plain-secret", b"hunter22", b"abcdefghijkl")
    data = [on_disk(file) for file in backend_of(store.place).data.files()]
    assert len(data) > 3
    for file in [*data, *(Path(root) / name for root, _, names in os.walk(store.path) for name in names)]:
        content = file.read_bytes()
        assert not [secret for secret in secrets if secret in content], file
    with Store.open(store.place, read_only=True) as again:
        assert again.versions("p")[0].recipe["teacher"] == {"api_key": "***", "url": "https://***@host/v1"}


@both
def test_reading_does_not_write(store: Store, commit: Make, problems: Problems) -> None:
    commit("p", problems([1]))
    with Store.open(store.place, read_only=True) as reader:
        for refused in (
            lambda: reader.commit("p", rows=[], rejects=[], columns=Columns({}), fingerprint="", recipe={}, run_id=""),
            lambda: reader.record_run({}),
            lambda: reader.record_model({"name": "m"}),
        ):
            with pytest.raises((StoreError, ColumnError), match=r"read-only|no key"):
                refused()
        with pytest.raises(QueryError, match="got DELETE"):
            reader.query("delete from p")
        with reader.connect() as con, pytest.raises(Exception, match="read-only"):
            con.execute("delete from lake.main.p")
