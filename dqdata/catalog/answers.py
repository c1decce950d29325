"""Answers of queries: batches as they come, and DuckDB's errors in the words of a store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dqdata.catalog.lake import Layout
from dqdata.errors import QueryError, StoreError
from dqdata.types import advice

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def query_error(error: duckdb.Error, layout: Layout) -> QueryError | StoreError:
    """Whose fault it is: a file of the store that is gone, or the query."""
    if str(layout.data.resolve()) in str(error):
        return StoreError(f"the store {layout.root} is damaged: {error}; restore the file from a backup")
    text = str(error).strip()
    if "file system operations are disabled" in text:
        text += (
            ". Only catalogs are read here; `dqdata sql --files` reads local files, and `dqdata import` takes them in"
        )
    return QueryError(f"{text}{advice(error)}")


def streamed(answer: pa.RecordBatchReader, con: duckdb.DuckDBPyConnection, layout: Layout) -> pa.RecordBatchReader:
    """The batches, with the connection closed after the last one and DuckDB's errors as ours."""
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from answer
        except Exception as error:
            raise QueryError(f"{str(error).strip()}{advice(error)}") from error
        finally:
            con.close()

    return pa.RecordBatchReader.from_batches(answer.schema, batches())
