"""`dqdata import FILE... --into NAME`: files become a version of a catalog, by the road every row takes."""

from __future__ import annotations

from pathlib import Path

import click

from dqdata.cli.apply import pair
from dqdata.cli.common import json_option, open_catalogs, print_json, progress_out, project_option, store_option

FORMATS = ("jsonl", "json", "csv", "tsv", "parquet")


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--into", required=True, metavar="NAME", help="Catalog that gets the new version.")
@click.option("--column", "columns", multiple=True, metavar="NEW=OLD", help="Read the files' column OLD as NEW.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="By default what the name of the file says.")
@click.option("--encoding", help="Of CSV and JSON, by its Python name; utf-8 by default.")
@click.option("--types", multiple=True, metavar="NAME=TYPE", help="DuckDB type of a column, such as answer=VARCHAR.")
@project_option
@store_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
def command(
    files: tuple[str, ...],
    into: str,
    columns: tuple[str, ...],
    form: str | None,
    encoding: str | None,
    types: tuple[str, ...],
    project: Path | None,
    store: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Import JSONL, Parquet or CSV files; ids are given to rows that have none."""
    result = open_catalogs(project, store).import_files(
        files,
        into,
        columns=dict(pair(text, "--column") for text in columns),
        types=dict(pair(text, "--types", "NAME=TYPE") for text in types),
        format=form,
        encoding=encoding,
        out=progress_out(quiet),
    )
    if as_json:
        print_json(result.as_json())
        return
    click.echo(
        f"{result.catalog}@{result.version}: {result.rows_out:,} rows" + (", unchanged" if result.unchanged else "")
    )
    for reason, count in [*result.dropped.items(), *result.failed.items()]:
        click.echo(f"  {count:,} {reason}")
