"""`dqdata plan NAME`: what a run would do, and what it would cost. Makes no call and reads no rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dqdata.cli.common import json_option, open_project, print_json, project_option, store_view

if TYPE_CHECKING:
    from dqdata.operator import CallEstimate
    from dqdata.project.plan import Plan
    from dqdata.project.tables import Project
    from dqdata.teacher import Price


@click.command()
@click.argument("name")
@project_option
@click.option("--limit", type=click.IntRange(min=1), help="Plan a run over the first rows of the source.")
@json_option
def command(name: str, project: Path | None, limit: int | None, as_json: bool) -> None:
    """Show columns, segments, what is cached, calls and cost of a pipeline."""
    from dqdata.project.check import plan_ahead

    loaded = open_project(project)
    if limit is not None:
        loaded = loaded.limited(name, limit)
    with store_view(loaded) as store:
        report = _report(plan_ahead(loaded, name, store), loaded)
    if as_json:
        print_json(report)
        return
    click.echo(f"{name} -> {report['into']}   source: {report['source']}, {_count(report['rows'])} rows")
    if report["made"]:
        click.echo(f"made already: {report['made']}; a run returns it")
    click.echo(f"columns: {', '.join(report['columns'])}")
    for segment in report["segments"]:
        done = f", {segment['chunks_done']} chunks done" if segment["chunks_done"] else ""
        click.echo(f"segment {segment['number']}{done}")
        for step in segment["steps"]:
            click.echo(f"  {step['id']:16} {_count(step['rows']):>10} rows   {_changes(step)}")
    for teacher in report["teachers"]:
        waits = ", not trained yet" if teacher["untrained"] else ""
        click.echo(
            f"teacher {teacher['name']} ({teacher['model']}{waits}): {_count(teacher['calls'])} calls, "
            f"{_count(teacher['input_tokens'])} tokens in, {_count(teacher['output_tokens'])} out, "
            f"{_usd(teacher['cost_usd'])}"
        )
    if report["teachers"]:
        click.echo(f"at most {_usd(report['cost_usd'])}; calls in the ledger are not paid again")


def _report(plan: Plan, project: Project) -> dict[str, Any]:
    from dqdata.engine.chunks import Folder

    work = project.store_path / "work"
    calls = plan.calls()
    teachers = [
        {
            "name": name,
            "model": teacher.model,
            "untrained": teacher.trained is not None and teacher.trained.kind == "untrained",
            "calls": calls[name].calls if name in calls else None,
            "input_tokens": calls[name].input_tokens if name in calls else None,
            "output_tokens": calls[name].output_tokens if name in calls else None,
            "cost_usd": _cost(teacher.limits(project.teachers[name].limits).price, calls.get(name)),
        }
        for name, teacher in plan.teachers.items()
    ]
    costs = [teacher["cost_usd"] for teacher in teachers]
    return {
        "pipeline": plan.pipeline.name,
        "into": plan.pipeline.into,
        "source": plan.pipeline.source.kind,
        "fingerprint": plan.fingerprint,
        "made": f"{plan.made[0]}@{plan.made[1]}" if plan.made else None,
        "rows": plan.rows,
        "columns": dict(plan.columns),
        "segments": [
            {
                "number": number,
                "chunks_done": len(Folder(work / plan.pipeline.into / segment.fingerprint).rows()),
                "steps": [
                    {
                        "id": step.spec.id,
                        "op": step.spec.op,
                        "params": step.operator.params.model_dump(mode="json"),
                        "rows": step.estimate.rows if step.estimate else None,
                        "added": [name for name in step.after if name not in step.before],
                        "removed": [name for name in step.before if name not in step.after],
                        "columns": dict(step.after),
                        "fingerprint": step.fingerprint,
                    }
                    for step in segment.steps
                ],
            }
            for number, segment in enumerate(plan.segments, 1)
        ],
        "teachers": teachers,
        "cost_usd": None if None in costs else sum(costs),
    }


def _cost(price: Price | None, calls: CallEstimate | None) -> float | None:
    """USD at most; None where the price or the number of calls is unknown."""
    from dqdata.teacher import Price, Usage

    if price is None or calls is None:
        return 0.0 if price == Price() else None
    return price.cost(Usage(round(calls.input_tokens), round(calls.output_tokens)))


def _usd(cost: float | None) -> str:
    return "cost unknown" if cost is None else f"${cost:,.2f}"


def _count(number: float | None) -> str:
    return "?" if number is None else f"{number:,.0f}"


def _changes(step: dict[str, Any]) -> str:
    return " ".join([*(f"+{name}" for name in step["added"]), *(f"-{name}" for name in step["removed"])])
