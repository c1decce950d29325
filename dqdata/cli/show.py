"""`dqdata show NAME`: rows of a catalog as people read them, one record below the other.

$ dqdata show quickstart --row 3f2a
$ dqdata show quickstart --rejects
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dqdata.cli import completion
from dqdata.cli.common import json_option, open_store, print_json, project_option, store_option
from dqdata.cli.lines import say

if TYPE_CHECKING:
    from dqdata.catalog import Store


@click.command()
@click.argument("name", metavar="NAME", shell_complete=completion.catalogs)
@click.option(
    "--row", "row_id", metavar="ID", help="Only the row of this id, whole; the beginning of the id is enough."
)
@click.option("--rejects", is_flag=True, help="What was dropped or failed, by reason, with an example of each.")
@click.option("--limit", type=click.IntRange(min=1, max=1_000_000), default=3, show_default=True, help="First N rows.")
@project_option
@store_option
@json_option
def command(
    name: str, row_id: str | None, rejects: bool, limit: int, project: Path | None, store: Path | None, as_json: bool
) -> None:
    """Show rows of a catalog (NAME or NAME@3), or its rejects."""
    from dqdata.cli.records import print_record
    from dqdata.errors import QueryError
    from dqdata.refs import catalog_ref

    ref = catalog_ref(name)
    if ref is None:
        raise QueryError(f"{name!r} names no catalog; such as quickstart or quickstart@3", code="unknown-catalog")
    with open_store(project, store, read_only=True) as opened:
        table = name.replace(ref.name, f"{ref.name}__rejects", 1) if rejects else name
        total = int(_rows(opened, f"select count(*) as n from {table}")[0]["n"])
        query = f"from {table} limit {limit}"
        if row_id is not None:
            query = _of_id(opened, table, row_id)
        elif rejects:
            query = f"""
                select kind, step, reason, rows,
                    one.id as example_id, one.detail as example_detail, one.row as example_row
                from (
                    select kind, step, reason, count(*) as rows, first({{
                        'id': coalesce(trace_id, problem_id, row_key), 'detail': detail, 'row': row
                    }} order by row_key, trace_id) as one
                    from {table} group by all
                ) order by rows desc, step, reason"""
        found = _rows(opened, query)
    if row_id is not None and not found:
        raise QueryError(f"{table} has no row with an id that begins with {row_id!r}", code="unknown-row")
    if as_json:
        print_json({"catalog": table, "total": total, "rows": found})
        return
    for number, row in enumerate(found, 1):
        title = f"{table} {row_id}" if row_id else f"{table} {number}"
        print_record(row, list(row), title=title, whole=row_id is not None)
    if rejects:
        say(f"{total:,} rejected rows" + ("; dqdata why ID explains one" if found and not row_id else ""))
    else:
        say(f"{total:,} rows" + ("" if row_id or total <= limit else f"; --limit N shows more than {limit}"))


def _of_id(store: Store, table: str, row_id: str) -> str:
    """The query for rows whose problem, trace or pair id begins so."""
    from dqdata.columns import KEYS
    from dqdata.sql import literal

    have = store.query(f"from {table} limit 0").schema.names
    ids = [key for key in (*KEYS, "id") if key in have]
    test = " or ".join(f"starts_with({key}::varchar, {literal(row_id)})" for key in ids) or "false"
    return f"select * from {table} where {test} limit 20"


def _rows(store: Store, query: str) -> list[dict[str, Any]]:
    from dqdata.catalog.values import python_rows

    return [row for batch in store.query(query) for row in python_rows(batch)]
