"""`dqdata gc`: removes the files of dropped versions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import say


@click.command()
@click.option("--dry-run", is_flag=True, help="List what would be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@project_option
@store_option
@json_option
def command(dry_run: bool, yes: bool, project: Path | None, store: Path | None, as_json: bool) -> None:
    """Remove the files of dropped versions, which can't be restored afterwards."""
    catalogs = open_catalogs(project, store)
    found = catalogs.gc(dry_run=True)
    if not as_json:
        for one in found:
            say(f"{one.catalog}@{one.version}: {one.files} files, {one.bytes / 1e6:,.1f} MB")
        say(f"{sum(one.bytes for one in found) / 1e6:,.1f} MB in all" if found else "nothing to remove")
    if found and not dry_run:
        if not yes:
            click.confirm("Remove them for good?", abort=True, err=True)
        found = catalogs.gc()
        if not as_json:
            say("removed")
    if as_json:
        print_json({"removed": [] if dry_run else [asdict(one) for one in found], "found": [asdict(o) for o in found]})
