"""`dqdata tag NAME@VERSION [TAG]`: names a version, keeps a note on it, states its licence, or lists the tags of a
catalog."""

from __future__ import annotations

from pathlib import Path

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import say


@click.command()
@click.argument("version", shell_complete=completion.catalogs)
@click.argument("tag", required=False)
@click.option("--note", metavar="TEXT", help="Keep a note on the version, instead of the one before.")
@click.option("--license", metavar="NAME", help="State the licence of the rows that this version brought in.")
@click.option("--move", is_flag=True, help="Give the tag to this version where another one has it.")
@click.option("--delete", metavar="TAG", help="Remove this tag of the catalog.")
@project_option
@store_option
@json_option
def command(
    version: str,
    tag: str | None,
    note: str | None,
    license: str | None,
    move: bool,
    delete: str | None,
    project: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Name a version of a catalog (NAME@TAG reads it), keep a note on it, or state its licence.

    VERSION is NAME@VERSION; a bare NAME is the newest. Without TAG and options it lists the tags. Licences are those
    that the Hub or SPDX lists, such as mit or CC-BY-4.0, or other:NAME; `dqdata publish` follows them.
    """
    catalogs = open_catalogs(project, store)
    if delete is not None:
        catalogs.untag(version, delete)
    if tag is not None:
        catalogs.tag(version, tag, move=move)
    if note is not None:
        catalogs.note(version, note)
    if license is not None:
        catalogs.state_license(version, license)
    tags = catalogs.tags(version)
    if as_json:
        print_json({"tags": tags})
        return
    name = version.partition("@")[0]
    for known, number in tags.items():
        say(f"{name}@{known} is {name}@{number}")
    if not tags and note is None and license is None:
        say(f"{name} has no tags: `dqdata tag {name}@VERSION TAG` makes one")
