"""`dqdata apply OP FILE -o FILE`: one operator on one file, with no project needed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_project, print_json, progress_out, project_option
from dqdata.cli.lines import say


@click.command()
@click.argument("op", shell_complete=completion.operators)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--out", "target", type=click.Path(path_type=Path), required=True, help="Parquet, JSONL or CSV.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A parameter of the operator; TOML value.")
@click.option("--column", "columns", multiple=True, metavar="NEW=OLD", help="Read the file's column OLD as NEW.")
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes; by default one a core.")
@project_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
def command(
    op: str,
    file: Path,
    target: Path,
    settings: tuple[str, ...],
    columns: tuple[str, ...],
    workers: int | None,
    project: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run one operator on a Parquet, JSONL or CSV file; rejects go to OUT.rejects."""
    from dqdata.api.project import apply
    from dqdata.errors import ProjectError

    try:
        loaded = open_project(project)
    except ProjectError as error:
        if project is not None or error.code != "no-project":
            raise
        loaded = None
    if target.exists() and file.exists() and target.samefile(file):
        raise click.BadParameter(f"{target} is the file that is read; name another", param_hint="--out")
    done = apply(
        op,
        dict(setting(text) for text in settings),
        file,
        target,
        project=loaded,
        columns=dict(pair(text, "--column") for text in columns),
        workers=workers,
        out=progress_out(quiet),
    )
    if as_json:
        print_json(done.as_json())
        return
    say(f"{target}: {done.rows_out:,} of {done.rows_in:,} rows in {done.seconds:.1f} s")
    for kind, counts in (("dropped", done.dropped), ("failed", done.failed)):
        for reason, count in counts.items():
            say(f"  {kind} {count:,} {reason}")
    for reason, count in done.errors.items():
        say(f"  unverifiable {count:,} {reason}")


def pair(text: str, option: str, form: str = "NEW=OLD") -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key or not value:
        raise click.BadParameter(f"{text!r} is not {form}", param_hint=option)
    return key.strip(), value.strip()


def setting(text: str, option: str = "--set") -> tuple[str, Any]:
    """`n=4` or `column=reasoning`: the value as TOML where it is TOML, else as text."""
    key, value = pair(text, option, "KEY=VALUE")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value
