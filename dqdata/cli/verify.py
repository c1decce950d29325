"""`dqdata verify [NAME[@VERSION]]`: reads every data file and compares its checksum with that of the commit."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import say


@click.command()
@click.argument("name", required=False, shell_complete=completion.catalogs)
@project_option
@store_option
@json_option
def command(name: str | None, project: Path | None, store: Path | None, as_json: bool) -> int:
    """Read all data files of a catalog, a version or the whole store, and compare their checksums.

    Exit code 1 where a file is missing, changed or unreadable.
    """
    found = open_catalogs(project, store).verify(name)
    if as_json:
        print_json(asdict(found))
    else:
        say(f"{found.versions:,} versions, {found.files:,} files, {found.bytes / 1e6:,.1f} MB read")
        for one in found.unknown:
            say(f"{one}: made before checksums were kept; its files and their rows are there")
        for fault in found.faults:
            say(f"{fault.catalog}@{fault.version}: {fault.file} is {fault.problem}; restore it from a backup")
        if not found.faults:
            say("sound")
    return 1 if found.faults else 0
