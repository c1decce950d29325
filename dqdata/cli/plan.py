"""`dqdata plan NAME...`: what runs would do, and what they would cost. Makes no call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli import completion
from dqdata.cli.common import Finite, json_option, open_project, print_json, project_option, usd
from dqdata.cli.lines import say

if TYPE_CHECKING:
    from dqdata.api.plans import PlanReport, StepReport, TeacherReport


@click.command()
@click.argument("names", nargs=-1, required=True, shell_complete=completion.pipelines)
@project_option
@click.option("--limit", type=click.IntRange(min=1), help="Plan a run over the first rows of the source.")
@click.option("--budget-usd", type=Finite(min=0, min_open=True), help="Instead of the pipeline's budget.")
@click.option("--retry-failed", is_flag=True, help="Plan a run over the failed rows of the last version.")
@json_option
def command(
    names: tuple[str, ...],
    project: Path | None,
    limit: int | None,
    budget_usd: float | None,
    retry_failed: bool,
    as_json: bool,
) -> None:
    """Show columns, segments, calls and cost of pipelines: expected, at most, and what the ledger has."""
    loaded = open_project(project)
    reports = [
        loaded.plan(name, limit=limit, budget_usd=budget_usd, retry_failed=retry_failed)
        for name in dict.fromkeys(names)
    ]
    if as_json:
        plans = [report.as_json() for report in reports]
        print_json(plans[0] if len(plans) == 1 else {"plans": plans, **_total(reports)})
        return
    for report in reports:
        _show(report)
    if len(reports) > 1:
        total = _total(reports)
        say(f"all {len(reports)}: expected {usd(total['cost_usd'])}, at most {usd(total['most_usd'])}")


def _total(reports: Sequence[PlanReport]) -> dict[str, float | None]:
    costs = {name: [getattr(report, name) for report in reports] for name in ("cost_usd", "most_usd")}
    return {name: None if None in each else sum(each) for name, each in costs.items()}


def _show(report: PlanReport) -> None:
    say(f"{report.pipeline} -> {report.into}   source: {report.source}, {_count(report.rows)} rows")
    if report.made:
        say(f"made already: {report.made}; a run returns it")
    if report.target_from is not None:
        say(
            f"target_rows = {report.target_rows:,}: expected from the first {report.target_from:,} rows of the source; "
            "at worst, all of them"
        )
    if report.new_rows is not None:
        say(f"append: {_count(report.new_rows)} rows are new since the last run; calls and costs are of these")
    say(f"columns: {', '.join(report.columns)}")
    for segment in report.segments:
        done = f", {segment.chunks_done} chunks done" if segment.chunks_done else ""
        say(f"segment {segment.number}{done}")
        for step in segment.steps:
            say(f"  {step.id:16} {_count(step.rows):>10} rows   {_changes(step)}")
    if not report.teachers:
        return
    if report.per_rows:
        say(f"nobody knows the rows before they are read; for each {report.per_rows:,} of them:")
    for teacher in report.teachers:
        _show_teacher(teacher, made=report.made is not None)
    rows = report.rows if report.new_rows is None else report.new_rows
    if report.sampled is not None and rows is not None and report.sampled < rows:
        say(f"the ledger was looked up for {report.sampled:,} of {rows:,.0f} rows, evenly spread")
    if report.ended:
        say(f"calls of {report.ended} and of later steps are all taken to be new")
    say(_cost(report))


def _show_teacher(teacher: TeacherReport, *, made: bool) -> None:
    say(f"teacher {teacher.name} ({teacher.model}{', not trained yet' if teacher.untrained else ''})")
    if teacher.answered:
        say(f"  in the ledger {_count(teacher.answered):>10} calls, which are not paid again")
    for label, one in (("new, expected", teacher), ("new, at most", teacher.most)):
        written = "unbounded" if one.output_tokens is None else _count(one.output_tokens)
        tokens = f", {_count(one.input_tokens)} tokens in, {written} out, {usd(one.cost_usd)}" if one.calls else ""
        say(f"  {label:13} {_count(one.calls):>10} calls{tokens}")
    if teacher.calls and not made:
        by = f"{teacher.measured:,} answers in the ledger" if teacher.measured else "the operator's guess"
        say(f"  {_count(teacher.output_tokens / teacher.calls)} tokens an answer: {by}")


def _cost(report: PlanReport) -> str:
    """Expected, worst case and budget in one line."""
    line = f"expected {usd(report.cost_usd)}, at most {usd(report.most_usd)}"
    if report.budget_usd is not None:
        line += f", budget {usd(report.budget_usd)}"
        if report.cost_usd is not None and report.cost_usd > report.budget_usd:
            line += ": it ends the run early"
    if report.budget_tokens is not None:
        line += f", budget {report.budget_tokens:,} tokens"
    return line


def _count(number: float | None) -> str:
    return "?" if number is None else f"{number:,.0f}"


def _changes(step: StepReport) -> str:
    return " ".join([*(f"+{name}" for name in step.added), *(f"-{name}" for name in step.removed)])
