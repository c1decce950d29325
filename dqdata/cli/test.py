"""`dqdata test [NAME...]`: recorded tests of pipelines, which need no key and no network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_project, print_json, progress_out, project_option
from dqdata.cli.lines import say

if TYPE_CHECKING:
    from dqdata.engine.recorded import Tested


@click.command()
@click.argument("names", nargs=-1, shell_complete=completion.pipelines)
@click.option("--record", type=click.IntRange(min=1), metavar="ROWS", help="Record a test of the first ROWS rows.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes; by default one a core.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@project_option
@json_option
def command(
    names: tuple[str, ...],
    record: int | None,
    workers: int | None,
    quiet: bool,
    project: Path | None,
    as_json: bool,
) -> int:
    """Run the recorded tests of pipelines offline, or record one: its first rows with their answers.

    A test is in tests/recorded/NAME beside pipelines.toml. Recording runs the pipeline with --limit ROWS, which may
    cost; a test costs nothing. Exit code 1 where a row came out differently.
    """
    opened = open_project(project)
    if record is not None:
        if not names:
            raise click.UsageError("--record needs the names of pipelines")
        made = {name: opened.record_test(name, record, workers=workers, out=progress_out(quiet)) for name in names}
        if as_json:
            print_json({"recorded": {n: {"folder": str(at), "answers": answers} for n, (at, answers) in made.items()}})
        else:
            for name, (folder, answers) in made.items():
                say(f"{name}: {answers:,} answers in {folder}\ntest it: dqdata test {name}")
        return 0
    found = opened.test(*names, workers=workers)
    if as_json:
        print_json({"tests": [_as_json(one) for one in found]})
    elif not found:
        say("no recorded tests: `dqdata test NAME --record 5` makes one")
    else:
        say("\n".join(line for one in found for line in _lines(one)))
    return 0 if all(one.passed for one in found) else 1


def _as_json(one: Tested) -> dict[str, Any]:
    return {
        "pipeline": one.pipeline,
        "passed": one.passed,
        "missing": one.missing,
        "error": one.error,
        "causes": [cause._asdict() for cause in one.causes],
        "comparison": one.comparison.as_json() if one.comparison else None,
    }


def _lines(one: Tested) -> Iterator[str]:
    made = one.comparison
    yield f"{one.pipeline}: {'passed' if one.passed else 'FAILED'}" + (f", {made.same} rows" if made else "")
    if one.error:
        yield f"  {one.error}"
    if made is not None and not made.equal:
        yield f"  same {made.same:,}, changed {made.changed:,}, missing {made.removed:,}, additional {made.added:,}"
        yield from (f"  column {name}: {rows:,} rows differ" for name, rows in made.columns.items())
        yield from (
            f"  rejected by {step} as {reason}: {was:,} then, {now:,} now" for step, reason, was, now in made.rejects
        )
    if one.missing:
        yield f"  {one.missing:,} requests are not among the recorded answers; record it again to ask them"
    if not one.passed:
        yield from (f"  {cause.kind} {cause.place} {cause.what}".rstrip() for cause in one.causes)
