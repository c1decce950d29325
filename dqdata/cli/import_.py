"""`dqdata import FILE... --into NAME`: files become a version of a catalog, by the road every row takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dqdata.cli.apply import pair
from dqdata.cli.common import json_option, open_catalogs, print_json, progress_out, project_option, store_option
from dqdata.cli.lines import say, width, wrapped
from dqdata.errors import InputError

if TYPE_CHECKING:
    from dqdata.sources.chat_files import Mapped

LAYOUTS = (
    *("openai", "sharegpt", "alpaca", "openthoughts", "openr1", "verifiers"),
    *("xlam", "glaive", "sessions", "ultrachat", "rows"),
)
FORMATS = ("jsonl", "json", "csv", "tsv", "parquet", "arrow")


_KEYS = (
    (re.compile(r"\b(format|encoding) = (['\"])([^'\"]+)\2"), r"--\1 \3"),
    (re.compile(r"\btypes = \{ (\"?)([^\"={}]+)\1 = \"([^\"]+)\" \}"), r"--types \2=\3"),
    (re.compile(r"\bcolumns = \{ (\"?)([^\"={}]+)\1 = (['\"])([^'\"]+)\3 \}"), r"--column '\2=\4'"),
    (re.compile(r" in `from`"), ""),
)


def as_options(message: str) -> str:
    """A source's advice, written for `from` in pipelines.toml, as options of `dqdata import`."""
    for pattern, option in _KEYS:
        message = pattern.sub(option, message)
    return message


@contextmanager
def _keys_as_options() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        for one in (error, *getattr(error, "errors", ())):
            one.args = (as_options(str(one.args[0])), *one.args[1:])
        raise


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--into", required=True, metavar="NAME", help="Catalog that gets the new version.")
@click.option(
    "--column", "--map", "columns", multiple=True, metavar="NEW=OLD", help="Read the files' column OLD as NEW."
)
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    help="Layout of chats and traces of other tools, found by the first rows where not given; rows: as they are.",
)
@click.option("--dry-run", is_flag=True, help="Only report how the files would be read.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="By default by the ending of the file's name.")
@click.option("--encoding", help="Of CSV and JSON, by its Python name; utf-8 by default.")
@click.option("--types", multiple=True, metavar="NAME=TYPE", help="DuckDB type of a column, such as answer=VARCHAR.")
@click.option(
    "--namespace",
    metavar="PREFIX",
    help="Of ids that come with the rows, by default the file's name; '' keeps those of an export of dqdata.",
)
@click.option("--license", metavar="NAME", help="Licence of the rows, such as mit or CC-BY-4.0; recorded with them.")
@project_option
@store_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
@_keys_as_options()
def command(
    files: tuple[str, ...],
    into: str,
    columns: tuple[str, ...],
    layout: str | None,
    dry_run: bool,
    form: str | None,
    encoding: str | None,
    types: tuple[str, ...],
    namespace: str | None,
    license: str | None,
    project: Path | None,
    store: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Import JSONL, Parquet, CSV or Arrow files; ids are given to rows that have none."""
    catalogs = open_catalogs(project, store)
    names = dict(pair(text, "--column") for text in columns)
    kinds = dict(pair(text, "--types", "NAME=TYPE") for text in types)
    mapped = None
    if layout != "rows":
        mapped = catalogs.layout(files, columns=names, types=kinds, format=form, encoding=encoding, layout=layout)
    if not as_json:
        _print_layout(mapped)
    if dry_run:
        if as_json:
            print_json({"layout": mapped.as_json() if mapped else None})
        return
    result = catalogs.import_files(
        files,
        into,
        columns=names,
        types=kinds,
        format=form,
        encoding=encoding,
        layout=mapped.layout.name if mapped else None,
        namespace=namespace,
        license=license,
        out=progress_out(quiet),
    )
    if as_json:
        print_json({**result.as_json(), "layout": mapped.as_json() if mapped else None})
        return
    say(f"{result.catalog}@{result.version}: {result.rows_out:,} rows" + (", unchanged" if result.unchanged else ""))
    for reason, count in [*result.dropped.items(), *result.failed.items()]:
        say(f"  {count:,} {reason}")


def _print_layout(mapped: Mapped | None) -> None:
    if mapped is None:
        say("layout rows: columns as the files have them")
        return
    say(f"layout {mapped.layout.name}: {mapped.layout.about}")
    for name, origin in mapped.made.items():
        say(_line(f"  {name:10} from {origin}"))
    if mapped.kept:
        say(_line(f"  as it is   {', '.join(mapped.kept)}"))
    if mapped.unknown:
        say(_line(f"  not understood in messages, left out: {', '.join(mapped.unknown)}"))


def _line(text: str) -> str:
    return "\n".join(wrapped(text, min(width(), 80), 13))
