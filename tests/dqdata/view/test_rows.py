"""Pages of rows: every order and filter, forwards and backwards; and the three forms of a selection."""

from __future__ import annotations

import json
import math
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dqdata
from dqdata import testing
from dqdata.cli import main
from dqdata.errors import DqdataError
from dqdata.view.filters import Condition, Selection

pytestmark = [pytest.mark.needs("starlette"), pytest.mark.needs("jinja2")]


@pytest.fixture(scope="module")
def store(store_path: Path) -> Iterator[Any]:
    from dqdata.view.opened import OpenStore

    opened = OpenStore(store_path)
    yield opened
    opened.close()


def walk(store, chosen: Selection, rows: int = 40) -> list[str]:
    """Keys of all pages, forwards; asserts that going back gives the same pages."""
    from dqdata.view.paging import page

    table = store.table(chosen.table)
    pages = [page(store, table, chosen, rows=rows)]
    assert pages[0].before is None
    while pages[-1].after is not None:
        pages.append(page(store, table, chosen, after=pages[-1].after, rows=rows))
    if len(pages) > 1:
        assert pages[-1].before is not None
        assert page(store, table, chosen, before=pages[-1].before, rows=rows).ids == pages[-2].ids
    return [str(row[table.key]) for one in pages for row in one.rows]


SORTS = [
    "",
    "verdict",
    "output_tokens",
    "rv",
    "cd",
    "good enough",
    "made_at",
    "labels",
    "question",
    "parent_id",
]
FILTERS: list[dict[str, Any]] = [
    {},
    {"conditions": [Condition("output_tokens", "ge", "40"), Condition("cd", "set")], "where": "rv < 8 or rv is null"},
]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", SORTS)
def test_pages_by_any_column_are_all_rows_once_in_order(store, sort: str, descending: bool) -> None:
    if not sort and descending:
        pytest.skip("the order in which rows were made has one direction")
    for given in FILTERS:
        chosen = Selection("traces@2", sort=sort, descending=descending, **given)
        table = store.table("traces@2")
        store.edges._kept.clear()
        found = walk(store, chosen)
        by = chosen.order(table.columns)
        condition = chosen.condition(table.columns) or "true"
        order = f"{by} {'desc' if descending else 'asc'} nulls last, rowid" if by else "rowid"
        wanted = store.rows(f"select trace_id from {table.sql} where {condition} order by {order}")
        assert found == [row["trace_id"] for row in wanted] and len(found) > 3


CONDITIONS = [
    Condition("verdict", "eq", "correct"),
    Condition("verdict", "ne", "correct"),
    Condition("question", "has", "+ 3? It's 'quoted'"),
    Condition("reasoning", "has", '<img src=x onerror="'),
    Condition("response", "lacks", "\n\nThe answer is $\\boxed{2"),
    Condition("output_tokens", "lt", "1e1"),
    Condition("rv", "ge", "7.5"),
    Condition("rv", "eq", "nan"),
    Condition("cd", "null"),
    Condition("good enough", "eq", "TRUE"),
    Condition("made_at", "gt", "2026-01-14"),
    Condition("labels", "has", "l2"),
    Condition("labels", "set"),
    Condition("trace_id", "starts", "t1"),
]


