"""`dqdata run NAME`: executes a pipeline and commits a version of its catalog."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli import completion
from dqdata.cli.common import Finite, json_option, open_project, print_json, progress_out, project_option, usd
from dqdata.cli.failures import print_error, warning
from dqdata.cli.lines import say, say_command
from dqdata.cli.pilots import projected

if TYPE_CHECKING:
    from dqdata.api.project import Project
    from dqdata.engine.result import RunResult
    from dqdata.project.tables import EngineKind


@click.command()
@click.argument("name", shell_complete=completion.pipelines)
@project_option
@click.option("--allow-partial", is_flag=True, help="Commit without the rows that failed and another run may save.")
@click.option("--budget-usd", type=Finite(min=0, min_open=True), help="Instead of the pipeline's budget.")
@click.option("--retry-failed", is_flag=True, help="Process the failed rows of the last version; commit a new one.")
@click.option("--force", is_flag=True, help="Make a new version although this recipe has made one.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first rows of the source, into NAME__first_LIMIT.")
@click.option("--pilot", type=click.IntRange(min=1), help="As --limit, and state yield, cost and time for all rows.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes; by default one a core.")
@click.option("--engine", type=click.Choice(["local", "inline", "spawn", "ray"]), help="Instead of [engine] kind.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
def command(
    name: str,
    project: Path | None,
    allow_partial: bool,
    budget_usd: float | None,
    retry_failed: bool,
    force: bool,
    limit: int | None,
    pilot: int | None,
    workers: int | None,
    engine: EngineKind | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run a pipeline; a stopped or killed run goes on where it was."""
    if pilot is not None:
        if limit is not None or force or retry_failed or allow_partial:
            raise click.UsageError(
                "--pilot N runs over N rows by itself: not with --limit, --force, --retry-failed or --allow-partial"
            )
        loaded = open_project(project)
        found = loaded.pilot(
            name, pilot, workers=workers, budget_usd=budget_usd, engine=engine, out=progress_out(quiet)
        )
        if as_json:
            print_json(found.as_json())
        else:
            _print(found.run, loaded)
            say(projected(name, found))
        return
    loaded = open_project(project)
    result = loaded.run(
        name,
        allow_partial=allow_partial,
        workers=workers,
        out=progress_out(quiet),
        budget_usd=budget_usd,
        retry_failed=retry_failed,
        force=force,
        limit=limit,
        engine=engine,
    )
    if as_json:
        print_json(result.as_json())
    else:
        _print(result, loaded)
    if not result.rows_out:
        print_error(warning("no-rows", _none_kept(result, loaded)))


def _print(result: RunResult, loaded: Project) -> None:
    say(_summary(result))
    if not result.unchanged:
        query = f"select * from {result.catalog}@{result.version} limit 5"
        say_command("  look     ", loaded.tables.command("sql", query))


def _none_kept(result: RunResult, loaded: Project) -> str:
    """Why a version has no rows, and where those that came in are."""
    name = f"{result.catalog}@{result.version}"
    if not result.rows_in:
        return f"{name} has no rows: its source has none"
    reasons = {**result.dropped, **result.failed}
    counted = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
    return (
        f"{name} has no rows: none of {result.rows_in:,} was kept ({counted or 'see its rejects'}); "
        f"{loaded.tables.command('show', name, '--rejects')} shows them"
    )


def _summary(result: RunResult) -> str:
    name = f"{result.catalog}@{result.version}"
    checks = _checked(result)
    if result.unchanged:
        lines = [f"{name} is what this recipe makes already: {result.rows_out:,} rows, nothing ran"]
        if result.failed:
            failed = ", ".join(f"{count:,} {reason}" for reason, count in result.failed.items())
            lines.append(f"  failed   {failed}; --retry-failed processes these rows again")
        return "\n".join([*lines, *checks])
    lines = [f"{name}: {result.rows_out:,} rows from {result.rows_in:,} in {result.seconds:.1f} s"]
    lines += _appended(result)
    for kind, counts in (("dropped", result.dropped), ("failed", result.failed)):
        if counts:
            lines.append(f"  {kind:8} " + ", ".join(f"{count:,} {reason}" for reason, count in counts.items()))
    if result.errors:
        lines.append("  verdicts " + ", ".join(f"{count:,} {reason}" for reason, count in result.errors.items()))
    if result.target_rows is not None:
        why = {"target": "reached", "source": "the source has no more rows", "budget": "the budget ended"}
        lines.append(
            f"  target   {result.rows_out:,} of {result.target_rows:,} rows from the first {result.rows_in:,} of the "
            f"source: {why[result.ended_by]}"
        )
    lines += checks
    if sum(result.calls.values()):
        lines.append(
            f"  calls    {result.calls['made']:,} made, {result.calls['cached']:,} from the ledger, "
            f"{result.calls['failed']:,} failed; {result.tokens['input']:,} tokens in, "
            f"{result.tokens['output']:,} out, {usd(result.cost_usd, 4)}"
        )
        lines += _a_row(result) + _all_attempts(result)
    lines += [
        f"  price    [teachers.{name}] has no `price`, so what its calls cost is unknown" for name in result.unpriced
    ]
    return "\n".join(lines)


def _checked(result: RunResult) -> list[str]:
    if not result.checks:
        return []
    good = sum(one.passed for one in result.checks)
    return [f"  checks   {good:,} of {len(result.checks):,} passed"] + [
        f"  warning  {one.text}" for one in result.checks if not one.passed
    ]


def _appended(result: RunResult) -> list[str]:
    """What a run in append mode took over, and why it did not take over more."""
    if result.append is None:
        return []
    since, changed = result.append["since"], result.append["changed"]
    lines = []
    for steps, taken in result.append["taken"].items():
        processed = result.append["processed"][steps]
        taken_over = f"{taken:,} rows as in {since or 'the last run'}, " if taken else ""
        lines.append(f"  append   {taken_over}{processed:,} rows through {steps}")
    if changed:
        lines.append(f"  append   not taken over: {changed}{f' since {since}' if since else ''}")
    return lines


def _all_attempts(result: RunResult) -> list[str]:
    """What a kept and a verified row cost, with all that was paid for rows that were not kept."""
    if result.paid_usd is None or not result.paid_usd or not result.rows_out:
        return []
    kept = usd(result.paid_usd / result.rows_out, 6)
    line = f"  paid     {usd(result.paid_usd, 4)} over all attempts: {kept} a kept row"
    if result.verified:
        line += f", {usd(result.paid_usd / result.verified, 6)} a verified one"
    return [line]


def _a_row(result: RunResult) -> list[str]:
    """What a row that came in took; tokens as the calls that were made took them."""
    answered = result.calls["made"] + result.calls["cached"]
    if not answered or not result.rows_in:
        return []
    a_row = answered / result.rows_in
    line = f"  a row    {a_row:.2f} calls ({1 / a_row:.2f} rows a call)"
    if made := result.calls["made"]:
        used, written = (result.tokens[kind] / made * a_row for kind in ("input", "output"))
        cost = None if result.cost_usd is None else result.cost_usd / made * a_row
        line += f", {used:,.0f} tokens in, {written:,.0f} out, {usd(cost, 6)}"
    return [line]
