"""A report on a version as Markdown, and as one HTML file that needs nothing else: no script, no resource of a network.

Every text of a row, a model or a server is escaped: in HTML by `html.escape`, in Markdown as one line of code.
"""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dqdata.codes import CODES
from dqdata.history.dataset import Dataset, Numbers, Rejected
from dqdata.history.lineage import Node

LONGEST = 600
"""Characters of a value that an example quotes."""

Rows = Sequence[Sequence[str]]
Section = tuple[str, str, Sequence[str], Rows]
"""Title, a line below it, head and rows of a table; without head the rows are pairs of a name and a text of a row."""

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --bar: #4a7dbd; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; } .wide { overflow-x: auto; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font-size: .85rem; }
svg text { fill: currentColor; font: 13px system-ui, sans-serif; }
"""


def as_markdown(found: Dataset) -> str:
    """Headings, tables, and the pipeline as a Mermaid diagram."""
    out = [f"# {found.name}", "", *(f"{line}  " for line in _summary(found)), "", "## How it was made", ""]
    out += ["```mermaid", "flowchart LR", *mermaid(found), "```"]
    for title, about, head, rows in _sections(found):
        out += ["", f"## {title}", ""]
        out += [about, ""] if about else []
        if head:
            out += [line(map(cell, head)), line(["---"] * len(head)), *(line(map(cell, row)) for row in rows)]
        else:
            out += [f"- {cell(name)}: {code(text)}" if name else "" for name, text in rows]
    return "\n".join(out) + "\n"


def as_html(found: Dataset) -> str:
    """The same sections, with bars for the numbers."""
    title = html.escape(found.name)
    parts = [f"<h1>{title}</h1>", *(f"<p>{html.escape(line)}</p>" for line in _summary(found))]
    parts += ["<h2>How it was made</h2>", f'<div class="wide">{_svg(found)}</div>']
    for name, about, head, rows in _sections(found):
        parts.append(f"<h2>{html.escape(name)}</h2>")
        if about:
            parts.append(f"<p>{html.escape(about)}</p>")
        parts.append(_table(head, rows))
        if name == "Numbers":
            parts += [_histogram(one) for one in found.numbers]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _summary(found: Dataset) -> Iterator[str]:
    version = found.version
    yield (
        f"{version.rows:,} rows, {version.rejects:,} rejected, made on {version.created_at:%Y-%m-%d %H:%M} UTC"
        + (", partial: rows that failed are left out" if version.partial else "")
        + "."
    )
    if version.message:
        yield version.message
    yield f"Recipe {version.fingerprint[:12] or 'none'}, {len(found.steps)} steps; {len(found.columns)} columns."


def _sections(found: Dataset) -> Iterator[Section]:
    yield "Columns", "", ("column", "type"), list(found.columns.items())
    if found.steps:
        yield (
            "Steps",
            "",
            ("step", "operator", "parameters"),
            [(str(step["id"]), str(step["op"]), as_json(said(step.get("params", {})))) for step in found.steps],
        )
    yield "Sources and uses", "", ("what", "name", "about"), [*_nodes(found.tree)]
    yield "Yield by step", _rows_in(found), ("step", "dropped", "failed", "left after it at most"), yield_by_step(found)
    if found.reasons:
        yield (
            "Reasons",
            "The command dqdata explain CODE describes a reason.",
            ("rows", "step", "reason", "meaning"),
            [
                (f"{one.rows:,}", one.step, one.reason, CODES[one.reason].meaning if one.reason in CODES else "")
                for one in found.reasons
            ],
        )
    yield "Costs", "", ("what", "value"), [*_costs(found)]
    if found.numbers:
        yield (
            "Numbers",
            "",
            ("column", "least", "median", "mean", "most", "null"),
            [
                (
                    one.column,
                    *(f"{value:.4g}" for value in (one.least, one.median, one.mean, one.most)),
                    f"{one.nulls:,}",
                )
                for one in found.numbers
            ],
        )
    if found.values:
        yield (
            "Values",
            "",
            ("column", "value", "rows"),
            [(one.column, value, f"{rows:,}") for one in found.values for value, rows in one.rows.items()],
        )
    yield "Checks", "", ("check", "result", "detail"), _checks(found)
    for number, row in enumerate(found.kept, 1):
        yield f"Kept row {number}", "", (), [(name, _text(value)) for name, value in row.items() if value is not None]
    for one in found.rejected:
        yield f"Rejected by {one.step}: {one.reason}", "", (), _rejected(one)


def said(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters less those that are empty."""
    return {name: value for name, value in params.items() if value not in (None, [], {}, "", False)}


