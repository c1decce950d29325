"""`dqdata export WHAT -o FILE`: a catalog or what a query gives, as JSONL, Parquet or CSV; with --to a folder in the
format of another tool; a trained model as a folder that vLLM serves, or as GGUF.

$ dqdata export slow_thinking@3 -o slow.jsonl --column prompt=question
$ dqdata export slow_thinking@3 --to llama-factory -o slow
$ dqdata export trained:slow_sft@2 -o slow_sft
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_catalogs, print_json, project_option, store_option
from dqdata.cli.lines import say, say_command, width, wrapped
from dqdata.refs import TRAINED, as_query

if TYPE_CHECKING:
    from dqdata.exchange.example import Kind


@click.command()
@click.argument("query", shell_complete=completion.catalogs, metavar="WHAT")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write: .jsonl, .parquet or .csv. For a model a new folder, or a .gguf file.",
)
@click.option(
    "--to",
    "to",
    metavar="FORMAT",
    shell_complete=completion.formats,
    help="Format of another tool: llama-factory, ms-swift, verl, trl, verifiers, openrlhf, axolotl; or jsonl, parquet, "
    "csv, hf with the rows as they are. -o is a new folder then.",
)
@click.option(
    "--kind",
    type=click.Choice(("sft", "preference", "prompt", "unpaired")),
    help="What the rows are for, where they could be for several.",
)
@click.option("--column", "columns", multiple=True, metavar="NEW=OLD", help="Call column OLD NEW in the file.")
@project_option
@store_option
@json_option
def command(
    query: str,
    output: Path,
    to: str | None,
    kind: Kind | None,
    columns: tuple[str, ...],
    project: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Write a catalog (NAME, NAME@3, NAME__rejects@3), the rows of a query, or a model (trained:NAME@2)."""
    from dqdata.catalog.export import check_target, format_of

    if query.strip().startswith(TRAINED):
        if columns:
            raise click.UsageError("--column renames columns of rows; a model has none")
        if to or kind:
            raise click.UsageError("--to and --kind are for rows; a model has none")
        _export_model(query.strip(), output, project, store, as_json)
        return
    if to is not None:
        if columns:
            raise click.UsageError("--to names the columns itself; rename them in a query")
        _export_to(query, to, output, kind, project, store, as_json)
        return
    if kind is not None:
        raise click.UsageError("--kind needs --to FORMAT")
    check_target(output)
    format_of(output)
    names = dict(_pair(text) for text in columns)
    count = open_catalogs(project, store).sql(as_query(query)).write(output, names)
    if as_json:
        print_json({"file": str(output), "rows": count})
    else:
        say(f"{output}: {count:,} rows")


def _export_to(
    query: str, to: str, folder: Path, kind: Kind | None, project: Path | None, store: Path | None, as_json: bool
) -> None:
    made = open_catalogs(project, store).export_to(query, to, folder, kind=kind)
    if as_json:
        print_json(made.as_json())
        return
    for split, count in made.rows.items():
        say(f"{split}: {count:,} rows{f' for {made.kind}' if made.kind else ''}")
    say(f"{made.folder}: {', '.join(made.files)}")
    for note in made.notes:
        say("\n".join(wrapped(f"  {note}", min(width(), 80), 2)))


def _export_model(name: str, output: Path, project: Path | None, store: Path | None, as_json: bool) -> None:
    made = open_catalogs(project, store).export_model(name, output)
    if as_json:
        print_json(made.as_json())
        return
    say(f"{made.path}: {made.files} {'file' if made.files == 1 else 'files'}, {made.bytes / 1e6:,.1f} MB")
    if made.command:
        say_command("  serve    ", made.command)
    else:
        say("  a model that predicts scores: `dqdata.models.reward_model` and transformers load it")


def _pair(text: str) -> tuple[str, str]:
    new, equals, old = text.partition("=")
    if not equals or not new.strip() or not old.strip():
        raise click.BadParameter(f"{text!r} is not NEW=OLD", param_hint="--column")
    return new.strip(), old.strip()
