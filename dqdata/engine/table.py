"""Table steps: writes the table to disk for the operator, then joins its decisions to the rows.

The join is two streams in the order of the rows: positions with decisions (narrow, sorted out of core by DuckDB) beside
the rows themselves, a file at a time. Nothing holds all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from dqdata.columns import Columns
from dqdata.database import connect
from dqdata.engine.chunks import Folder, row_count
from dqdata.engine.frames import cast, no_rejects, rejects_of_frame, schema_of
from dqdata.errors import AccountingError, OperatorError, boundary, produced_by
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
        self._memory, self._scratch = memory, scratch

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
            memory=self._memory,
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
    with boundary("operator", step.spec.op):
        result = step.operator.process(table, run)
    if isinstance(result, Decisions):
        _decide(step, table, result, folder, run.scratch)
    else:
        _renew(step, table, result, folder, run.scratch)
    folder.finish({"rows_in": table.rows})


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
        dropped = _Ordered(con, scratch / "dropped.parquet", key)
        added = None
        if decisions.added is not None:
            added = _Ordered(con, scratch / "added.parquet", key)
        start = 0
        for number, file in enumerate(table.files):
            rows = pl.read_parquet(file, glob=False)
            gone = dropped.upto(start + rows.height)
            kept = rows.join(gone, on=key, how="anti", maintain_order="left") if gone.height else rows
            if added is not None:
                more = added.upto(start + rows.height)
                kept = kept.drop([n for n in new if n in kept.columns]).join(
                    more, on=key, how="left", maintain_order="left"
                )
            rejects = rejects_of_frame(rows, gone, step.spec.id, op) if gone.height else no_rejects()
            folder.write(number, cast(kept, step.after, op), rejects)
            start += rows.height


def _renew(step: Step, table: DiskTable, made: NewRows, folder: Folder, scratch: Path) -> None:
    op, key = step.spec.op, step.after.key
    parents = scratch / "parents"
    parents.mkdir(exist_ok=True)
    number = 0
    for frame in produced_by("operator", op, made.rows):
        if "parent_ids" not in frame.columns:
            raise OperatorError(f"operator {op!r} made rows without `parent_ids`")
        for start in range(0, frame.height, FILE_ROWS):
            part = _keyed(frame[start : start + FILE_ROWS], key, step)
            part.select(key=pl.col("parent_ids")).explode("key").unique().write_parquet(
                parents / f"{number:06}.parquet"
            )
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
        gone = _Ordered(con, scratch / "dropped.parquet", table.key)
        start = 0
        for at, file in enumerate(table.files):
            rows = pl.read_parquet(file, glob=False)
            why = gone.upto(start + rows.height)
            start += rows.height
            if why.height:
                empty = pl.DataFrame(schema=schema_of(step.after))
                folder.write(number + at, empty, rejects_of_frame(rows, why, step.spec.id, op))


def _keyed(frame: pl.DataFrame, key: str, step: Step) -> pl.DataFrame:
    """Null keys filled from parents; the index tells several children of the same parents apart."""
    given = frame.get_column(key).to_list() if key in frame.columns else [None] * frame.height
    seen: dict[tuple[str, ...], int] = {}
    keys: list[str] = []
    for old, parents in zip(given, frame.get_column("parent_ids").to_list(), strict=True):
        index = seen[tuple(parents)] = seen.get(tuple(parents), -1) + 1
        keys.append(old if old is not None else child_id(list(parents), step.fingerprint, index))
    return frame.with_columns(pl.Series(key, keys, dtype=pl.String))


class _Ordered:
    """A file of decisions in the order of the rows they are about, taken as a stream."""

    def __init__(self, con: duckdb.DuckDBPyConnection, decisions: Path, key: str) -> None:
        query = f"""select pos, d.* from positions join read_parquet({literal(decisions)}) d
                    on positions.key = d."{key}" order by pos"""
        reader = con.cursor().execute(query).to_arrow_reader(FILE_ROWS)
        self._none = pl.DataFrame(pl.from_arrow(reader.schema.empty_table()))
        self._frames = (pl.DataFrame(pl.from_arrow(batch)) for batch in reader)
        self._rest: pl.DataFrame | None = next(self._frames, None)

    def upto(self, end: int) -> pl.DataFrame:
        """Rows with pos < end that weren't taken yet, without `pos`."""
        taken = [self._none]
        while self._rest is not None:
            inside = self._rest.filter(pl.col("pos") < end)
            taken.append(inside)
            if inside.height < self._rest.height:
                self._rest = self._rest.filter(pl.col("pos") >= end)
                break
            self._rest = next(self._frames, None)
        return pl.concat(taken).drop("pos")


def _positions(con: duckdb.DuckDBPyConnection, table: DiskTable) -> None:
    """`positions`: the key of every row and where it stands among all."""
    starts, start = [], 0
    for file in table.files:
        starts.append((str(file), start))
        start += row_count([file])
    files = pl.DataFrame(starts, schema={"file": pl.String, "start": pl.Int64}, orient="row")
    con.register("starts", files.to_arrow())
    names = ", ".join(f"{literal(file)}" for file in table.files)
    con.execute(
        f"""create table positions as select start + file_row_number as pos, "{table.key}" as key
            from read_parquet([{names}], filename = true, file_row_number = true) r
            join starts on r.filename = starts.file"""
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
        ).sink_parquet(path)
    except pl.exceptions.ColumnNotFoundError as error:
        raise OperatorError(f"operator {op!r} decided without column {error}") from error
