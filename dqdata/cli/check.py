"""`dqdata check`: every error that can be found before a call is made or a row is read."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from dqdata.cli.common import json_option, open_project, print_json, project_option, store_view


@click.command()
@click.argument("names", nargs=-1)
@click.option("--leaks", is_flag=True, help="Read the trainers' data too, and list problems on both sides of a line.")
@project_option
@json_option
def command(names: tuple[str, ...], leaks: bool, project: Path | None, as_json: bool) -> None:
    """Check pipelines and trainers: keys, operators, teachers, columns, types, environment, cycles."""
    from dqdata.catalog import Store
    from dqdata.project.check import check_project
    from dqdata.project.paths import ALLOWED, outside_paths
    from dqdata.training.plan import check_trainer

    loaded = open_project(project)
    warnings = outside_paths(loaded.path)
    with store_view(loaded) as store:
        problems, planned = check_project(
            loaded, store, names, partial(check_trainer, loaded, store if isinstance(store, Store) else None)
        )
        found = None
        if leaks:
            from dqdata.training.leaks import find_leaks

            found = find_leaks(loaded, store)
            problems = [*problems, *map(str, found.leaks)]
    if as_json:
        result = {"ok": not problems, "checked": planned, "problems": problems, "warnings": warnings}
        if found is not None:
            result |= {
                "leaks": [asdict(leak) for leak in found.leaks],
                "leaks_checked": found.checked,
                "leaks_unchecked": found.unchecked,
            }
        print_json(result)
    else:
        for side in found.unchecked if found is not None else ():
            click.echo(f"not checked for leaks: {side}", err=True)
        for warning in warnings:
            click.echo(f"warning: {warning}; is that meant? {ALLOWED} names folders that are", err=True)
        for problem in problems:
            click.echo(f"error: {problem}", err=True)
        if not problems:
            click.echo(f"{loaded.path.name}: {', '.join(planned) or 'nothing'} in order")
    if problems:
        raise click.exceptions.Exit(2)
