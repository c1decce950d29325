"""Geometry of the pictures that the server draws as SVG: histograms, curves, a heat map. Numbers in, shapes out.

>>> [bar.height for bar in bars([("a", 2), ("b", 4)])]
[50.0, 100.0]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from dqdata.sql import quoted
from dqdata.view.opened import OpenStore, Table

BINS, CLASSES, LONGEST_CURVE = 24, 12, 400
"""Bars of a histogram, values of a column that is drawn by value, points of a curve."""
FIRST = 2000
"""Rows whose values are counted before those of all."""


class Bar(NamedTuple):
    """One bar, in hundredths of the picture's width and height. rows: that it stands for."""

    label: str
    rows: int
    x: float
    width: float
    height: float


class Histogram(NamedTuple):
    """The values of one column. empty: rows without a value. low, high: the ends of its scale, "" for classes."""

    column: str
    bars: list[Bar]
    empty: int
    low: str
    high: str


class Cell(NamedTuple):
    """One cell of the heat map: rows with this RV and CD. share: of the fullest cell, from 0 to 1."""

    cd: int
    rv: int
    rows: int
    share: float


class Curve(NamedTuple):
    """Values by step. points: `x,y x,y` in a picture of 300 by 100."""

    name: str
    points: str
    first: float
    last: float
    low: float
    high: float
    steps: int


def bars(counts: Sequence[tuple[str, int]]) -> list[Bar]:
    """Bars side by side, the highest as high as the picture."""
    most = max((count for _, count in counts), default=0) or 1
    width = 100 / max(1, len(counts))
    return [
        Bar(label, count, number * width, width, 100 * count / most) for number, (label, count) in enumerate(counts)
    ]


def numbers(store: OpenStore, table: Table, expression: str, name: str) -> Histogram | None:
    """The histogram of a number; None where no row has one. The column is read once."""
    rows = store.rows(
        f"""with c as materialized (select ({expression})::double as v, count(*) as n from {table.sql} group by all),
        f as (from c where isfinite(v)),
        e as (select min(v) as low, max(v) as high, (select sum(n) from c) - sum(n) as rest from f),
        w as (select *, low = floor(low) and high = floor(high) and high - low < {BINS} as whole from e),
        s as (
            select *, if(whole or low = high, 1.0, high / {BINS} - low / {BINS}) as width,
                if(whole, (high - low)::int + 1, {BINS}) as bins from w
        ),
        counts as (
            select least(greatest(floor(v / width - low / width), 0), bins - 1)::int as b, sum(n)::bigint as n
            from f, s group by b
        )
        select low, high, rest::bigint as rest, whole, width, bins, b, n from s left join counts on true"""
    )
    low, high, whole, width = (rows[0][key] for key in ("low", "high", "whole", "width"))
    if low is None:
        return None
    counts = {row["b"]: row["n"] for row in rows}
    starts = [low + number * width for number in range(rows[0]["bins"])]
    labels = [f"{start:.6g}" + ("" if whole else f" to {start + width:.6g}") for start in starts]
    found = [(label, counts.get(number, 0)) for number, label in enumerate(labels)]
    return Histogram(name, bars(found), rows[0]["rest"], f"{low:.6g}", f"{high:.6g}")


def classes(store: OpenStore, table: Table, column: str) -> Histogram | None:
    """The values of a column with few of them; None for one with many."""
    grouped = f"select left({quoted(column)}::varchar, 60) as v, count(*) as n from {table.sql}"
    if table.count > FIRST:  # most columns with many values show it at once
        some = store.rows(f"select count(v) as n from ({grouped} where rowid < {FIRST} group by v)")
        if some[0]["n"] > CLASSES:
            return None
    found = store.rows(f"{grouped} group by v order by n desc, v limit {CLASSES + 2}")
    filled = [(str(row["v"]), row["n"]) for row in found if row["v"] is not None]
    if not filled or len(filled) > CLASSES:
        return None
    return Histogram(column, bars(filled), sum(row["n"] for row in found if row["v"] is None), "", "")


def heat(store: OpenStore, table: Table) -> list[Cell]:
    """Rows by RV and CD, both rounded to whole numbers from 0 to 9; empty where rows lack one of them."""
    if not {"rv", "cd"} <= set(table.columns):
        return []
    whole = {name: f"least(greatest(round({name}), 0), 9)::int" for name in ("rv", "cd")}
    rows = store.rows(  # few pairs of values: they are counted first, and rounded then
        f"with pairs as (select rv, cd, count(*) as n from {table.sql} group by all) "
        f"select {whole['cd']} as cd, {whole['rv']} as rv, sum(n)::bigint as n from pairs "
        "where isfinite(rv::double) and isfinite(cd::double) group by 1, 2 order by all"
    )
    most = max((row["n"] for row in rows), default=1)
    return [Cell(row["cd"], row["rv"], row["n"], row["n"] / most) for row in rows]


def curve(name: str, values: Sequence[tuple[int, float]]) -> Curve | None:
    """The curve through (step, value); None where fewer than two are finite."""
    known = sorted((step, value) for step, value in values if math.isfinite(value))
    if len(known) < 2:
        return None
    if len(known) > LONGEST_CURVE:
        every = len(known) / LONGEST_CURVE
        known = [known[int(number * every)] for number in range(LONGEST_CURVE)] + [known[-1]]
    steps, heights = [step for step, _ in known], [value for _, value in known]
    left, right, low, high = steps[0], steps[-1], min(heights), max(heights)
    points = " ".join(
        f"{300 * (step - left) / (right - left or 1):.1f},{100 - 100 * (value - low) / (high - low or 1):.1f}"
        for step, value in known
    )
    return Curve(name, points, heights[0], heights[-1], low, high, right)


def curves(rows: Sequence[dict[str, Any]]) -> list[Curve]:
    """The curves of one model from its rows of dq_metrics."""
    by_name: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if row["value"] is not None:
            by_name.setdefault(row["name"], []).append((row["step"], row["value"]))
    return [found for name, values in sorted(by_name.items()) if (found := curve(name, values)) is not None]
