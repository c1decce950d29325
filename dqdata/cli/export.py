"""`dqdata export QUERY_OR_NAME -o FILE`: a catalog, or what a query gives, as JSONL, Parquet or CSV.

$ dqdata export slow_thinking@3 -o slow.jsonl --column prompt=question
"""

from __future__ import annotations

import re
from pathlib import Path

import click

from dqdata.cli.common import json_option, open_store, print_json, project_option, store_option

_NAME = re.compile(r"\s*\w+(@(\d+|latest))?\s*", re.IGNORECASE)


@click.command()
@click.argument("query", metavar="QUERY_OR_NAME")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write: .jsonl, .parquet or .csv.",
)
@click.option("--column", "columns", multiple=True, metavar="NEW=OLD", help="Call column OLD NEW in the file.")
@project_option
@store_option
@json_option
def command(
    query: str, output: Path, columns: tuple[str, ...], project: Path | None, store: Path | None, as_json: bool
) -> None:
    """Write a catalog (NAME, NAME@3, NAME__rejects@3) or the rows of a query to a file."""
    from dqdata.catalog.export import format_of, renamed, write

    kind = format_of(output)
    names = dict(_pair(text) for text in columns)
    sql = f"from {query.strip()}" if _NAME.fullmatch(query) else query
    with open_store(project, store, read_only=True) as opened:
        count = write(renamed(opened.query(sql), names), output, kind)
    if as_json:
        print_json({"file": str(output), "rows": count})
    else:
        click.echo(f"{output}: {count:,} rows")


def _pair(text: str) -> tuple[str, str]:
    new, equals, old = text.partition("=")
    if not equals or not new.strip() or not old.strip():
        raise click.BadParameter(f"{text!r} is not NEW=OLD", param_hint="--column")
    return new.strip(), old.strip()
