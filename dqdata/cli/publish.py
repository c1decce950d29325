"""`dqdata publish NAME@VERSION TARGET`: a version as a data set with its card and licence, in a folder or on the Hub.

$ dqdata publish traces@3 traces_public
$ dqdata publish traces@3 hf:acme/traces --license cc-by-4.0
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import say


@click.command()
@click.argument("version", metavar="NAME@VERSION", shell_complete=completion.catalogs)
@click.argument("target", metavar="FOLDER|hf:OWNER/NAME")
@click.option("--license", metavar="NAME", help="Licence of the whole; by default what those of its sources allow.")
@click.option("--accept-licenses", is_flag=True, help="Publish although a licence is missing or two are in conflict.")
@click.option("--title", default="", help="Title of the card; by default the catalog's name.")
@click.option("--private", is_flag=True, help="Make a repository that is new a private one.")
@project_option
@store_option
@json_option
def command(
    version: str,
    target: str,
    license: str | None,
    accept_licenses: bool,
    title: str,
    private: bool,
    project: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Publish a version as a data set: a new FOLDER, or hf:OWNER/NAME on the Hub.

    Parquet files by split, a card from the recipes (sources and licences, teachers, prompts, rejects, limits, cost) and
    Croissant metadata. Licences of the sources are followed; a conflict and rows with keys are refused.
    """
    made = open_catalogs(project, store).publish(
        version, target, license=license, accept_licenses=accept_licenses, title=title, private=private
    )
    if as_json:
        print_json(made.as_json())
        return
    for split, count in made.rows.items():
        say(f"{split}: {count:,} rows")
    say(f"licence {', '.join(made.licenses) or 'unknown'}")
    for text in (*(f"warning: {one}" for one in made.warnings), *made.notes):
        say(textwrap.fill(text, 78, initial_indent="  ", subsequent_indent="  "))
    say(f"{made.url} at {made.commit[:12]}" if made.url else f"{made.folder}: {', '.join(made.files)}")
