"""`dqdata sql QUERY`: reads catalogs with SQL; `name@3` is version 3, a bare name the newest.

$ dqdata sql "select verdict, count(*) from slow_thinking group by all"
$ dqdata sql "from slow_thinking__rejects@3" -o rejects.parquet
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dqdata.cli.common import json_option, open_store, print_json, project_option, store_option
from dqdata.cli.lines import say, standard

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("table", "json", "jsonl", "csv", "parquet")

_TABLE_ROWS = 100
"""Rows that a table on the screen shows by default."""


class _Query(click.Command):
    """A query may begin with a comment, which is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            return super().parse_args(ctx, args)
        queries = [one for one in args if one.startswith("--") and one[2:3].isspace()]
        return super().parse_args(
            ctx, [one for one in args if one not in queries] + (["--", *queries] if queries else [])
        )


@click.command(cls=_Query)
@click.argument("query")
@click.option("--format", "form", type=click.Choice(FORMATS), help="By default table, or by the ending of -o's name.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write.")
@click.option("--limit", type=click.IntRange(min=0), help=f"First N rows; a table shows {_TABLE_ROWS} by default.")
@click.option("--files", is_flag=True, help="Let the query read local files: from 'x.csv', read_parquet('x.parquet').")
@project_option
@store_option
@json_option
def command(
    query: str,
    form: str | None,
    output: Path | None,
    limit: int | None,
    files: bool,
    project: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Run one SQL query over the catalogs; it can only read.

    NAME is the newest version of a catalog, NAME@3 its third, NAME__rejects what it dropped. dq_versions, dq_runs and
    dq_models say what was made, dq_metrics how each model learnt, ledger.calls every call to a teacher. Other files are
    out of reach without --files, and the network always.
    """
    from dqdata.catalog.export import check_target, format_of, write, write_object, write_to

    form = form or (format_of(output) if output else "json" if as_json else "table")
    if form == ("table" if output else "parquet"):
        raise click.UsageError("a table is for the screen and Parquet for a file: choose another --format or -o")
    if as_json and output is None and form != "json":
        raise click.UsageError("--json is a format of its own: leave out --format, or write to a file with -o")

    if output is not None:
        check_target(output)
    with open_store(project, store, read_only=True) as opened:
        rows = opened.query(query, local_files=files)
        if limit is not None:
            rows = _first(rows, limit)
        if output is not None:
            count = write(rows, output, form)  # type: ignore[arg-type]
            if as_json:
                print_json({"file": str(output), "rows": count})
            else:
                say(f"{output}: {count:,} rows")
        elif form == "table":
            _print_table(rows, _TABLE_ROWS if limit is None else limit)
        elif form == "json":
            write_object(standard().buffer, rows)
            standard().buffer.flush()
        else:
            write_to(standard().buffer, rows, form)  # type: ignore[arg-type]
            standard().buffer.flush()


def _first(rows: pa.RecordBatchReader, limit: int) -> pa.RecordBatchReader:
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        left = limit
        for batch in rows:
            if left <= 0:
                return
            yield batch.slice(0, left)
            left -= batch.num_rows

    return pa.RecordBatchReader.from_batches(rows.schema, batches())


def _print_table(rows: pa.RecordBatchReader, limit: int) -> None:
    from dqdata.catalog.values import python_rows
    from dqdata.cli.records import print_rows

    names = rows.schema.names
    taken: list[dict[str, Any]] = []
    more = False
    for batch in rows:
        more = len(taken) + batch.num_rows > limit
        taken += python_rows(batch.slice(0, max(0, limit - len(taken))))
        if more:
            break
    print_rows(taken, names, [_is_number(field.type) for field in rows.schema])
    say(f"{len(taken):,} row{'' if len(taken) == 1 else 's'}" + (", and more: --limit N shows them" if more else ""))


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
