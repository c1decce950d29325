"""`dqdata plan NAME`: what a run would do, and what it would cost. Makes no call and reads no rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_project, print_json, project_option

if TYPE_CHECKING:
    from dqdata.api.plans import StepReport


@click.command()
@click.argument("name", shell_complete=completion.pipelines)
@project_option
@click.option("--limit", type=click.IntRange(min=1), help="Plan a run over the first rows of the source.")
@json_option
def command(name: str, project: Path | None, limit: int | None, as_json: bool) -> None:
    """Show columns, segments, what is cached, calls and cost of a pipeline."""
    report = open_project(project).plan(name, limit=limit)
    if as_json:
        print_json(report.as_json())
        return
    click.echo(f"{name} -> {report.into}   source: {report.source}, {_count(report.rows)} rows")
    if report.made:
        click.echo(f"made already: {report.made}; a run returns it")
    click.echo(f"columns: {', '.join(report.columns)}")
    for segment in report.segments:
        done = f", {segment.chunks_done} chunks done" if segment.chunks_done else ""
        click.echo(f"segment {segment.number}{done}")
        for step in segment.steps:
            click.echo(f"  {step.id:16} {_count(step.rows):>10} rows   {_changes(step)}")
    for teacher in report.teachers:
        waits = ", not trained yet" if teacher.untrained else ""
        click.echo(
            f"teacher {teacher.name} ({teacher.model}{waits}): {_count(teacher.calls)} calls, "
            f"{_count(teacher.input_tokens)} tokens in, {_count(teacher.output_tokens)} out, "
            f"{_usd(teacher.cost_usd)}"
        )
    if report.teachers:
        click.echo(f"at most {_usd(report.cost_usd)}; calls in the ledger are not paid again")


def _usd(cost: float | None) -> str:
    return "cost unknown" if cost is None else f"${cost:,.2f}"


def _count(number: float | None) -> str:
    return "?" if number is None else f"{number:,.0f}"


def _changes(step: StepReport) -> str:
    return " ".join([*(f"+{name}" for name in step.added), *(f"-{name}" for name in step.removed)])
