"""The store's own tables: versions, runs, models, training metrics and evaluations. Append-only.

    select catalog, version, rows, rejects, created_at from dq_versions order by created_at

Each row, or each model's rows in dq_metrics, is a Parquet file of its own. DuckLake could keep such rows in its
metadata, but a connection that has read rows from there no longer finds the version before them (DuckLake 1.0 of
DuckDB 1.5.5: seen in a test).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from dqdata.catalog.checks import CHECKS
from dqdata.ids import canonical
from dqdata.refs import RECORDS
from dqdata.sql import quoted

if TYPE_CHECKING:
    import duckdb

VERSIONS = {
    "catalog": "VARCHAR",
    "version": "BIGINT",
    "fingerprint": "VARCHAR",
    "rows": "BIGINT",
    "rejects": "BIGINT",
    "partial": "BOOLEAN",
    "run_id": "VARCHAR",
    "created_at": "TIMESTAMPTZ",
    "recipe": "VARCHAR",
    "message": "VARCHAR",
}
RUNS = {
    "run_id": "VARCHAR",
    "pipeline": "VARCHAR",
    "catalog": "VARCHAR",
    "version": "BIGINT",
    "status": "VARCHAR",
    "started_at": "TIMESTAMPTZ",
    "seconds": "DOUBLE",
    "rows_in": "BIGINT",
    "rows_out": "BIGINT",
    "dropped": "VARCHAR",
    "failed": "VARCHAR",
    "calls_made": "BIGINT",
    "calls_cached": "BIGINT",
    "calls_failed": "BIGINT",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cost_usd": "DOUBLE",
    "profile": "VARCHAR",
    "error": "VARCHAR",
}
MODELS = {
    "name": "VARCHAR",
    "version": "BIGINT",
    "path": "VARCHAR",
    "base_model": "VARCHAR",
    "trainer": "VARCHAR",
    "data": "VARCHAR",
    "recipe": "VARCHAR",
    "metrics": "VARCHAR",
    "created_at": "TIMESTAMPTZ",
}
METRICS = {
    "model": "VARCHAR",
    "version": "BIGINT",
    "step": "BIGINT",
    "name": "VARCHAR",
    "value": "DOUBLE",
}
EVALS = {
    "evaluation": "VARCHAR",
    "benchmark": "VARCHAR",
    "model": "VARCHAR",
    "answers": "VARCHAR",
    "data": "VARCHAR",
    "questions": "BIGINT",
    "samples": "BIGINT",
    "pass_at_1": "DOUBLE",
    "low": "DOUBLE",
    "high": "DOUBLE",
    "majority": "DOUBLE",
    "tokens": "DOUBLE",
    "seconds": "DOUBLE",
    "scores": "VARCHAR",
    "settings": "VARCHAR",
    "created_at": "TIMESTAMPTZ",
}
MARKS = {
    "catalog": "VARCHAR",
    "version": "BIGINT",
    "kind": "VARCHAR",
    "value": "VARCHAR",
    "created_at": "TIMESTAMPTZ",
}
"""Tags, notes, and versions that were dropped: see `dqdata.catalog.marks`."""
FILES = {
    "catalog": "VARCHAR",
    "version": "BIGINT",
    "table_name": "VARCHAR",
    "file": "VARCHAR",
    "rows": "BIGINT",
    "bytes": "BIGINT",
    "blake2b": "VARCHAR",
}
"""The manifest of a version: its data files, each with the BLAKE2b hash of its bytes (16 bytes, in hex)."""
TABLES: dict[str, Mapping[str, str]] = dict(
    zip(RECORDS, (VERSIONS, RUNS, MODELS, METRICS, EVALS, MARKS, FILES, CHECKS), strict=True)
)
JSON_COLUMNS = frozenset({"recipe", "dropped", "failed", "data", "metrics", "scores", "settings"})
"""Kept as JSON text: `recipe->>'$.steps[0].op'` works in SQL."""


def make_tables(con: duckdb.DuckDBPyConnection) -> None:
    """The record tables that the lake lacks."""
    for table, columns in TABLES.items():
        types = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
        con.execute(f"create table if not exists lake.main.{table} ({types})")


@dataclass(frozen=True)
class Version:
    """One version of a catalog. rejects: how many rows were dropped or failed. partial: made with retryable failures
    left, by request. snapshot_id: DuckLake's number of the commit."""

    catalog: str
    version: int
    fingerprint: str
    rows: int
    rejects: int
    partial: bool
    run_id: str
    created_at: datetime
    recipe: Mapping[str, Any]
    snapshot_id: int
    message: str

    @classmethod
    def of(cls, row: Sequence[Any]) -> Version:
        """From a row of `select` (see `version_query`)."""
        values = dict(zip((*VERSIONS, "snapshot_id"), row, strict=True))
        recipe = json.loads(values.pop("recipe"))
        return cls(created_at=values.pop("created_at").astimezone(UTC), recipe=recipe, **values)


def version_query(where: str) -> str:
    """SQL for whole rows of dq_versions, oldest first."""
    return f"select {', '.join(VERSIONS)}, snapshot_id from lake.main.dq_versions where {where} order by snapshot_id"


class Measured(NamedTuple):
    """One metric of one step of a training, such as (10, "loss", 0.43)."""

    step: int
    name: str
    value: float


def values_of(record: Mapping[str, Any], columns: Mapping[str, str]) -> list[Any]:
    """Values in the order of the columns: JSON columns as text, absent ones null. Raises KeyError for unknown names."""
    if unknown := [name for name in record if name not in columns]:
        raise KeyError(f"no such column: {', '.join(unknown)} (there are: {', '.join(columns)})")
    return [_stored(name, record.get(name)) for name in columns]


def _stored(name: str, value: Any) -> Any:
    if name in JSON_COLUMNS and value is not None and not isinstance(value, str):
        return canonical(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value
