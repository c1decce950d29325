"""`dqdata drop NAME@VERSION...`: makes versions unreadable; `dqdata restore` brings them back until `dqdata gc`."""

from __future__ import annotations

from pathlib import Path

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import say, say_command


@click.command()
@click.argument("versions", nargs=-1, required=True, shell_complete=completion.catalogs)
@project_option
@store_option
@json_option
def command(versions: tuple[str, ...], project: Path | None, store: Path | None, as_json: bool) -> None:
    """Make versions unreadable; `dqdata restore` brings them back until `dqdata gc` removes their files.

    Each is NAME@VERSION, and versions with a tag are refused.
    """
    dropped = open_catalogs(project, store).drop(*versions)
    if as_json:
        print_json({"dropped": dropped})
        return
    say(f"dropped {', '.join(dropped)}")
    say_command("back:  ", f"dqdata restore {' '.join(dropped)}")
    say_command("space: ", "dqdata gc --dry-run")
