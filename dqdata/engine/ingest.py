"""Ingest: writes the rows of the source with their ids to checkpoints before the first step.

Given ids stay, under the source's name (`files:17`). A row without one gets it from its content: a problem from
question, answer and tests; a trace or a pair from its source, problem, content and which repetition of that it is. The
second row with the id of a problem goes to the rejects as `duplicate_id`: it would be paid for twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl
import pyarrow as pa

from dqdata import ids
from dqdata.arrow_types import check_times, stored_batch
from dqdata.columns import KEYS, SYNONYMS, VOCABULARY, Columns
from dqdata.engine.chunks import Folder, write_whole
from dqdata.engine.frames import cast, check_values, encoded, no_rejects, rejects_of_frame
from dqdata.engine.memory import file_bytes
from dqdata.errors import DataError, produced_by
from dqdata.repeats import repeated_rows
from dqdata.source import Source

FILE_ROWS = 50_000
STEP = "source"
LIKELY = SYNONYMS["question"]
"""Names that other sets give the question, the likeliest first."""


def ingest(
    source: Source[Any],
    columns: Columns,
    namespace: str,
    folder: Folder,
    id_scheme: str,
    limit: int | None = None,
    memory: int = 2 << 30,
) -> None:
    """Fills the folder from the source; does nothing where an earlier run had finished. id_scheme: how problems without
    an id are named, of `dqdata.ids.SCHEMES`. limit: rows to take at most. memory: bytes of rows that may be held.
    Raises DataError."""
    if folder.facts() is not None:
        return
    folder.prepare()
    for stale in [*folder.rows(), *folder.rejects()]:
        stale.unlink()
    given = set(source.schema())
    total = 0
    for number, frame in enumerate(_frames(source, limit, file_bytes(memory))):
        rows, nameless = _identified(frame, columns, namespace, given, total, id_scheme)
        why = nameless.select(columns.key, reason=pl.lit("null_question"), detail=_unmapped(nameless))
        folder.write(number, rows, rejects_of_frame(nameless, why, STEP, source.kind, kind="failed"))
        total += frame.height
    if not total:
        folder.write(
            0, cast(pl.DataFrame(schema=dict.fromkeys(columns, pl.String)), columns, source.kind), no_rejects()
        )
    _resolve_repeats(folder, columns, namespace, given, source)
    folder.finish({"rows_in": total})


def _frames(source: Source[Any], limit: int | None, most: int) -> Iterator[pl.DataFrame]:
    """The source's batches, gathered or cut to the size of a checkpoint file."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for given in _first(produced_by("source", source.kind, source.batches()), limit):
        batch = stored_batch(given)
        check_times(batch, KEYS)
        for start in range(0, batch.num_rows, FILE_ROWS):
            held.append(batch.slice(start, FILE_ROWS))
            rows, size = rows + held[-1].num_rows, size + held[-1].nbytes
            if rows >= FILE_ROWS or size >= most:
                yield _frame(held)
                held, rows, size = [], 0, 0
    if held:
        yield _frame(held)


