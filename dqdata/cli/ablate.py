"""`dqdata ablate EXPERIMENT`: the arms of an experiment, compared at equal tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli.common import json_option, open_project, print_json, progress_out, project_option, usd
from dqdata.cli.lines import say
from dqdata.errors import InputError

if TYPE_CHECKING:
    from dqdata.experiments.ablate import AblationPlan
    from dqdata.experiments.comparison import Ablation, ArmResult


@click.command()
@click.argument("experiment")
@project_option
@click.option("--plan", "planned", is_flag=True, help="Show arms, calls and cost; run nothing.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for report.md, results.json and accuracy.svg.",
)
@click.option("--workers", type=click.IntRange(min=1), help="CPU workers; by default one a core.")
@click.option("--processes", type=click.IntRange(min=1), default=1, show_default=True, help="Ranks of a training.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
def command(
    experiment: str,
    project: Path | None,
    planned: bool,
    output: Path | None,
    workers: int | None,
    processes: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run the arms of [experiments.NAME], train and evaluate them at equal tokens, and compare them.

    A stopped or killed experiment goes on where it was; what arms share is run once."""
    loaded = open_project(project)
    if planned:
        plan = loaded.plan_ablation(experiment)
        if as_json:
            print_json(plan.as_json())
        else:
            say("\n".join(_planned(plan)))
        return
    if output is not None and output.exists() and not output.is_dir():
        raise InputError(f"{output} is no folder", code="file-exists")
    said = None if quiet else (lambda line: click.echo(line, err=True))
    found = loaded.ablate(experiment, workers=workers, processes=processes, out=progress_out(quiet), report=said)
    if output is not None:
        _write(found, output)
    if as_json:
        print_json(found.as_json())
    else:
        say("\n".join(_plain(found)))


def _planned(plan: AblationPlan) -> Iterator[str]:
    yield f"{plan.experiment}: {len(plan.arms)} arms, {plan.trainings} trainings, measured on {plan.evaluation}"
    for arm in plan.arms:
        yield f"  {arm.name}: {arm.changes}"
        if arm.calls is None or arm.own_calls is None:
            yield "      nobody knows its rows before they are read"
            continue
        shared = arm.calls - arm.own_calls
        yield (
            f"      {arm.rows or 0:,.0f} rows, {arm.own_calls:,.0f} calls of its own, {shared:,.0f} shared with arms "
            f"above, {usd(arm.own_usd)}"
        )
    yield f"expected {usd(plan.cost_usd)} for all, before the ledger answers"


def _plain(found: Ablation) -> Iterator[str]:
    seeds = len(found.seeds)
    yield (
        f"{found.experiment}: {found.questions:,} questions, {seeds} seed{'s' if seeds > 1 else ''}, at most "
        f"{found.tokens:,} tokens an arm (95% intervals)"
    )
    width = max(len(arm.name) for arm in found.arms)
    for arm in found.arms:
        p = "" if arm.p_adjusted is None else f"  {arm.difference:+.1%}  p = {arm.p_adjusted:.3g}"
        yield f"  {arm.name:{width}}  {arm.accuracy:6.1%}  [{arm.low:.1%}, {arm.high:.1%}]{p}"
        yield f"  {'':{width}}  {arm.rows:,} rows of {arm.problems:,} problems, {_tokens(arm)}"
        yield f"  {'':{width}}  {arm.calls:,} calls, {usd(arm.paid_usd, 4)}"
    yield _equality(found)
    yield f"p: against {found.baseline}, paired by question, corrected for {len(found.arms) - 1} tests (Holm)"


def _tokens(arm: ArmResult) -> str:
    trained = "" if arm.trained_tokens is None else f", {arm.trained_tokens:,} in training"
    return f"{arm.tokens:,} tokens{trained}"


def _equality(found: Ablation) -> str:
    """Whether the trainings had equal tokens, by their logs."""
    if found.equal is None:
        return "the trainings log no tokens: whether the arms had equal ones is not known"
    if found.equal:
        return f"tokens by the training logs: equal to within a step an epoch ({found.step_tokens:,} tokens)"
    return (
        f"NOT at equal tokens: the training logs differ by more than a step an epoch ({found.step_tokens:,} tokens). "
        "max_steps ends trainings before their rows do; give `tokens` in its place"
    )


def _markdown(found: Ablation) -> Iterator[str]:
    yield f"# {found.experiment}\n"
    yield (
        f"{found.questions:,} questions of {found.evaluation}, {found.samples} samples each, seeds "
        f"{', '.join(map(str, found.seeds))}; every arm learns from at most {found.tokens:,} tokens "
        f"({found.counted_by}); {_equality(found)}.\n"
    )
    heads = (
        "arm change accuracy 95%_interval by_seed difference p p_(Holm) rows problems tokens trained calls paid".split()
    )
    yield f"| {' | '.join(head.replace('_', ' ') for head in heads)} |"
    yield "|---|---|---:|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for arm in found.arms:
        seeds = ", ".join(f"{one:.1%}" for one in arm.by_seed)
        tests = [
            "" if value is None else f"{value:{style}}"
            for value, style in ((arm.difference, "+.1%"), (arm.p_value, ".3g"), (arm.p_adjusted, ".3g"))
        ]
        cells = (
            *(arm.name, arm.changes.replace("|", "\\|"), f"{arm.accuracy:.1%}", f"{arm.low:.1%} to {arm.high:.1%}"),
            *(seeds, *tests, f"{arm.rows:,}", f"{arm.problems:,}", f"{arm.tokens:,}"),
            "" if arm.trained_tokens is None else f"{arm.trained_tokens:,}",
            f"{arm.calls:,}",
            usd(arm.paid_usd, 4),
        )
        yield f"| {' | '.join(cells)} |"
    yield (
        f"\np: that the arm and {found.baseline} are equally good, by a sign-flip test paired by question over all "
        f"seeds and samples; Holm's correction is for {len(found.arms) - 1} tests. Calls that arms share are paid by "
        f"the first of them. Answers: {found.answers}.\n\n![accuracy](accuracy.svg)"
    )


def _write(found: Ablation, folder: Path) -> None:
    from dqdata.reports.svg import Bar, intervals

    folder.mkdir(parents=True, exist_ok=True)
    bars = [Bar(arm.name, arm.accuracy, arm.low, arm.high) for arm in found.arms]
    (folder / "accuracy.svg").write_text(intervals(found.experiment, bars), encoding="utf-8")
    (folder / "report.md").write_text("\n".join(_markdown(found)) + "\n", encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(found.as_json(), indent=1) + "\n", encoding="utf-8")
