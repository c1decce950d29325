"""`dqdata diff BEFORE [AFTER]`: what changed between two versions of a catalog, and why."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import echo, printable, say


@click.command()
@click.argument("before")
@click.argument("after", required=False)
@click.option(
    "--examples", type=click.IntRange(min=0), default=3, show_default=True, help="Rows of each kind to quote."
)
@click.option("--markdown", is_flag=True, help="Markdown, for a pull request.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write instead of stdout."
)
@project_option
@store_option
@json_option
def command(
    before: str,
    after: str | None,
    examples: int,
    markdown: bool,
    output: Path | None,
    project: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Compare two versions: rows added, removed and changed, and the causes in their recipes.

    BEFORE and AFTER are NAME@VERSION. `diff NAME` compares the last two versions of a catalog, `diff NAME@2` its
    second version with the newest.
    """
    from dqdata.files import whole_file
    from dqdata.history.report import as_markdown, as_text

    if as_json and markdown:
        raise click.UsageError("--json and --markdown are two formats: choose one")
    found = open_catalogs(project, store).diff(before, after, examples=examples)
    if as_json and output is None:
        print_json(asdict(found))
        return
    text = as_markdown(found) if markdown or output is not None else as_text(found, _width())
    if output is None:
        echo(printable(text))  # its lines are as wide as they may be, and those of Markdown are not broken
        return
    with whole_file(output) as file:
        file.write_text(printable(text), encoding="utf-8")
    if as_json:
        print_json({"file": str(output)})
    else:
        say(f"{output}: {found.before} -> {found.after}")


def _width() -> int:
    import shutil

    return max(shutil.get_terminal_size((100, 24)).columns, 60)
