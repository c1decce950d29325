"""`dqdata check`: every error that can be found before a call is made or a row is read."""

from __future__ import annotations

from pathlib import Path

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_project, print_json, project_option
from dqdata.cli.failures import print_error, warning
from dqdata.cli.lines import say


@click.command()
@click.argument("names", nargs=-1, shell_complete=completion.pipelines_and_trainers)
@click.option("--leaks", is_flag=True, help="Read the trainers' data too, and list problems on both sides of a line.")
@project_option
@json_option
def command(names: tuple[str, ...], leaks: bool, project: Path | None, as_json: bool) -> None:
    """Check pipelines and trainers: keys, operators, teachers, columns, types, environment, cycles.

    Exit code 1 where something is wrong, leaks among it; 2 where nothing can be checked: no such file, no TOML, no such
    name.
    """
    from dqdata.api.results import Check
    from dqdata.errors import ProjectErrors
    from dqdata.project.paths import ALLOWED

    try:
        loaded = open_project(project)
        found, place = loaded.check(names, leaks=leaks), loaded.path.name
    except ProjectErrors as error:
        found, place = Check.of(error), error.where
    if as_json:
        print_json(found.as_json())
    else:
        for side in found.leaks.unchecked if found.leaks is not None else ():
            print_error(warning("unchecked-leaks", f"not checked for leaks: {side}"))
        for path in found.warnings:
            print_error(warning("outside-path", f"{path}; is that meant? {ALLOWED} names folders that are"))
        for problem in found.problems:
            print_error(f"error[{problem.code}]: {problem}")
        if not found.ok:
            click.echo(
                "`dqdata explain CODE` describes a code, `dqdata doctor` shows what this machine lacks", err=True
            )
        else:
            say(f"{place}: {', '.join(found.checked) or 'nothing'} in order")
    if not found.ok:
        raise click.exceptions.Exit(1)
