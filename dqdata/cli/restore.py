"""`dqdata restore NAME@VERSION...`: brings dropped versions back."""

from __future__ import annotations

from pathlib import Path

import click

from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import say


@click.command()
@click.argument("versions", nargs=-1, required=True)
@project_option
@store_option
@json_option
def command(versions: tuple[str, ...], project: Path | None, store: Path | None, as_json: bool) -> None:
    """Bring back versions (NAME@VERSION) that were dropped and whose files are still there."""
    restored = open_catalogs(project, store).restore(*versions)
    if as_json:
        print_json({"restored": restored})
        return
    say(f"restored {', '.join(restored)}")
