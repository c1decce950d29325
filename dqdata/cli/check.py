"""`dqdata check`: everything that can be found wrong before a call is made or a row is read."""

from __future__ import annotations

from pathlib import Path

import click

from dqdata.cli.common import json_option, open_project, print_json, project_option, store_view


@click.command()
@click.argument("names", nargs=-1)
@project_option
@json_option
def command(names: tuple[str, ...], project: Path | None, as_json: bool) -> None:
    """Check pipelines and trainers: keys, operators, teachers, columns, types, environment, cycles."""
    from dqdata.check import check_project

    loaded = open_project(project)
    with store_view(loaded) as store:
        problems, planned = check_project(loaded, store, names)
    if as_json:
        print_json({"ok": not problems, "checked": planned, "problems": problems})
    else:
        for problem in problems:
            click.echo(f"error: {problem}", err=True)
        if not problems:
            click.echo(f"{loaded.path.name}: {', '.join(planned) or 'nothing'} in order")
    if problems:
        raise click.exceptions.Exit(2)
