"""Table steps: writes the table to disk for the operator, then joins its decisions to the rows.

The join is a file of rows at a time, with the decisions about them (aligned.py). Nothing holds all rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from dqdata.columns import Columns
from dqdata.database import connect
from dqdata.engine.aligned import Aligned
from dqdata.engine.chunks import ROW_GROUP, Folder, row_count
from dqdata.engine.frames import cast, no_rejects, rejects_of_frame, schema_of
from dqdata.engine.memory import database_bytes, file_bytes
from dqdata.errors import AccountingError, OperatorError, RunError, boundary, produced_by
from dqdata.ids import child_id
from dqdata.operator import Decisions, NewRows, Run, TableOperator
from dqdata.project.plan import Step
from dqdata.sql import literal, read_parquet

if TYPE_CHECKING:
    import duckdb

FILE_ROWS = 50_000


class DiskTable:
    """`dqdata.operator.Table` over checkpoint files."""

    def __init__(self, files: Sequence[Path], columns: Columns, memory: int, scratch: Path) -> None:
        self.files, self.columns = list(files), columns
        self.memory, self._scratch = memory, scratch

    @property
    def key(self) -> str:
        return self.columns.key

    @property
    def rows(self) -> int:
        return row_count(self.files)

    def scan(self, columns: Sequence[str] | None = None) -> pl.LazyFrame:
        return pl.scan_parquet(self.files, glob=False).select(list(columns) if columns is not None else pl.all())

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        for file in self.files:
            yield pl.read_parquet(file, columns=list(columns) if columns is not None else None, glob=False)

    def connect(self) -> duckdb.DuckDBPyConnection:
        con = connect(
            files=self.files,
            folders=[self._scratch],
            spill=self._scratch,
            memory=database_bytes(self.memory),
            insertion_order=False,
        )
        con.execute(f"create view rows as from {read_parquet(self.files)}")
        return con


def run_table_step(step: Step, files: Sequence[Path], run: Run, folder: Folder) -> None:
    """Fills the folder; does nothing where an earlier run had finished."""
    if folder.facts() is not None:
        return
    folder.prepare()
    for stale in [*folder.rows(), *folder.rejects()]:
        stale.unlink()
    assert isinstance(step.operator, TableOperator)
    table = DiskTable(files, step.before, run.memory_limit, run.scratch)
    with boundary("operator", step.spec.op), _enough_memory(step, table):
        result = step.operator.process(table, run)
    with _enough_memory(step, table):
        if isinstance(result, Decisions):
            _decide(step, table, result, folder, run.scratch)
        else:
            _renew(step, table, result, folder, run.scratch)
    folder.finish({"rows_in": table.rows})


@contextmanager
def _enough_memory(step: Step, table: DiskTable) -> Iterator[None]:
    """RunError where DuckDB says that it can't do with its share of `memory`."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise RunError(
            f"{step.spec.where}: {table.memory >> 20} MiB of memory are not enough for this step over {table.rows:,} "
            f"rows; write memory = {2 * table.memory} or more in the pipeline's table, or have the step sort and "
            "gather fewer or shorter columns. What ran before is kept"
        ) from error


def _decide(step: Step, table: DiskTable, decisions: Decisions, folder: Folder, scratch: Path) -> None:
    key, op = table.key, step.spec.op
    new = [name for name in step.after if name not in step.before or step.after[name] != step.before[name]]
    _sink(decisions.dropped, scratch / "dropped.parquet", op, [key, "reason", "detail"])
    if decisions.added is not None:
        new = [name for name in pl.LazyFrame.collect_schema(decisions.added.lazy()).names() if name != key]
        _sink(decisions.added, scratch / "added.parquet", op, [key, *new])
    elif new:
        raise OperatorError(f"operator {op!r} promised column {new[0]!r} and added none")

    with closing(table.connect()) as con:
        _positions(con, table)
        _check_decisions(con, key, op, scratch, with_added=decisions.added is not None)
        held = file_bytes(table.memory)
        dropped = Aligned(con, scratch / "dropped.parquet", key, scratch / "dropped-pieces", held)
        added = None
        if decisions.added is not None:
            added = Aligned(con, scratch / "added.parquet", key, scratch / "added-pieces", held)
    for number, file in enumerate(table.files):
        rows = pl.read_parquet(file, glob=False)
        gone = dropped.of(number)
        kept = rows.join(gone, on=key, how="anti", maintain_order="left") if gone.height else rows
        if added is not None:
            kept = kept.drop([n for n in new if n in kept.columns]).join(
                added.of(number), on=key, how="left", maintain_order="left"
            )
        rejects = rejects_of_frame(rows, gone, step.spec.id, op) if gone.height else no_rejects()
        folder.write(number, cast(kept, step.after, op), rejects)


