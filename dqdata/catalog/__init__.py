"""The store: catalogs as versioned tables of a DuckLake (Parquet files and SQLite metadata), read with SQL.

    with Store.open(Path("catalogs"), read_only=True) as store:
        store.query("select verdict, count(*) from slow_thinking@3 group by all").read_all()

A version is the whole content of a catalog and never changes. It comes with its rejects and its recipe, in one commit.
"""

from __future__ import annotations

from dqdata.catalog.records import Version
from dqdata.catalog.store import Store

__all__ = ["Store", "Version"]