def test_sql_step_and_command_give_the_same_rows(store, store_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = store.table("traces@2").columns
    rows = dqdata.open_store(store_path).catalog("traces@2").polars()
    for condition in CONDITIONS:
        chosen = Selection("traces@2", [condition], "length(question) > 3 -- all", given_store=str(store_path))
        _, found, _ = store.box(chosen.sql(columns))
        shown = [row["trace_id"] for row in found]
        assert 0 < len(shown) < 110, condition
        assert shown == walk(store, chosen, rows=200)

        words = shlex.split(chosen.command(columns))
        assert words[0] == "dqdata" and main([*words[1:], "--json"]) == 0
        assert [row["trace_id"] for row in json.loads(capsys.readouterr().out)["rows"]] == shown

        step = tomllib.loads(f"step = {chosen.toml(columns)}")["step"]
        kept = testing.run_operator(step.pop("op"), rows, params=step).rows
        assert [row["trace_id"] for row in kept] == shown, condition


@pytest.mark.parametrize(
    "chosen",
    [
        Selection("traces@2", [Condition("nothing", "eq", "1")]),
        Selection("traces@2", [Condition("rv", "between", "1")]),
        Selection("traces@2", [Condition("rv", "eq", "1) or (1=1")]),
        Selection("traces@2", [Condition("rv", "eq", "")]),
        Selection("traces@2", [Condition("good enough", "eq", "yes")]),
        Selection("traces@2", [Condition("made_at", "gt", "yesterday'")]),
        Selection("traces@2", where="rv"),
        Selection("traces@2", where="rv > (select 1)"),
        Selection("traces@2", where="random() > 0.5"),
        Selection("traces@2", where="rv >"),
        Selection("traces@2", where="rv > 1; drop table x"),
        Selection("traces@2", where="exists (from read_csv('/etc/passwd'))"),
        Selection("traces@2", sort="nothing"),
        Selection("nothing@1"),
        Selection("traces@9"),
        Selection("../traces"),
    ],
    ids=str,
)
def test_a_selection_that_can_not_be_meant_is_refused(store, chosen: Selection) -> None:
    from dqdata.view.paging import page

    with pytest.raises(DqdataError):
        page(store, store.table(chosen.table), chosen)


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('/etc/passwd')",
        "from '/etc/passwd'",
        "from 'x.parquet'",
        "select read_text('/etc/passwd')",
        "copy traces to '/tmp/x.csv'",
        "attach '/tmp/x.db'",
        "create table x as select 1",
        "delete from traces",
        "set memory_limit = '9GB'",
        "pragma database_list; select 1",
        "install httpfs",
        "call pragma_version()",
        "select * from traces; select 1",
        "select * from sqlite_scan('metadata.sqlite', 'ducklake_snapshot')",
        "from 'http://127.0.0.1:1/x.parquet'",
        "select getenv('HOME')",
        "",
    ],
)
def test_the_sql_box_only_reads_catalogs(store, query: str) -> None:
    with pytest.raises(DqdataError):
        store.box(query)


def test_the_sql_box_reads_no_file_of_the_store_either(store, store_path: Path) -> None:
    file = next((store_path / "data").rglob("*.parquet"))
    with pytest.raises(DqdataError, match="files are out of reach"):
        store.box(f"from '{file}'")


def test_the_sql_box_ends_a_query_that_takes_too_long(store, monkeypatch: pytest.MonkeyPatch) -> None:
    from dqdata.view import opened

    monkeypatch.setattr(opened, "BOX_SECONDS", 0.2)
    with pytest.raises(DqdataError, match="stopped after") as caught:
        store.box("select sum(sqrt(a.range * b.range)) from range(1000000) a, range(1000000) b")
    assert caught.value.code == "query-too-slow"


def test_the_sql_box_has_limits_of_memory_and_rows(store) -> None:
    from dqdata.view.opened import BOX_ROWS

    names, rows, more = store.box("select range as n from range(100000)")
    assert names == ["n"] and len(rows) == BOX_ROWS and more
    assert not store.box(f"from range({BOX_ROWS})")[2]
    with pytest.raises(DqdataError, match="Out of Memory"):
        store.box("select length(string_agg(repeat('x', 1000000), '')) from range(3000)")


def test_what_others_commit_and_drop_is_seen(store, store_path: Path, tmp_path: Path) -> None:
    source = tmp_path / "more.jsonl"
    source.write_text('{"question": "What is 1?"}\n{"question": "What is 2?"}\n')
    assert "later" not in {one.catalog for one in store.state().newest()}
    assert main(["import", str(source), "--into", "later", "--store", str(store_path)]) == 0
    assert "later" in {one.catalog for one in store.state().newest()} and store.table("later").count == 2
    assert main(["drop", "later@1", "--store", str(store_path)]) == 0
    assert "later" not in {one.catalog for one in store.state().newest()}
    with pytest.raises(DqdataError, match="dropped"):
        store.table("later@1")


def test_nan_is_no_number_of_its_own(store) -> None:
    rows = store.rows(f"select rv from {store.table('traces@1').sql} where trace_id = 't025'")
    assert math.isnan(rows[0]["rv"])