def _renew(step: Step, table: DiskTable, made: NewRows, folder: Folder, scratch: Path) -> None:
    op, key = step.spec.op, step.after.key
    parents = scratch / "parents"
    parents.mkdir(exist_ok=True)
    number = 0
    for frame in _pieces(produced_by("operator", op, made.rows), op, file_bytes(table.memory)):
        part = _keyed(frame, key, step)
        part.select(key=pl.col("parent_ids")).explode("key").unique().write_parquet(parents / f"{number:06}.parquet")
        folder.write(number, cast(part, step.after, op), no_rejects())
        number += 1
    if not number:
        empty = pl.DataFrame(schema=schema_of(step.after))
        folder.write(0, empty, no_rejects())
        pl.DataFrame(schema={"key": pl.String}).write_parquet(parents / "none.parquet")

    _sink(made.dropped, scratch / "dropped.parquet", op, [table.key, "reason", "detail"])
    with closing(table.connect()) as con:
        _positions(con, table)
        lost = con.execute(
            f"""select key from positions where key not in (select "{table.key}" from read_parquet($dropped))
                and key not in (select key from read_parquet($parents)) limit 1""",
            {"dropped": str(scratch / "dropped.parquet"), "parents": str(parents / "*.parquet")},
        ).fetchone()
        if lost:
            raise AccountingError(
                f"operator {op!r}: row {lost[0]!r} came in and is neither dropped nor parent of a new row"
            )
        gone = Aligned(
            con, scratch / "dropped.parquet", table.key, scratch / "dropped-pieces", file_bytes(table.memory)
        )
    for at, file in enumerate(table.files):
        why = gone.of(at)
        if why.height:
            rows = pl.read_parquet(file, glob=False)
            empty = pl.DataFrame(schema=schema_of(step.after))
            folder.write(number + at, empty, rejects_of_frame(rows, why, step.spec.id, op))


def _pieces(frames: Iterable[pl.DataFrame], op: str, most: int) -> Iterator[pl.DataFrame]:
    """The rows of the frames as frames of the size of a checkpoint file: FILE_ROWS rows or some `most` bytes."""
    held: list[pl.DataFrame] = []
    rows = size = 0
    for frame in frames:
        if "parent_ids" not in frame.columns:
            raise OperatorError(f"operator {op!r} made rows without `parent_ids`")
        parts = max(1, -(-frame.height // FILE_ROWS), int(frame.estimated_size()) // most)
        for part in frame.iter_slices(-(-frame.height // parts) or 1):
            if held and (rows + part.height > FILE_ROWS or size >= most):
                yield pl.concat(held)
                held, rows, size = [], 0, 0
            held.append(part)
            rows, size = rows + part.height, size + int(frame.estimated_size()) * part.height // max(1, frame.height)
    if held:
        yield pl.concat(held)


def _keyed(frame: pl.DataFrame, key: str, step: Step) -> pl.DataFrame:
    """Null keys filled from parents; the index tells several children of the same parents apart."""
    given = frame.get_column(key).to_list() if key in frame.columns else [None] * frame.height
    seen: dict[tuple[str, ...], int] = {}
    keys: list[str] = []
    for old, parents in zip(given, frame.get_column("parent_ids").to_list(), strict=True):
        index = seen[tuple(parents)] = seen.get(tuple(parents), -1) + 1
        keys.append(old if old is not None else child_id(list(parents), step.fingerprint, index))
    return frame.with_columns(pl.Series(key, keys, dtype=pl.String))


def _positions(con: duckdb.DuckDBPyConnection, table: DiskTable) -> None:
    """`positions`: the key of every row and the number of the file that it is in."""
    numbers = pl.DataFrame(
        [(str(file), number) for number, file in enumerate(table.files)],
        schema={"path": pl.String, "number": pl.Int64},
        orient="row",
    )
    con.register("numbers", numbers.to_arrow())
    names = ", ".join(f"{literal(file)}" for file in table.files)
    con.execute(
        f"""create table positions as select numbers.number as file, r."{table.key}" as key
            from read_parquet([{names}], filename = 'dq_file') r join numbers on r.dq_file = numbers.path"""
    )


def _check_decisions(con: duckdb.DuckDBPyConnection, key: str, op: str, scratch: Path, *, with_added: bool) -> None:
    dropped = f'(select "{key}" as key from read_parquet({literal(scratch / "dropped.parquet")}))'
    for query, problem in (
        (f"select key from {dropped} group by key having count(*) > 1", "dropped twice"),
        (f"select key from {dropped} where key not in (select key from positions)", "dropped, but it never came in"),
    ):
        if row := con.execute(f"{query} limit 1").fetchone():
            raise AccountingError(f"operator {op!r}: row {row[0]!r} was {problem}")
    if not with_added:
        return
    added = f'(select "{key}" as key from read_parquet({literal(scratch / "added.parquet")}))'
    if row := con.execute(f"select key from {added} group by key having count(*) > 1 limit 1").fetchone():
        raise AccountingError(f"operator {op!r}: row {row[0]!r} was decided on twice")
    bare = f"select key from positions where key not in (from {added}) and key not in (from {dropped}) limit 1"
    if row := con.execute(bare).fetchone():
        raise AccountingError(f"operator {op!r}: row {row[0]!r} was neither dropped nor given its new columns")


def _sink(frame: pl.DataFrame | pl.LazyFrame, path: Path, op: str, columns: list[str]) -> None:
    try:
        frame.lazy().select(
            pl.col(c).cast(pl.String) if c in ("reason", "detail") else pl.col(c) for c in columns
        ).sink_parquet(path, row_group_size=ROW_GROUP)
    except pl.exceptions.ColumnNotFoundError as error:
        raise OperatorError(f"operator {op!r} decided without column {error}") from error
