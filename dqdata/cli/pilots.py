"""What a pilot says of the full run, as lines for the screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dqdata.cli.common import usd

if TYPE_CHECKING:
    from dqdata.engine.pilot import Expected, PilotResult


def projected(name: str, found: PilotResult) -> str:
    return "\n".join(_lines(name, found))


def _lines(name: str, found: PilotResult) -> Iterator[str]:
    if found.source_rows is None:
        yield f"{name}: nobody knows the rows before they are read; for each {found.per_rows:,} of them:"
    else:
        yield f"{name} over all {found.source_rows.value:,.0f} rows, by the first {found.rows:,} (95% intervals):"
    yield _line("yield", found.yield_a_row, lambda value: f"{value:.3f}") + "  rows for each row"
    if found.source_rows is not None and found.source_rows.low != found.source_rows.high:
        yield _line("source", found.source_rows, _count) + "  rows to take"
    yield _line("rows", found.rows_out, _count)
    yield _line("calls", found.calls, _count) + "  more"
    if found.cost_usd is None:
        yield f"  {'cost':8} unknown: no `price` in {', '.join(f'[teachers.{one}]' for one in found.unpriced)}"
    else:
        yield _line("cost", found.cost_usd, _usd) + "  more"
    yield _line("time", found.seconds, _duration)
    for step in found.sees_all:
        yield f"  step {step} sees all rows: it may keep another share of more rows"


def _line(label: str, one: Expected, shown: Callable[[float], str]) -> str:
    high = "?" if math.isinf(one.high) else shown(one.high)
    return f"  {label:8} {shown(one.value):>12}   {shown(one.low)} to {high}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _usd(value: float) -> str:
    return usd(value, 4 if value < 1 else 2)


def _duration(seconds: float) -> str:
    if math.isinf(seconds):
        return "?"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02} h"
