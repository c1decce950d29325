"""What a version of a catalog is and how it was made, in numbers and examples: the content of `dqdata report`.

found = describe(store, "traces", 3)
found.reasons[0].rows
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from dqdata.columns import Columns, is_number
from dqdata.history.lineage import Node, lineage
from dqdata.history.rows import dicts
from dqdata.masking import masker
from dqdata.refs import REJECTS_SUFFIX
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    from dqdata.catalog import Store
    from dqdata.catalog.records import Version

FEW_VALUES = 12
"""Different values up to which a column of texts or truth values is counted value by value."""
BARS = 10
"""Intervals of a histogram."""


class Reason(NamedTuple):
    """Rows that one step rejected for one reason. kind: dropped or failed."""

    step: str
    kind: str
    reason: str
    rows: int


class Numbers(NamedTuple):
    """A numeric column. nulls: rows without a value. bars: rows in intervals of one width from least to most."""

    column: str
    nulls: int
    least: float
    median: float
    mean: float
    most: float
    bars: tuple[int, ...]


class Values(NamedTuple):
    """A column with few values: rows by value, most frequent first."""

    column: str
    rows: Mapping[str, int]


class Rejected(NamedTuple):
    """A rejected row, to quote."""

    step: str
    reason: str
    detail: str
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Dataset:
    """version: what dq_versions says. run: row of dq_runs that made it, empty for an imported one. cost: row of
    dq_costs. tree: what it was made from and what was made from it. checks: rows of dq_checks of this version."""

    version: Version
    columns: Columns
    run: Mapping[str, Any]
    cost: Mapping[str, Any]
    tree: Node
    reasons: Sequence[Reason]
    numbers: Sequence[Numbers]
    values: Sequence[Values]
    kept: Sequence[Mapping[str, Any]]
    rejected: Sequence[Rejected]
    checks: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        return f"{self.version.catalog}@{self.version.version}"

    @property
    def steps(self) -> list[Mapping[str, Any]]:
        """Steps of the recipe, first to last."""
        return list(self.version.recipe.get("steps", ()))

    def rejects_of(self, step: str) -> list[Reason]:
        """What this step rejected, or a step that it runs."""
        return [one for one in self.reasons if one.step == step or one.step.startswith(f"{step} > ")]


def describe(store: Store, catalog: str, version: int, *, examples: int = 3, within: Node | None = None) -> Dataset:
    """Reads one version. examples: rows that it quotes: kept ones, and of each of the most frequent reasons one.
    within: its node in the lineage of another version; then it is described in brief, without run, distributions, cost
    and checks. Raises QueryError for an unknown version."""
    found = store.version(catalog, version)
    name, rejects = f"{catalog}@{version}", f"{catalog}{REJECTS_SUFFIX}@{version}"
    columns = store.schema(catalog, version)
    counted = dicts(
        store,
        f"select step, kind, reason, count(*) as rows from {rejects} group by all order by rows desc, step, reason",
    )
    reasons = [Reason(str(one["step"]), str(one["kind"]), str(one["reason"]), int(one["rows"])) for one in counted]
    brief = within is not None
    of_run = f"select * from dq_runs where run_id = {literal(found.run_id)}"
    runs = dicts(store, of_run) if found.run_id and not brief else []
    this = f"catalog = {literal(catalog)} and version = {version}"
    costs = [] if brief else dicts(store, f"select * from dq_costs where {this}")
    order = f" order by {quoted(columns.key)}" if columns.key in columns else ""
    kept = dicts(store, f"select * from (from {name}{order} limit {examples})") if examples else []
    return Dataset(
        found,
        columns,
        runs[-1] if runs else {},
        costs[0] if costs else {},
        within or lineage(store, catalog, version),
        reasons,
        [] if brief else list(_numbers(store, name, columns)),
        [] if brief else list(_values(store, name, columns)),
        kept,
        [_example(store, rejects, one) for one in reasons[: 2 * examples]],
        [] if brief else store.checks(catalog, version),
    )


def _example(store: Store, rejects: str, reason: Reason) -> Rejected:
    """The first row by its key that was rejected for this reason."""
    where = f"step = {literal(reason.step)} and reason = {literal(reason.reason)} and kind = {literal(reason.kind)}"
    [one] = dicts(store, f"select detail, row from (from {rejects} where {where} order by row_key limit 1)")
    row = json.loads(one["row"]) if one["row"] else {}
    return Rejected(reason.step, reason.reason, masker.hide(str(one["detail"] or "")), row)


def _numbers(store: Store, name: str, columns: Columns) -> list[Numbers]:
    values = {one: f"{quoted(one)}::double" for one, kind in columns.items() if is_number(kind)}
    if not values:
        return []
    known = {
        str(row["name"]): row
        for row in dicts(
            store,
            " union all ".join(
                f"select {literal(one)} as name, count(*) as rows, count(v) as known, min(v) as least, median(v) as "
                f"median, avg(v) as mean, max(v) as most from "
                f"(select case when isfinite({value}) then {value} end as v from {name})"
                for one, value in values.items()
            ),
        )
        if row["known"]
    }
    parts = [_bars(name, one, values[one], row) for one, row in known.items()]
    counted = dicts(store, " union all ".join(parts)) if parts else []
    bars = {(str(one["name"]), int(one["place"])): int(one["rows"]) for one in counted}
    return [
        Numbers(
            one,
            int(row["rows"]) - int(row["known"]),
            float(row["least"]),
            float(row["median"]),
            float(row["mean"]),
            float(row["most"]),
            tuple(bars.get((one, at), 0) for at in range(BARS if row["most"] > row["least"] else 1)),
        )
        for one in values
        if (row := known.get(one)) is not None
    ]


def _bars(table: str, column: str, value: str, row: Mapping[str, Any]) -> str:
    """SQL that counts a column's values by interval, from 0 on."""
    least = float(row["least"])
    width = (float(row["most"]) - least) / BARS
    place = f"least({BARS - 1}, floor(({value} - {least!r}::double) / {width!r}::double)::int)" if width else "0"
    return (
        f"select {literal(column)} as name, {place} as place, count(*) as rows from {table} where isfinite({value}) "
        "group by all"
    )


def _values(store: Store, name: str, columns: Columns) -> list[Values]:
    texts = [
        one for one, kind in columns.items() if kind in ("VARCHAR", "BOOLEAN") and not one.endswith(("_id", "_key"))
    ]
    if not texts:
        return []
    value = {one: f"coalesce(left({quoted(one)}::varchar, 80), '(null)')" for one in texts}
    counts = ", ".join(f"count(distinct {value[one]})" for one in texts)
    [row] = dicts(store, f"select [{counts}] as n from {name}")
    few = [one for one, count in zip(texts, row["n"], strict=True) if 0 < count <= FEW_VALUES]
    if not few:
        return []
    counted = dicts(
        store,
        " union all ".join(
            f"(select {literal(one)} as name, {value[one]} as value, count(*) as rows from {name} group by all)"
            for one in few
        )
        + " order by rows desc, value",
    )
    found = {one: {str(row["value"]): int(row["rows"]) for row in counted if row["name"] == one} for one in few}
    return [Values(one, rows) for one, rows in found.items() if _classes(list(rows.values()))]


def _classes(counts: Sequence[int]) -> bool:
    """Whether values with so many rows each are classes: some repeat, and at most two, or half as many as rows."""
    return max(counts) > 1 and len(counts) <= max(2, sum(counts) // 2)
