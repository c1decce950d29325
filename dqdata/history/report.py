"""Writes a difference of two versions as text for a terminal or as Markdown for a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from dqdata.history.causes import Cause
from dqdata.history.diff import Diff
from dqdata.history.rows import Outcome

_LINES = 12
"""Changed lines of a prompt, and entries of a table, that a report quotes; a last line counts the others."""

Table = tuple[str, list[str], list[list[str]]]


def as_text(found: Diff, width: int = 80) -> str:
    """Sections of aligned lines, none longer than `width`."""
    out = [_summary(found)]
    out += ["", "Why"] + [f"  {line}" for line in _causes(found.causes, found.equal)]
    for title, head, body in _tables(found):
        out += ["", title] + [f"  {line}" for line in _aligned([head, *body])]
    for title, lines in _examples(found):
        out += ["", title] + [f"  {line}" for line in lines]
    return "\n".join(
        line if len(line) <= width else line[: width - 1] + "…" for part in out for line in part.split("\n")
    )


def as_markdown(found: Diff) -> str:
    """Headings, tables and code blocks; texts from the rows are in code blocks."""
    out = [f"## `{found.before}` → `{found.after}`", "", _summary(found).replace("\n", "  \n"), "", "### Why", ""]
    out += ["```diff", *_causes(found.causes, found.equal), "```"]
    for title, head, body in _tables(found):
        out += ["", f"### {title}", "", _line(head), _line(["---"] * len(head)), *map(_line, body)]
    for title, lines in _examples(found):
        out += ["", f"### {title}", "", "```", *(line.replace("```", "'''") for line in lines), "```"]
    return "\n".join(out) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _summary(found: Diff) -> str:
    counts = found.counts
    lines = [
        f"{found.before} -> {found.after}: {found.rows_before:,} -> {found.rows_after:,} rows",
        f"{counts.added:,} added, {counts.removed:,} removed, {counts.changed:,} changed, {counts.same:,} the same",
    ]
    if found.problems is not None:
        both, before, after = found.problems
        lines.append(f"problems: {both:,} in both, {before:,} only before, {after:,} only after")
    return "\n".join(lines)


def _causes(causes: Sequence[Cause], same: bool) -> list[str]:
    if not causes:
        return ["the recipes are the same" + ("" if same else ": other answers, or rows that failed before")]
    return [line for cause in causes for line in _cause(cause)]


def _cause(cause: Cause) -> Iterator[str]:
    before, after = _short(cause.before), _short(cause.after)
    if cause.kind == "prompt":
        yield f"{cause.place}: prompt {cause.what} changed"
        changed = cause.changed_lines
        yield from changed[:_LINES]
        if len(changed) > _LINES:
            yield f"... and {len(changed) - _LINES} more lines"
    elif cause.kind in ("step added", "step removed"):
        yield f"{cause.place}: {cause.kind} {after or before}"
    elif cause.kind == "code":
        yield f"{cause.place}: code of {cause.what} changed: {before} -> {after}"
    else:
        yield f"{cause.place}: {cause.kind} {cause.what}: {before or '(none)'} -> {after or '(none)'}"


def _tables(found: Diff) -> Iterator[Table]:
    columns = [[name, "added", kind] for name, kind in found.columns_added.items()]
    columns += [[name, "removed", kind] for name, kind in found.columns_removed.items()]
    columns += [[name, "type", f"{old} -> {new}"] for name, (old, new) in found.columns_retyped.items()]
    if columns:
        yield "Columns", ["column", "change", "type"], columns
    if found.removed_to:
        yield f"Removed rows in {found.after}", ["rows", "step", "reason"], _outcomes(found.removed_to)
    if found.added_from:
        yield f"Added rows in {found.before}", ["rows", "step", "reason"], _outcomes(found.added_from)
    if found.counts.columns:
        body = [[name, f"{rows:,}"] for name, rows in found.counts.columns.items()]
        yield "Changed values", ["column", "rows"], _first(body, 2)
    moved = [shift for shift in found.shifts if shift.moved]
    if moved:
        head = ["column", "mean", "", "median", "", "null", "", "effect"]
        body = [
            [
                s.column,
                *map(_number, (s.mean_before, s.mean_after, s.median_before, s.median_after)),
                f"{s.nulls_before:.1%}",
                f"{s.nulls_after:.1%}",
                "" if s.effect is None else f"{s.effect:+.2f}",
            ]
            for s in moved
        ]
        yield "Numeric columns, before and after (effect: in standard deviations)", head, _first(body, 8)
    if found.shares:
        body = [[s.column, _short(s.value, 30), f"{s.before:.1%}", f"{s.after:.1%}"] for s in found.shares]
        yield "Shares of values, before and after", ["column", "value", "before", "after"], _first(body, 4)


def _outcomes(found: Sequence[Outcome]) -> list[list[str]]:
    return _first([[f"{one.rows:,}", one.step, _short(one.reason, 50)] for one in found], 3)


def _first(body: list[list[str]], cells: int) -> list[list[str]]:
    more = len(body) - _LINES
    return body if more <= 0 else [*body[:_LINES], [f"and {more} more", *[""] * (cells - 1)]]


def _examples(found: Diff) -> Iterator[tuple[str, list[str]]]:
    for kind in ("added", "removed"):
        if rows := found.examples.get(kind):
            yield f"Examples: {kind}", [_short(json.dumps(row, ensure_ascii=False, default=str), 400) for row in rows]
    if changed := found.examples.get("changed"):
        lines = []
        for row in changed:
            lines.append(str(row[found.key]))
            for name, values in row.items():
                if name != found.key:
                    lines.append(f"  {name}: {_value(values[0])} -> {_value(values[1])}")
        yield "Examples: changed", lines


def _value(value: Any) -> str:
    return _short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _short(text: str, longest: int = 100) -> str:
    """The text on one line, cut in the middle, where two long texts are likelier to be alike at both ends."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest * 2 // 3]} … {line[-longest // 3 :]}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