def _first(batches: Iterable[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    """The first rows of the batches; no batch is read once there are enough."""
    if limit is None:
        yield from batches
        return
    left = limit
    for batch in batches:
        yield batch.slice(0, left)
        left -= min(left, batch.num_rows)
        if not left:
            return


def _frame(batches: list[pa.RecordBatch]) -> pl.DataFrame:
    frame = pl.from_arrow(pa.Table.from_batches(batches))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _identified(
    frame: pl.DataFrame, columns: Columns, namespace: str, given: set[str], before: int, id_scheme: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows with their ids, and the rows that can't have one: a problem without a question. Their key is the number of
    the row in the source, counted from 1. before: rows of the source that came before the frame."""
    check_values(frame)
    made: dict[str, pl.Series | pl.Expr] = {}
    content = None
    for key in reversed([key for key in KEYS if key in columns]):
        if key in given:
            prefix = f"{namespace}:" if namespace else ""
            made[key] = pl.lit(prefix) + pl.col(key).cast(pl.String)
            continue
        if key == "problem_id" and "question" in given:
            made[key] = _problem_ids(frame, id_scheme)
            continue
        if content is None:
            content = encoded(frame)
        made[key] = pl.Series([ids.content_id(key, namespace, text, 0) for text in content], dtype=pl.String)
    known = frame.with_columns(**made)
    numbers = pl.format("row {}", pl.int_range(before + 1, before + frame.height + 1)).alias(columns.key)
    nameless = known.with_columns(numbers).filter(known.get_column("problem_id").is_null())
    return cast(known.filter(pl.col("problem_id").is_not_null()), columns, STEP), cast(nameless, columns, STEP)


def _unmapped(nameless: pl.DataFrame) -> pl.Expr:
    """What to do about a row without a question: the column that probably holds it, if the row has one."""
    texts = [
        name
        for name, kind in nameless.schema.items()
        if kind == pl.String and (name in LIKELY or name not in VOCABULARY)
    ]
    candidates: list[pl.Expr] = [
        pl.when(pl.col(name).str.strip_chars() != "").then(pl.lit(name)) for name in (*LIKELY, *texts) if name in texts
    ]
    found = pl.coalesce(candidates or [pl.lit(None, pl.String)])
    mapped = pl.concat_str(
        pl.lit("the row has no question; if column "),
        found,
        pl.lit(' holds it, write columns = { question = "'),
        found,
        pl.lit('" } in `from`; files that name it otherwise need an import of their own'),
    )
    return pl.when(found.is_null()).then(pl.lit("the row has no question")).otherwise(mapped)


def _problem_ids(frame: pl.DataFrame, id_scheme: str) -> pl.Series:
    question, answer, tests = (
        frame.get_column(name).cast(pl.String).to_arrow().cast(pa.large_string())
        if name in frame.columns
        else pa.nulls(frame.height, pa.large_string())
        for name in ("question", "answer", "tests")
    )
    return pl.Series(ids.problem_ids(question, answer, tests, id_scheme), dtype=pl.String)


def _resolve_repeats(folder: Folder, columns: Columns, namespace: str, given: set[str], source: Source[Any]) -> None:
    """Gives rows whose key occurs again another id, or rejects them."""
    key = columns.key
    files = folder.rows()
    repeats = repeated_rows(files, key)
    if not repeats.height:
        return
    if key in given:
        first = repeats.row(0, named=True)
        raise DataError(
            f"{source.kind} source: {key} {first['key']!r} occurs in two rows; ids must be unique: fix the rows, or "
            f"leave the column out, so that ids are made from content"
        )
    content_made = key != "problem_id" or "question" not in given
    for (file,), group in repeats.group_by(["file"], maintain_order=True):
        path = files[int(str(file))]
        rows = pl.read_parquet(path, glob=False).with_row_index("dq_at")
        marked = rows.join(group.select(dq_at=pl.col("row").cast(pl.UInt32), dq_again="again"), on="dq_at", how="left")
        if content_made:
            again = marked.get_column("dq_again").to_list()
            old = marked.get_column(key).to_list()
            new = [
                name if n is None else ids.content_id(key, namespace, name, n)
                for name, n in zip(old, again, strict=True)
            ]
            write_whole(marked.with_columns(pl.Series(key, new)).drop("dq_at", "dq_again"), path)
            continue
        doubles = marked.filter(pl.col("dq_again").is_not_null()).drop("dq_at", "dq_again")
        why = doubles.select(key, reason=pl.lit("duplicate_id"), detail=pl.lit("an earlier row is the same problem"))
        rejects = path.with_name(path.name.replace("rows-", "rejects-"))
        found = rejects_of_frame(doubles, why.unique(), STEP, source.kind)
        write_whole(pl.concat([pl.read_parquet(rejects, glob=False), found]), rejects)
        write_whole(marked.filter(pl.col("dq_again").is_null()).drop("dq_at", "dq_again"), path)
