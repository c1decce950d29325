"""`dqdata log [CATALOG]`: versions with their size, run and recipe."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_store, print_json, project_option, store_option
from dqdata.cli.lines import cut, echo, printable, say

if TYPE_CHECKING:
    from dqdata.catalog import Version
    from dqdata.catalog.marks import Marks


@click.command()
@click.argument("catalog", required=False, shell_complete=completion.catalogs)
@click.option("--verbose", is_flag=True, help="With each version's recipe.")
@project_option
@store_option
@json_option
def command(catalog: str | None, verbose: bool, project: Path | None, store: Path | None, as_json: bool) -> None:
    """List the versions of a catalog, or of all, oldest first, with tags and notes."""
    with open_store(project, store, read_only=True) as opened:
        versions, marks = opened.versions(catalog, dropped=True), opened.marks()
    if as_json:
        print_json({"versions": [_as_json(version, marks) for version in versions]})
        return
    if not versions:
        say("no versions yet: `dqdata run` or `dqdata import` makes one")
    width = max((len(f"{version.catalog}@{version.version}") for version in versions), default=0)
    for version in versions:
        say(_line(version, width, marks))
        if said := marks.notes.get((version.catalog, version.version)):
            say(_indented(said))
        if verbose:
            echo(printable(_indented(json.dumps(version.recipe, indent=2, ensure_ascii=False))))


def _line(version: Version, width: int, marks: Marks) -> str:
    name = f"{version.catalog}@{version.version}"
    parts = [
        f"{name:{width}}",
        f"{version.created_at:%Y-%m-%d %H:%M}Z",
        f"{version.rows:>9,} rows",
        f"{version.rejects:>7,} rejects",
        version.run_id,
    ]
    parts += [f"[{tag}]" for tag in marks.tags_of(version.catalog, version.version)]
    if state := marks.state(version.catalog, version.version):
        parts.append(state)
    if (version.catalog, version.version) in marks.held:
        parts.append("checks failed")
    if version.partial:
        parts.append("partial")
    if version.message:
        parts.append(version.message)
    return cut("  ".join(parts))


def _as_json(version: Version, marks: Marks) -> dict[str, Any]:
    at = version.catalog, version.version
    more = {
        "tags": marks.tags_of(*at),
        "note": marks.notes.get(at, ""),
        "state": marks.state(*at),
        "held": at in marks.held,
    }
    return {**asdict(version), "created_at": version.created_at.isoformat(), **more}


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
