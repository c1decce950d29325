"""Rows of a SELECT over a real store."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from dqdata.catalog import Store
from dqdata.columns import columns_of
from dqdata.errors import QueryError
from dqdata.sources.sql import Sql, SqlParams


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "catalogs") as opened:
        commit(opened, range(20))
        yield opened


def commit(store: Store, numbers) -> None:
    frame = pl.DataFrame({"problem_id": [f"p{n:02}" for n in numbers], "level": [n % 3 for n in numbers]})
    path = store.work / f"rows-{len(frame)}.parquet"
    frame.write_parquet(path)
    columns = columns_of(frame.to_arrow().schema)
    store.commit("problems", rows=[path], rejects=[], columns=columns, fingerprint=str(numbers), recipe={}, run_id="r")


def source(store: Store, query: str) -> Sql:
    return Sql(SqlParams(query=query), SimpleNamespace(root=Path(), store=store))


def rows(made: Sql) -> list[dict]:
    return [row for batch in made.batches() for row in batch.to_pylist()]


def test_a_bare_name_is_pinned_when_planning(store):
    made = source(store, "select * from problems where level = 1")
    assert dict(made.schema()) == {"problem_id": "VARCHAR", "level": "BIGINT"}
    first = made.fingerprint()
    commit(store, range(50))
    assert len(rows(made)) == 7 and made.fingerprint() == first
    again = source(store, "select * from problems where level = 1")
    assert len(rows(again)) == 17 and again.fingerprint() != first
    assert source(store, "select * from problems@1 where level = 1").fingerprint() == first


@pytest.mark.many_threads
def test_joins_and_groups_come_in_one_order(store):
    query = "select level, count(*) as n from problems a join problems b using (level) group by level"
    assert len({tuple(map(str, rows(source(store, query)))) for _ in range(5)}) == 1


def test_ids_stay_as_they_are(store):
    assert source(store, "from problems").namespace() == ""


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from problms", "problems"),
        ("select * from problems@9", "9"),
        ("select levl from problems", "level"),
        ("select * from problems where random() < 0.5", "random"),
    ],
)
def test_wrong_queries_are_refused_when_planning(store, query, said):
    with pytest.raises(QueryError, match=said):
        source(store, query).schema()
