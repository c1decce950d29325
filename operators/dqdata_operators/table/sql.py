"""Any transformation of the whole table in SQL; the query reads `rows`.

    { op = "sql", query = "select *, count(*) over (partition by problem_id) as attempts from rows" }
    { op = "sql", query = '''select problem_id, avg(correct::int) as pass_rate, list(trace_id) as parent_ids
                             from rows group by problem_id''' }

A query that keeps the rows' key keeps, changes and drops rows: keys it leaves out are dropped as `not_selected`. One
that gives `parent_ids` (keys of the rows each new row was made from) makes new rows; a null key is filled from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pydantic import field_validator

from dqdata.arrow_types import check_times, has_time
from dqdata.columns import KEYS, Columns
from dqdata.errors import ColumnError, OperatorError, QueryError
from dqdata.expressions import check_query
from dqdata.files import parquet_file
from dqdata.operator import Decisions, NewRows, Params, Run, Schema, Table, TableOperator
from dqdata.sql import PARQUET, literal, quoted, without_end
from dqdata.types import advice, stored_query

if TYPE_CHECKING:
    import duckdb

FRAME_ROWS = 4096
NULL = "INTEGER"
"""What DuckDB takes a bare null for: that of a key is filled with text."""


class SqlParams(Params):
    query: str
    """A SELECT over the view `rows`. No random() or now(): the same rows must give the same result."""

    @field_validator("query")
    @classmethod
    def _one(cls, query: str) -> str:
        return without_end(query)


class Sql(TableOperator[SqlParams]):
    """Transforms the table by a SQL query over `rows`; every row is accounted for by its key or as a parent."""

    name = "sql"
    Params = SqlParams

    def columns(self, have: Columns, schema: Schema) -> Columns:
        made = check_query(self.params.query, have)
        if "parent_ids" in made:
            made.require("parent_ids", "VARCHAR[]")
            made = made.add(**{key: "VARCHAR" for key in KEYS if made.get(key) == NULL})
        elif have.key not in made:
            raise ColumnError(
                f"query gives no {have.key!r}: select it, or for rows made of several give "
                f"`list({have.key}) as parent_ids`"
            )
        return made

    def process(self, table: Table, run: Run) -> Decisions | NewRows:
        import duckdb

        made, lost = run.scratch / "made.parquet", run.scratch / "lost.parquet"
        key = quoted(table.key)
        with table.connect() as con:
            try:
                query = stored_query(con, self.params.query)
                con.execute(f"copy ({query}\n) to {literal(str(made))} {PARQUET}")
            except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException) as error:
                raise QueryError(f"sql query: {error}{advice(error)}") from error
            _check_times(made)
            con.execute(f"create temp view made as from read_parquet({literal(str(made))})")
            fresh = "parent_ids" in {row[0] for row in con.execute("describe made").fetchall()}
            if not fresh:
                self._check_keys(con, key)
            kept = "select unnest(parent_ids) from made" if fresh else f"select {key} from made"
            con.execute(
                f"""copy (select {key}, 'not_selected' as reason, 'not in the result of the query' as detail from rows
                    where {key} not in ({kept})) to {literal(str(lost))} {PARQUET}"""
            )
        if fresh:
            return NewRows(_frames(made), pl.scan_parquet(lost))
        return Decisions(pl.scan_parquet(lost), pl.scan_parquet(made))

    def _check_keys(self, con: duckdb.DuckDBPyConnection, key: str) -> None:
        """Raises OperatorError for a key that is null, new or there twice."""
        twice = con.execute(f"select {key} from made group by {key} having count(*) > 1 limit 1").fetchone()
        if twice:
            raise OperatorError(
                f"sql: the query gives row {twice[0]!r} more than once; for several rows of one give "
                f"`null as {key}` and `[{key}] as parent_ids`"
            )
        new = con.execute(
            f"select {key} from made where {key} is null or {key} not in (select {key} from rows) limit 1"
        ).fetchone()
        if new:
            raise OperatorError(f"sql: the query gives a row {new[0]!r} that never came in; give it `parent_ids`")


def _check_times(path: Path) -> None:
    """Raises ColumnError for the time 24:00:00, which a frame would hold as null."""
    file = parquet_file(path)
    schema = file.schema_arrow
    if times := [field.name for field in schema if has_time(field.type)]:
        keys = [name for name in KEYS if name in schema.names and name not in times]
        for batch in file.iter_batches(FRAME_ROWS, columns=[*keys, *times]):
            check_times(batch, KEYS)


def _frames(path: Path) -> Iterator[pl.DataFrame]:
    for batch in parquet_file(path).iter_batches(FRAME_ROWS):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield frame
