"""Rows on the screen: a table where it fits, otherwise one record at a time, every line cut to the terminal's width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dqdata.cli.lines import cells, cut, echo, printable, standard, width, wrapped

NARROW = 12
"""Characters that a column of a table must have to be read."""
CELL = 100
TEXT_LINES = 6
"""Lines of a text that a record shows where it is not asked for alone."""


def print_rows(rows: Sequence[Mapping[str, Any]], names: Sequence[str], numbers: Sequence[bool]) -> None:
    """numbers: whether a column holds numbers, which are set to the right."""
    if standard().isatty() and not _fits(rows, names):
        for number, row in enumerate(rows, 1):
            print_record(row, names, title=f"row {number}")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, number in zip(names, numbers, strict=True):
        table.add_column(Text(printable(name)), justify="right" if number else "left", overflow="ellipsis")
    for row in rows:
        table.add_row(*(Text(cell(row[name])) for name in names))
    wide = None if standard().isatty() else CELL * max(len(names), 1)
    Console(file=standard(), width=wide, soft_wrap=False).print(table)


def print_record(row: Mapping[str, Any], names: Sequence[str], *, title: str, whole: bool = False) -> None:
    """One row, a column a line, its texts below one another. whole: with every line of its texts."""
    room = min(width(), CELL)
    echo(cut(f"-- {printable(title)} ".ljust(room, "-"), room))
    label = min(max(map(len, names), default=0), 24)
    for name in names:
        value = as_text(row[name])
        lines = [part for line in value.splitlines() or [""] for part in wrapped(line, max(room - label - 2, 20), 0)]
        shown = lines if whole else lines[:TEXT_LINES]
        for number, line in enumerate(shown):
            echo(cut(f"{printable(name)[:label] if number == 0 else '':{label}}  {line}".rstrip(), room))
        if len(shown) < len(lines):
            more = len(lines) - len(shown)
            echo(cut(f"{'':{label}}  ... {more:,} more line{'s'[: more > 1]}: --row ID shows all", room))


def as_text(value: Any) -> str:
    """A value as people read it: numbers short, everything nested as JSON, null as nothing."""
    from dqdata.json_text import json_text

    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(value if isinstance(value, str) else json_text(value).strip('"'))


def cell(value: Any) -> str:
    """One line of bounded length."""
    text = " ".join(as_text(value)[: CELL * 4].split())
    return text if len(text) <= CELL else text[: CELL - 1] + "…"


def _fits(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> bool:
    """Whether every column has what it needs, or at least enough to be read."""
    need = [max([cells(name), *(cells(cell(row[name])) for row in rows)]) for name in names]
    least = [max(cells(name), min(size, NARROW * 2)) for name, size in zip(names, need, strict=True)]
    return sum(least) + 2 * max(len(names) - 1, 0) <= width()
