"""Reads benchmark problems from files, catalogs or the hub; none are shipped.

{ name = "mine", path = "heldout.jsonl" }                     columns question, answer
{ name = "gsm8k" }                                            a known benchmark, by its hub name
{ name = "ours", catalog = "heldout@2", column = "problem" }
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from pydantic import model_validator

from dqdata.benchmarks import BENCHMARKS
from dqdata.errors import DataError, InputError, nearest
from dqdata.operator import CatalogRef, Params, PromptFile

if TYPE_CHECKING:
    from dqdata.operator import Run


class Hub(NamedTuple):
    """Where a data set is on the hub, and which of its fields is the problem. files: JSONL files, where the set has a
    loading script, which `datasets` no longer runs."""

    path: str
    config: str | None
    split: str
    column: str
    files: str | None = None


def known_hub(name: str) -> Hub | None:
    """The published place of a known benchmark."""
    one = BENCHMARKS.get(name)
    return Hub(one.hub, one.config, one.split, one.problem, one.file_pattern) if one else None


class Benchmark(Params):
    """Where the problems of one benchmark are."""

    name: str
    path: PromptFile | None = None
    """Parquet, JSONL or CSV."""
    catalog: CatalogRef | None = None
    hub: str | None = None
    """Name of a hub data set; a benchmark named like a known one (gsm8k, math500, ...) needs none."""
    config: str | None = None
    split: str = "test"
    revision: str | None = None
    """Commit of the hub set. Without one its newest rows are read, and the step's fingerprint can't know of changes."""
    column: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Benchmark:
        places = [place for place in (self.path, self.catalog, self.hub) if place is not None]
        if len(places) > 1:
            raise ValueError(f"benchmark {self.name!r}: give one of path, catalog and hub")
        if not places and self.name not in BENCHMARKS:
            raise ValueError(
                f"benchmark {self.name!r} isn't known{nearest(self.name, BENCHMARKS)} "
                f"(known: {', '.join(BENCHMARKS)}); "
                "for your own give path, catalog or hub"
            )
        return self


@dataclass(frozen=True)
class Problems:
    """All problems of all benchmarks; `names[i]` is where `texts[i]` came from."""

    texts: list[str]
    names: list[str]


def read_benchmarks(benchmarks: Sequence[Benchmark], run: Run) -> Problems:
    """Distinct problems, in the order of the benchmarks. Raises InputError, DataError."""
    texts: list[str] = []
    names: list[str] = []
    for benchmark in benchmarks:
        frame, default = _rows(benchmark, run)
        column = benchmark.column or default
        if column not in frame.columns:
            raise DataError(
                f"benchmark {benchmark.name!r} has no column {column!r}{nearest(column, frame.columns)} "
                f"(have: {', '.join(frame.columns)})"
            )
        found = frame[column].cast(pl.String).drop_nulls().unique(maintain_order=True)
        found = found.filter(found.str.strip_chars() != "")
        if not len(found):
            raise DataError(f"benchmark {benchmark.name!r}: column {column!r} holds no text")
        texts += found.to_list()
        names += [benchmark.name] * len(found)
    return Problems(texts, names)


def _rows(benchmark: Benchmark, run: Run) -> tuple[pl.DataFrame, str]:
    """(rows, the column that is read where none is named)."""
    if benchmark.path is not None:
        return _with_default(_file(benchmark.path), benchmark)
    if benchmark.catalog is not None:
        frame = pl.from_arrow(run.rows(benchmark.catalog).read_all())
        assert isinstance(frame, pl.DataFrame)
        return _with_default(frame, benchmark)
    hub = known_hub(benchmark.name) if benchmark.hub is None else None
    hub = hub or Hub(str(benchmark.hub), benchmark.config, benchmark.split, "question")
    return _from_hub(hub, benchmark), hub.column


def _with_default(frame: pl.DataFrame, benchmark: Benchmark) -> tuple[pl.DataFrame, str]:
    """A known benchmark's copy may keep the field names of its original."""
    known = known_hub(benchmark.name)
    return frame, known.column if known and known.column in frame.columns else "question"


def _file(path: Path) -> pl.DataFrame:
    readers: dict[str, Any] = {
        ".parquet": pl.read_parquet,
        ".jsonl": pl.read_ndjson,
        ".ndjson": pl.read_ndjson,
        ".csv": pl.read_csv,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: no known kind of file; a benchmark is {', '.join(readers)}")
    try:
        frame: pl.DataFrame = reader(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: {error}") from error
    return frame


def _from_hub(hub: Hub, benchmark: Benchmark) -> pl.DataFrame:
    """The rows, of a column alone if it is there: LiveCodeBench's tests are gigabytes."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise InputError(
            "benchmarks of the hub need a package: pip install 'dqdata[hub]'", code="missing-extra"
        ) from None
    try:
        if hub.files is None:
            loaded = load_dataset(hub.path, hub.config, split=hub.split, revision=benchmark.revision)
        else:
            revision = f"@{benchmark.revision}" if benchmark.revision else ""
            root = hub.path if Path(hub.path).is_dir() else f"hf://datasets/{hub.path}{revision}"
            loaded = load_dataset("json", data_files=f"{root}/{hub.files}", split=hub.split)
    except Exception as error:
        file = f'{{ name = "{benchmark.name}", path = "{benchmark.name}.jsonl", column = "{hub.column}" }}'
        raise InputError(
            f"benchmark {benchmark.name!r} ({hub.path} on the hub) can't be loaded: {error}\n"
            f"Without the hub give a file: {file}"
        ) from error
    column = benchmark.column or hub.column
    if column in loaded.column_names:
        loaded = loaded.select_columns([column])
    frame = pl.from_arrow(loaded.with_format("arrow")[:])
    assert isinstance(frame, pl.DataFrame)
    return frame
