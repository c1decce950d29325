"""What a query of a user gives: batches as they come, the first rows within a time, and errors by whose fault they are.

first_rows(store, "select * from traces", rows=100, seconds=10)
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from dqdata.errors import QueryError, StoreError
from dqdata.sql import base_tables, parsed
from dqdata.types import advice

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from dqdata.catalog.reader import Reader


class First(NamedTuple):
    """The first rows of a query. more: whether there are others."""

    rows: pa.Table
    more: bool


def first_rows(reader: Reader, sql: str, *, rows: int, seconds: float) -> First:
    """So many rows of a query over catalogs and nothing else, within a time. Raises QueryError for a query that takes
    longer, names a file, needs more memory than `reader.memory`, or that DuckDB refuses."""
    import duckdb

    con, pinned = reader.prepared(sql)
    with contextlib.closing(con):
        _refuse_files(pinned.sql, con)
        try:
            with deadline(con, seconds):
                answer = con.execute(f"select * from ({reader.typed(con, pinned.sql)}\n) limit {rows + 1}")
                found: pa.Table = answer.to_arrow_table()
        except duckdb.Error as error:
            raise query_error(error, reader) from error
    return First(found.slice(0, rows), found.num_rows > rows)


@contextlib.contextmanager
def deadline(con: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupts what the connection executes after so many seconds; that raises QueryError."""
    import duckdb

    late = threading.Event()

    def stop() -> None:
        late.set()
        con.interrupt()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException as error:
        if not late.is_set():
            raise
        raise QueryError(
            f"the query was stopped after {seconds:g} s; let it read fewer rows or columns, or use `dqdata sql`",
            code="query-too-slow",
        ) from error
    finally:
        timer.cancel()


def _refuse_files(sql: str, con: duckdb.DuckDBPyConnection) -> None:
    """Raises QueryError for a table that is named as files are; the connection itself reaches those of the store."""
    for node in base_tables(parsed(sql, con)):
        name = str(node["table_name"])
        if not re.fullmatch(r"\w+(@\d+)?", name):
            raise QueryError(
                f"{name!r} is no catalog, and files are out of reach here; `dqdata sql --files` reads them"
            )


def query_error(error: Exception, reader: Reader) -> QueryError | StoreError:
    """Whose fault it is: a file of the store that is gone, or the query."""
    text = str(error).strip()
    if (lost := _lost_file(text, reader)) is not None:
        return lost
    if "file system operations are disabled" in text:
        text += (
            ". Only catalogs are read here; `dqdata sql --files` reads local files, and `dqdata import` takes them in"
        )
    return QueryError(f"{text}{advice(error)}")


def _lost_file(text: str, reader: Reader) -> QueryError | StoreError | None:
    """The error for a data file of the store that can't be read: `gc` may have removed it while the query ran. None for
    an error that names no such file, by its place or, as a server of files does, by its name."""
    made = [found for name in re.findall(r"[\w-]+\.parquet", text) if (found := reader.made_with(name)) is not None]
    for at in made:
        if (dropped := reader.marks().unreadable(*at)) is not None:
            return QueryError(f"while it was read, {dropped}", code="dropped-version")
    if made or reader.backend.data.url in text:
        return StoreError(f"the store {reader.place} is damaged: {text}; restore the file from a backup")
    return None


@contextlib.contextmanager
def query_errors(reader: Reader) -> Iterator[None]:
    """What DuckDB raises for a query, as QueryError or StoreError."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise query_error(error, reader) from error


INTERRUPTED = "INTERRUPT Error"
TRIES_FOR_CAUSE = 5


def streamed(
    answer: pa.RecordBatchReader, con: duckdb.DuckDBPyConnection, sql: str, reader: Reader
) -> pa.RecordBatchReader:
    """The batches of a query, with the connection closed after the last one and DuckDB's errors as ours."""
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from answer
        except Exception as error:
            raise query_error(_cause(error, con, sql), reader) from error
        finally:
            con.close()

    return pa.RecordBatchReader.from_batches(answer.schema, batches())


def _cause(error: Exception, con: duckdb.DuckDBPyConnection, sql: str) -> Exception:
    """The error itself: DuckDB stops all threads of a query when one fails, and sometimes names the stop instead of the
    failure. The query then runs again, until it names it."""
    for _ in range(TRIES_FOR_CAUSE):
        if INTERRUPTED not in str(error):
            break
        try:
            for _ in con.execute(sql).to_arrow_reader():
                pass
        except Exception as other:
            error = other
    return error
