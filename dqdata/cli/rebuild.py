"""`dqdata rebuild NAME@3`: remakes a version from its recipe and compares every row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_project, print_json, progress_out, project_option
from dqdata.cli.lines import say

if TYPE_CHECKING:
    from dqdata.engine.rebuild import Rebuilt


@click.command()
@click.argument("version", shell_complete=completion.catalogs)
@click.option("--replay", is_flag=True, help="Answers come from the ledger alone: no call is made, no key is needed.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes; by default one a core.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@project_option
@json_option
def command(version: str, replay: bool, workers: int | None, quiet: bool, project: Path | None, as_json: bool) -> int:
    """Remake a version from its recipe, and report whether every row is the same; nothing is committed.

    VERSION is NAME@VERSION. Without --replay teachers are called for what the ledger lacks. Exit code 1 where a row
    differs.
    """
    found = open_project(project).rebuild(version, replay=replay, workers=workers, out=progress_out(quiet))
    if as_json:
        print_json(
            {
                "version": found.version,
                "rows": found.rows,
                **found.comparison.as_json(),
                "missing": found.missing,
                "cached": found.cached,
                "same_recipe": found.same_recipe,
                "causes": [cause._asdict() for cause in found.causes],
            }
        )
    else:
        say("\n".join(_lines(found)))
    return 0 if found.comparison.equal else 1


def _lines(found: Rebuilt) -> list[str]:
    made = found.comparison
    lines = [f"{found.version}: {found.rows:,} rows, remade from {found.cached:,} recorded answers"]
    if made.equal:
        lines.append(f"every row is the same (content {made.content[0]})")
    else:
        lines.append(
            f"same {made.same:,}, changed {made.changed:,}, missing {made.removed:,}, additional {made.added:,}"
        )
        lines += [f"  column {name}: {rows:,} rows differ" for name, rows in made.columns.items()]
        lines += [
            f"  rejected by {step} as {reason}: {before:,} then, {after:,} now"
            for step, reason, before, after in made.rejects
        ]
    if found.missing:
        lines.append(f"{found.missing:,} requests have no recorded answer")
    lines += [f"  {cause.kind} {cause.place} {cause.what}".rstrip() for cause in found.causes]
    return lines
