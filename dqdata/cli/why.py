"""`dqdata why ID`: where a row came from, and why it is or is not in a catalog."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option, usd
from dqdata.cli.lines import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dqdata.history.why import Occurrence, Why

_LONGEST = 300
"""Characters of a value on the terminal; --json has them whole."""


@click.command()
@click.argument("row_id", metavar="ID")
@click.option("--in", "within", metavar="NAME@VERSION", help="Look in this version instead of the newest of all.")
@project_option
@store_option
@json_option
def command(row_id: str, within: str | None, project: Path | None, store: Path | None, as_json: bool) -> None:
    """Explain one row by its problem_id, trace_id or pair_id.

    Shows the catalogs that kept it, the steps that rejected it with their reasons, its values, the rows that it was
    made from, and the calls that were paid for it.
    """
    found = open_catalogs(project, store).why(row_id, within=within)
    if as_json:
        print_json(asdict(found))
        return
    say("\n".join(_lines(found)))


def _lines(found: Why) -> Iterator[str]:
    yield f"{found.key} {found.id}"
    for one in found.occurrences:
        yield f"  {_place(one)}"
    yield "values"
    values = dict(found.occurrences[0].row)
    for one in found.occurrences[1:]:
        values |= {name: value for name, value in one.row.items() if value is not None}
    yield from _values(values)
    for one in found.ancestors:
        yield f"made from {one.row.get('trace_id') or one.row.get('problem_id')}"
        yield f"  {_place(one)}"
        yield from _values(one.row)
    if not found.calls:
        yield "no call in the ledger made it"
    for call in found.calls:
        yield (
            f"call to {call['teacher']} ({call['model']}), sample {call['sample']}, {call['created_at']}: "
            f"{call['input_tokens']:,} tokens in, {call['output_tokens']:,} out, {usd(call['cost_usd'], 4)}, "
            f"{call['seconds']:.1f} s, {call['finish_reason']}; run {call['run_id']}"
        )
        for failure in call["failures"]:
            yield f"  attempt {failure['attempt']} failed: {failure['reason']} {_short(failure['message'])}"


def _place(one: Occurrence) -> str:
    if one.kept:
        return f"{one.version}: kept"
    return f"{one.version}: rejected by {one.step}: {one.reason} {_short(one.detail)}".rstrip()


def _values(row: dict[str, Any]) -> Iterator[str]:
    for name, value in row.items():
        if value is not None:
            yield f"  {name}: {_short(value)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} … {line[-_LONGEST // 2 :]}"
