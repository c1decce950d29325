"""`dqdata build NAME...`: runs and trains pipelines and trainers with all their dependencies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_project, print_json, progress_out, project_option, usd
from dqdata.cli.lines import say
from dqdata.errors import InputError, RunError

if TYPE_CHECKING:
    from dqdata.api.results import Build
    from dqdata.training.build import Node


@click.command()
@click.argument("names", nargs=-1, required=True, shell_complete=completion.pipelines_and_trainers)
@project_option
@click.option("--dry-run", "--plan", is_flag=True, help="Show what would be made, why, and its cost; make nothing.")
@click.option("--allow-partial", is_flag=True, help="Commit without the rows that failed and another run may save.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes of a pipeline; by default one a core.")
@click.option("--processes", type=click.IntRange(min=1), default=1, show_default=True, help="Ranks of a training.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
def command(
    names: tuple[str, ...],
    project: Path | None,
    dry_run: bool,
    allow_partial: bool,
    workers: int | None,
    processes: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run and train what NAMES depend on, where it is not up to date, then NAMES themselves."""
    loaded = open_project(project)
    if dry_run:
        planned = loaded.plan_build(*names, processes=processes)
        if as_json:
            print_json(planned.plan_as_json())
        else:
            for node in planned:
                _tell(node)
            say(_cost(planned))
        return

    made = 0
    at_work = ""

    def begin(node: Node) -> None:
        nonlocal at_work
        at_work = node.name
        if not quiet:
            click.echo(f"{node.name}: {node.why}", err=True)

    def report(node: Node) -> None:
        nonlocal made
        made += 1
        if not as_json:
            _tell(node)

    try:
        done = loaded.build(
            *names,
            report=report,
            begin=begin,
            allow_partial=allow_partial,
            workers=workers,
            processes=processes,
            out=progress_out(quiet),
        )
    except (RunError, InputError):
        if at_work:
            again = loaded.tables.command("build", *names)
            click.echo(f"{at_work} failed, {made} are made; once it is fixed, `{again}` goes on from there", err=True)
        raise
    if as_json:
        print_json(done.as_json())
    else:
        say(f"{done.built} built, {len(done.nodes) - done.built} up to date, in {done.seconds:.1f} s")


def _cost(planned: Build) -> str:
    """What all calls of a build cost, as far as it is known."""
    line = f"{planned.calls:,.0f} calls: expected {usd(planned.cost_usd)}, at most {usd(planned.most_usd)}"
    return line + (f"; unknown: the rows of {', '.join(planned.unknown)}" if planned.unknown else "")


def _tell(node: Node) -> None:
    """One line: name, state, rows or accuracy, seconds and reason."""
    held = f"{node.rows:,} rows" if node.rows is not None else ""
    if node.calls:
        held = usd(node.cost_usd)
    if node.accuracy is not None:
        held = f"{node.accuracy:.1%} correct"
    if node.built:
        state = f"built, {node.seconds:.1f} s: {node.why}"
    else:
        state = node.why if node.made else f"to build: {node.why}"
    say(f"{node.name:20} {node.made or '-':28} {held:>14}   {state}")
