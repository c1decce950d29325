"""Runs on a Ray cluster of two machines: the rows, rejects and calls of the local engine, whatever is killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from clusters import RayCluster

from dqdata.catalog import Store
from dqdata.engine.run import run_pipeline
from dqdata.place import StorePlace
from dqdata.project.tables import EngineTable, Project

Write = Callable[[str], Project]
Calls = Callable[[], list[str]]
pytestmark = pytest.mark.needs("ray")

STEPS = """
[teachers.parrot]
provider = "parrot"
log = "LOG"
concurrency = 8
seconds = 0.02

[pipelines.p]
from = { source = "counting", rows = 60 }
chunk_rows = 10
max_failed_rate = 0.6
steps = [ { op = "talk", teacher = "parrot", n = 2 }, { op = "sample", share = 0.5 }, { op = "length" } ]
"""


def frame(store: Store, sql: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(store.query(sql).read_all()))


def tables(store: Store) -> list[Any]:
    rows, rejects = frame(store, "select * from p"), frame(store, "select * from p__rejects")
    spent = frame(store, "select count(*) as calls, count(distinct ledger_key) as keys from ledger.calls")
    return [rows.to_dicts(), rejects.sort("step", "row_key").to_dicts(), spent.to_dicts()]


def on(loaded: Project, cluster: RayCluster, store: StorePlace) -> Project:
    """The project on the cluster, with a store of its own."""
    engine = EngineTable(kind="ray", address=cluster.address)
    return loaded.model_copy(update={"engine": engine, "store": store})


def test_rows_rejects_and_calls_are_those_of_the_local_engine(
    project: Write, store: Store, calls: Calls, ray_cluster: RayCluster, tmp_path: Path
) -> None:
    loaded = project(STEPS)
    local = run_pipeline(loaded, "p", store)
    assert len(calls()) == 120
    with Store.open(place := StorePlace(tmp_path / "ray" / "catalogs")) as other:
        result = run_pipeline(on(loaded, ray_cluster, place), "p", other)
        assert tables(other) == tables(store)
        assert not (other.work / "p").exists()
    same = ("rows_in", "rows_out", "dropped", "failed", "calls", "tokens", "cost_usd")
    assert [getattr(result, name) for name in same] == [getattr(local, name) for name in same]
    assert set(Counter(calls()).values()) == {2}, "each run asked each once"
