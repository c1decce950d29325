"""Operators that work on the CPU alone, over a million small rows and over long reasoning, one thread each.

    python bench/operators.py [traces.parquet]          # columns reasoning and response; else small rows alone

The limit of each is a bare scan of the same text in the same run: polars counting its characters and words.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["POLARS_MAX_THREADS"] = "1"

import duckdb
import polars as pl
from dqdata_operators.annotate.length import Length, LengthParams
from dqdata_operators.format.to_messages import ToMessages, ToMessagesParams
from dqdata_operators.select.dedup import Dedup, DedupParams
from dqdata_operators.select.filter import Filter, FilterParams
from dqdata_operators.select.select import Select, SelectParams

from dqdata.columns import columns_of
from dqdata.operator import BatchOperator, TableOperator

BATCH_ROWS = 5000


class DiskTable:
    """A table step's view of one Parquet file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns = columns_of(pl.read_parquet(path, n_rows=1).to_arrow().schema)
        self.key = self.columns.key

    def connect(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(config={"threads": 1, "memory_limit": "1GB"})
        con.execute(f"create view rows as from read_parquet('{self.path}')")
        return con


class Run:
    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch


def small_rows(rows: int) -> pl.DataFrame:
    number = pl.int_range(rows, eager=False)
    text = pl.format("What is {} + {}? Take it one step at a time. Then say the answer.", number // 2, number % 7)
    return pl.select(
        problem_id=pl.format("p{}", number // 4),
        trace_id=pl.format("t{}", number),
        question=text,
        reasoning=text,
        response=pl.format("It is {}.", number // 2 + number % 7),
        level=number % 5,
    )


def in_batches(operator: BatchOperator[Any]) -> Callable[[pl.DataFrame, Path], None]:
    def work(frame: pl.DataFrame, _folder: Path) -> None:
        for batch in frame.iter_slices(BATCH_ROWS):
            operator.process(batch)

    return work


def at_once(operator: TableOperator[Any]) -> Callable[[pl.DataFrame, Path], None]:
    def work(_frame: pl.DataFrame, folder: Path) -> None:
        made: Any = operator.process(DiskTable(folder / "rows.parquet"), Run(folder))  # type: ignore[arg-type]
        made.dropped.lazy().collect()

    return work


def scan(frame: pl.DataFrame, _folder: Path) -> None:
    for batch in frame.iter_slices(BATCH_ROWS):
        text = batch["reasoning"]
        text.str.len_chars()
        text.str.count_matches(r"\S+")


WORK: dict[str, Callable[[pl.DataFrame, Path], None]] = {
    "bare scan": scan,
    "length": in_batches(Length(LengthParams())),
    "filter": in_batches(Filter(FilterParams(where="level < 3 and length(reasoning) > 10"))),
    "to_messages": in_batches(ToMessages(ToMessagesParams())),
    "dedup exact": at_once(Dedup(DedupParams(column="reasoning"))),
    "select": at_once(Select(SelectParams(by="level desc"))),
}


def table(title: str, frame: pl.DataFrame) -> None:
    megabytes = (frame["reasoning"].str.len_bytes().sum() + frame["response"].str.len_bytes().sum()) / 1e6
    print(f"\n{title}: {len(frame):,} rows, {megabytes:,.0f} MB of text\n")
    print("| | seconds | rows/s | MB/s | of the bare scan |\n|---|---:|---:|---:|---:|")
    limit = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame.write_parquet(folder / "rows.parquet")
        for label, work in WORK.items():
            began = time.perf_counter()
            work(frame, folder)
            seconds = time.perf_counter() - began
            limit = limit or seconds
            rate = f"{len(frame) / seconds:,.0f} | {megabytes / seconds:,.0f} | {limit / seconds:.2f}"
            print(f"| {label} | {seconds:.1f} | {rate} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    table("small rows", small_rows(options.rows))
    if options.traces is not None:
        traces = pl.read_parquet(options.traces)
        names = {"thinking": "reasoning", "id": "problem_id"}
        traces = traces.rename({old: new for old, new in names.items() if old in traces.columns and new not in traces})
        traces = traces.select("problem_id", "question", "reasoning", "response").with_row_index("n")
        table("long reasoning", traces.with_columns(trace_id=pl.format("t{}", "n"), level=pl.col("n") % 5))


if __name__ == "__main__":
    main()
