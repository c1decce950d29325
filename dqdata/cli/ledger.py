"""`dqdata ledger`: the record of every teacher call. How big, is it sound, take out, bring in.

$ dqdata ledger size
$ dqdata ledger merge ../colleague/catalogs/ledger.sqlite
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.help import WholeHelp
from dqdata.cli.lines import say

if TYPE_CHECKING:
    from dqdata.api.ledger import CallLedger

file_option = click.option(
    "--file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="A ledger file, or the postgres:... of one; by default the store's own.",
)


@click.group(cls=WholeHelp)
def command() -> None:
    """Look after the record of all teacher calls.

    An answer in it is never paid for twice. SQL reads it as ledger.calls, ledger.failures and ledger.requests.
    """


@command.command()
@file_option
@project_option
@store_option
@json_option
def size(file: str | None, project: Path | None, store: Path | None, as_json: bool) -> None:
    """How many calls, of which models, tokens and cost."""
    ledger = _ledger(file, project, store)
    found, path = ledger.size(), ledger.place
    names = ("provider", "model", "revision", "calls", "input_tokens", "output_tokens", "cost_usd")
    if as_json:
        print_json(
            {**asdict(found), "file": str(path), "models": [dict(zip(names, row, strict=True)) for row in found.models]}
        )
        return
    say(
        f"{path}: {found.bytes / 1e6:,.1f} MB, {found.calls:,} calls of {found.requests:,} requests, "
        f"{found.failures:,} failed attempts"
    )
    for provider, model, revision, calls, used, made, cost in found.models:
        name = f"{provider} {model}" + (f" ({revision})" if revision else "")
        say(f"  {name:<50} {calls:>10,} calls {used:>14,} + {made:,} tokens  {cost:,.4f} USD")


@command.command()
@click.option("--older-than", metavar="AGE", help="An age (12h, 30d, 6w) or a date (2026-01-31).")
@click.option("--run", "run_id", help="Only what this run asked first.")
@click.option("--dry-run", is_flag=True, help="Count, and forget nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@file_option
@project_option
@store_option
@json_option
def prune(
    older_than: str | None,
    run_id: str | None,
    dry_run: bool,
    yes: bool,
    file: str | None,
    project: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Forget calls by age or run. Asking them again costs again."""
    if older_than is None and run_id is None:
        raise click.UsageError("prune what? give --older-than or --run")
    ledger = _ledger(file, project, store)
    found = ledger.prune(older_than=older_than, run_id=run_id, dry_run=True)
    if not dry_run and (found.calls or found.failures):
        if not yes:
            click.confirm(
                f"Forget {found.calls:,} answers and {found.failures:,} failures for good?", abort=True, err=True
            )
        found = ledger.prune(older_than=older_than, run_id=run_id)
    if as_json:
        print_json({**asdict(found), "dry_run": dry_run})
    else:
        would = "would forget" if dry_run else "forgot"
        freed = "" if dry_run else f"; {found.freed_bytes / 1e6:,.1f} MB are free"
        say(f"{would} {found.calls:,} answers and {found.failures:,} failures{freed}")


@command.command()
@file_option
@project_option
@store_option
@json_option
def verify(file: str | None, project: Path | None, store: Path | None, as_json: bool) -> None:
    """Check the file, and of each call that its key belongs to its request. Exit code 1 if anything is wrong."""
    ledger = _ledger(file, project, store)
    problems, path = ledger.verify(), ledger.place
    if as_json:
        print_json({"file": str(path), "sound": not problems, "problems": problems})
    else:
        for problem in problems:
            say(problem)
        say(f"{path}: {'sound' if not problems else f'{len(problems)} problems'}")
    if problems:
        raise click.exceptions.Exit(1)


@command.command()
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--failures", is_flag=True, help="Failed attempts instead of answered calls.")
@file_option
@project_option
@store_option
@json_option
def export(
    output: Path, failures: bool, file: str | None, project: Path | None, store: Path | None, as_json: bool
) -> None:
    """Write every call, with its request, to a Parquet, JSONL or CSV file."""
    count = _ledger(file, project, store).export(output, failures=failures)
    if as_json:
        print_json({"file": str(output), "rows": count})
    else:
        say(f"{output}: {count:,} rows")


@command.command()
@click.argument("other", type=click.Path(dir_okay=False))
@file_option
@project_option
@store_option
@json_option
def merge(other: str, file: str | None, project: Path | None, store: Path | None, as_json: bool) -> None:
    """Take over what the ledger OTHER (a file, or postgres:...) holds and this one doesn't.

    A new project gets a ledger by it."""
    ledger = _ledger(file, project, store)
    done, path = ledger.merge(other), ledger.place
    if as_json:
        print_json(asdict(done))
        return
    say(f"{path}: {done.calls:,} answers and {done.failures:,} failures new, {done.known:,} known before")
    if done.differing:
        click.echo(f"{done.differing:,} calls have another answer there; the ones here stay", err=True)


def _ledger(file: str | None, project: Path | None, store: Path | None) -> CallLedger:
    """The file that --file names, else the ledger of the store."""
    from dqdata.api.ledger import CallLedger

    return CallLedger(file) if file is not None else open_catalogs(project, store).ledger
