"""`dqdata audit NAME@VERSION`: what the steps of a version did to its rows, and how it is judged."""

from __future__ import annotations

from pathlib import Path

import click

from dqdata.cli import completion
from dqdata.cli.common import (
    Finite,
    json_option,
    open_project,
    print_json,
    progress_out,
    project_option,
    usd,
)
from dqdata.cli.lines import say


@click.command()
@click.argument("version", shell_complete=completion.catalogs)
@project_option
@click.option("--judge", help="Teacher to probe for length and position bias.")
@click.option(
    "--probes",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Rows that are probed, three calls each.",
)
@click.option("--plan", "planned", is_flag=True, help="Show what the probes would call and cost; run nothing.")
@click.option("--budget-usd", type=Finite(min=0, min_open=True), help="Of the probes.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
def command(
    version: str,
    project: Path | None,
    judge: str | None,
    probes: int,
    planned: bool,
    budget_usd: float | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Report changed answers, drift of length, language and difficulty by step, style, agreement and bias.

    VERSION is NAME, NAME@3 or NAME@TAG. Findings become rows of dq_checks (source = 'audit')."""
    from dqdata.reports.audit import as_lines

    if judge is None and (planned or budget_usd is not None):
        raise click.UsageError("--plan and --budget-usd are for the probes of a --judge: the rest makes no call")
    loaded = open_project(project)
    if planned:
        plan = loaded.plan_probes(version, str(judge), rows=probes)
        if as_json:
            print_json(plan.as_json())
        else:
            calls = sum(one.calls for one in plan.teachers)
            say(f"{calls:,.0f} calls, expected {usd(plan.cost_usd, 4)}, at most {usd(plan.most_usd, 4)}")
        return
    name, found = loaded.audit(version, judge=judge, probes=probes, budget_usd=budget_usd, out=progress_out(quiet))
    if as_json:
        print_json({"version": name, "findings": [one.as_json() for one in found]})
        return
    say(f"{name}: {len(found)} findings, {sum(not one.passed for one in found)} out of bounds (!)")
    say("\n".join(as_lines(found)))