def _rows_in(found: Dataset) -> str:
    if not (rows := found.run.get("rows_in")):
        return ""
    return f"{int(rows):,} rows entered; a step that makes several rows of one raises the number."


def yield_by_step(found: Dataset) -> list[tuple[str, str, str, str]]:
    """Rejected rows by step in the order of the steps, and how many rows were left: counted from the end, since kept
    rows and those that later steps rejected have passed a step."""
    known = [str(step["id"]) for step in found.steps]
    owned = {one for step in known for one in found.rejects_of(step)}
    others = list(dict.fromkeys(one.step for one in found.reasons if one not in owned))
    left = found.version.rows
    out: list[tuple[str, str, str, str]] = []
    for step in reversed([*others, *known]):
        rejects = found.rejects_of(step)
        dropped, failed = (sum(one.rows for one in rejects if one.kind == kind) for kind in ("dropped", "failed"))
        out.append((step, f"{dropped:,}", f"{failed:,}", f"{left:,}"))
        left += dropped + failed
    return out[::-1] or [("(no step)", "0", "0", f"{left:,}")]


def _costs(found: Dataset) -> Iterator[tuple[str, str]]:
    for call in found.tree.calls:
        yield (
            f"calls to {call.teacher} ({call.model})",
            f"{call.calls:,}: {call.input_tokens:,} tokens in, {call.output_tokens:,} out, ${call.cost_usd:,.6f}",
        )
    names = {"usd": "all attempts", "usd_a_row": "a kept row", "usd_a_verified_row": "a verified row"}
    for key, what in names.items():
        if (value := found.cost.get(key)) is not None and (value or found.tree.calls):
            yield what, f"${float(value):,.6f}"
    if found.run.get("seconds") is not None:
        yield "run", f"{float(found.run['seconds']):,.1f} s"
    if cached := found.run.get("calls_cached"):
        yield "answers of earlier runs", f"{int(cached):,}, from the ledger"
    elif not found.tree.calls:
        yield "calls", "none were made for this version"


def _checks(found: Dataset) -> list[tuple[str, str, str]]:
    return [
        (
            str(one.get("name") or one.get("sql") or "check"),
            "passed" if one.get("passed") else f"failed ({one.get('severity')})",
            str(one.get("detail") or ""),
        )
        for one in found.checks
    ] or [("(none)", "", "the pipeline has no `checks`")]


def _nodes(tree: Node) -> Iterator[tuple[str, str, str]]:
    for way, what in (("up", "made from"), ("down", "used by")):
        for node in list(tree.walk("up" if way == "up" else "down"))[1:]:
            yield what, node.name, node.about


def _rejected(one: Rejected) -> list[tuple[str, str]]:
    rows = [(name, _text(value)) for name, value in one.row.items() if value is not None]
    return ([("detail", _text(one.detail))] if one.detail else []) + rows


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else as_json(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _boxes(found: Dataset) -> list[tuple[str, str]]:
    """Label and note of each part of the diagram."""
    origin = ", ".join(node.name for node in found.tree.up[:3]) or "import"
    boxes = [(origin, f"{int(found.run['rows_in']):,} rows" if found.run.get("rows_in") else "")]
    for step in found.steps:
        gone = sum(one.rows for one in found.rejects_of(str(step["id"])))
        boxes.append((str(step["id"]), f"-{gone:,}" if gone else ""))
    return [*boxes, (found.name, f"{found.version.rows:,} rows")]


def mermaid(found: Dataset) -> Iterator[str]:
    boxes = _boxes(found)
    for number, (label, note) in enumerate(boxes):
        text = html.escape(f"{label[:60]} {note}".strip()).replace("`", "'").replace("#", "#35;")
        yield f'  b{number}["{text}"]'
    yield "  " + " --> ".join(f"b{number}" for number in range(len(boxes)))


def _svg(found: Dataset) -> str:
    """The diagram: boxes in rows of four, left to right, joined by lines."""
    wide, high, gap, a_row = 190, 52, 34, 4
    boxes = _boxes(found)
    parts, centres = [], []
    for number, (label, note) in enumerate(boxes):
        x, y = number % a_row * (wide + gap) + 2, number // a_row * (high + gap) + 2
        centres.append((x, y))
        short = label if len(label) <= 24 else label[:23] + "…"
        parts.append(f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" rx="6" fill="#8882" stroke="#888"/>')
        parts.append(f'<text x="{x + 10}" y="{y + 21}">{html.escape(short)}<title>{html.escape(label)}</title></text>')
        parts.append(f'<text x="{x + 10}" y="{y + 41}">{html.escape(note)}</text>')
    for (x, y), (to_x, to_y) in itertools.pairwise(centres):
        if y == to_y:
            points = f"{x + wide},{y + high // 2} {to_x},{to_y + high // 2}"
        else:
            middle = y + high + gap // 2
            points = f"{x + wide // 2},{y + high} {x + wide // 2},{middle} {to_x + 95},{middle} {to_x + 95},{to_y}"
        parts.append(f'<polyline points="{points}" fill="none" stroke="#888" stroke-width="2"/>')
    rows = (len(boxes) - 1) // a_row + 1
    size = f"{min(len(boxes), a_row) * (wide + gap)} {rows * (high + gap)}"
    named = " to ".join(html.escape(label) for label, _ in boxes)
    return f'<svg role="img" aria-label="{named}" viewBox="0 0 {size}" width="{size.split()[0]}">{"".join(parts)}</svg>'


def _histogram(one: Numbers) -> str:
    most = max(one.bars)
    bars = "".join(
        f'<rect x="{at * 24}" y="{60 - round(60 * rows / most)}" width="22" height="{round(60 * rows / most)}" '
        f'fill="#4a7dbd"><title>{rows:,} rows</title></rect>'
        for at, rows in enumerate(one.bars)
    )
    named = html.escape(f"{one.column}: {one.least:.4g} to {one.most:.4g}")
    return (
        f'<p>{named}</p><svg role="img" aria-label="{named}" width="242" height="62" viewBox="0 0 242 62">{bars}</svg>'
    )


def _table(head: Sequence[str], rows: Rows) -> str:
    top = f"<thead><tr>{''.join(f'<th>{html.escape(one)}</th>' for one in head)}</tr></thead>" if head else ""
    body = "".join(
        "<tr>"
        + "".join(f"<td>{html.escape(cell) if head or not at else _pre(cell)}</td>" for at, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def _pre(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"


def line(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"


def cell(text: str) -> str:
    """One line of a table as Markdown and HTML show it; names and values of rows are as models wrote them."""
    line = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{sign}" if sign in "\\`*_[]|~!" else sign for sign in line)


def code(text: str) -> str:
    """The text as one line of code, within more backticks than it has in a row."""
    line = " ".join(text.split())
    longest = run = 0
    for sign in line:
        run = run + 1 if sign == "`" else 0
        longest = max(longest, run)
    ticks = "`" * (longest + 1)
    return f"{ticks} {line} {ticks}"
