"""Writes the rows of a query into a folder in the format of another tool.

    exported = export(store, "select * from traces@3", "traces", "llama-factory", Path("out"))
    exported.files      # ("dataset_info.json", "train.jsonl")

A file per value of the column `split`, `train` where there is none. The folder appears whole or not at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dqdata.catalog.export import write
from dqdata.catalog.values import python_rows
from dqdata.chats import read_tools
from dqdata.columns import Columns, arrow_schema
from dqdata.errors import ColumnError, DataError
from dqdata.exchange.card import hub_yaml
from dqdata.exchange.example import SPLIT, Example, Kind, example_of, kind_of
from dqdata.exchange.formats import TABLES, format_named
from dqdata.exchange.splits import file_names, split_names
from dqdata.exchange.writers import Format, Written, file_of
from dqdata.files import new_folder, refuse_taken
from dqdata.json_text import json_text
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    from dqdata.catalog import Store

ROWS_AT_ONCE = 2000


@dataclass(frozen=True)
class Exported:
    """A data set that was written. kind: what its rows are for, None where they are as they were. rows: by split.
    notes: what the tool must be set to, and what was converted."""

    folder: Path
    format: str
    kind: Kind | None
    rows: Mapping[str, int]
    files: tuple[str, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "format": self.format,
            "kind": self.kind,
            "rows": dict(self.rows),
            "files": list(self.files),
            "notes": list(self.notes),
        }


def export(store: Store, query: str, name: str, to: str, folder: Path, kind: Kind | None = None) -> Exported:
    """Raises DataError for an unknown format, a folder that holds something, and by row for what the format cannot
    hold; ColumnError where columns are missing; StoreError where the disk fails."""
    form = format_named(to)
    refuse_taken(folder)
    pinned, columns = store.query_columns(query)
    with new_folder(folder) as unfinished:
        if form is None:
            made = _table(store, pinned, columns, to, unfinished, kind)
        else:
            made = _examples(store, pinned, columns, name, form, unfinished, kind)
    rows, notes, found = made
    files = tuple(sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()))
    return Exported(folder, to, found, rows, files, tuple(notes))


_Made = tuple[dict[str, int], list[str], Kind | None]


def _table(store: Store, query: str, columns: Columns, to: str, folder: Path, kind: Kind | None) -> _Made:
    if kind is not None:
        raise DataError(f"--kind chooses what a trainer reads; {to} holds the rows as they are")
    rows: dict[str, int] = {}
    suffix = TABLES[to]
    (folder / "data").mkdir()
    splits = _splits(store, query, columns)
    names = split_names(splits) if to == "hf" else file_names(splits)
    for split, name in names.items():
        chosen = f"select * from ({query}\n) where {_split_of(columns)} = {literal(split)}"
        target = folder / "data" / f"{name}.{suffix}"
        rows[name if to == "hf" else split] = write(store.query(chosen, repeatable=True), target, suffix)  # type: ignore[arg-type]
    if to == "hf":
        files = {split: f"data/{split}.parquet" for split in rows}
        (folder / "README.md").write_text(f"---\n{hub_yaml({'default': files})}---\n", encoding="utf-8")
    return rows, [], None


def _splits(store: Store, query: str, columns: Columns) -> list[str]:
    reader = store.query(f"select distinct {_split_of(columns)} as s from ({query}\n) order by s")
    return [str(row["s"]) for batch in reader for row in batch.to_pylist()] or ["train"]


def _split_of(columns: Columns) -> str:
    return f"coalesce({quoted(SPLIT)}::varchar, 'train')" if SPLIT in columns else "'train'"


def _examples(
    store: Store, query: str, columns: Columns, name: str, form: Format, folder: Path, wanted: Kind | None
) -> _Made:
    kind = kind_of(columns, wanted)
    if kind not in form.kinds:
        raise ColumnError(f"{form.tool} has no rows for {kind}: it takes {', '.join(form.kinds)} (--kind)")
    counts: Counter[str] = Counter()
    tools = False
    file_names(_splits(store, query, columns))
    shape, shape_notes = _shape_of_tools(store, query, columns, form)
    with _Files(folder, form, kind, shape) as files:
        for example in _read(store, query, kind):
            counts[example.split] += 1
            tools |= bool(example.tools)
            files.add(example.split, form.row(example))
    if not counts:
        raise DataError("the query gives no rows: nothing was written")
    written = Written(
        name=re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "dqdata",
        kind=kind,
        files={split: file_of(form, kind, split) for split in counts},
        rows=counts,
        tools=tools,
    )
    notes = [*(form.notes(written) if form.notes else ()), *shape_notes]
    for beside, text in (form.beside(written) if form.beside else {}).items():
        (folder / beside).write_text(text, encoding="utf-8")
    return dict(counts), notes, kind


def _shape_of_tools(store: Store, query: str, columns: Columns, form: Format) -> tuple[Any, list[str]]:
    """The Arrow type of the definitions of tools of all rows, for a format that holds them as values in Parquet, and a
    note where some get keys that they do not have. Raises DataError where no type holds all of them."""
    import pyarrow as pa

    if not form.typed_tools or "tools" not in columns:
        return None, []
    rows = [row for batch in store.query(f"select distinct tools from ({query}\n)") for row in python_rows(batch)]
    sets = [read_tools(row["tools"]) for row in rows]
    try:
        made = pa.array(sets)
        _check_structs(made.type)
    except (pa.ArrowException, ValueError) as error:
        raise DataError(
            f"{form.tool} reads the definitions of tools as values in Parquet, which has one type for all rows, and "
            f"these have none in common ({error}): export rows with other tools apart"
        ) from error
    if made.to_pylist() == sets or pa.types.is_null(made.type.value_type):
        return (None if pa.types.is_null(made.type.value_type) else made.type), []
    return made.type, [
        "Tools have definitions of several shapes: what one lacks of another's keys is null in its prompt."
    ]


def _check_structs(kind: Any) -> None:
    """Raises ValueError for a type with an empty struct, which Parquet does not hold."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        if not kind.num_fields:
            raise ValueError("an object without keys")
        for at in range(kind.num_fields):
            _check_structs(kind.field(at).type)
    elif pa.types.is_list(kind):
        _check_structs(kind.value_type)


def _read(store: Store, query: str, kind: Kind) -> Iterator[Example]:
    number = 0
    for batch in store.query(query, repeatable=True):
        for row in python_rows(batch):
            yield example_of(row, kind, number)
            number += 1


class _Files:
    """The open files of the splits."""

    def __init__(self, folder: Path, form: Format, kind: Kind, tools: Any) -> None:
        """tools: Arrow type of the column `tools` where it has one of its own."""
        self.folder, self.form, self.kind, self.tools = folder, form, kind, tools
        self._stack = ExitStack()
        self._text: dict[str, IO[str]] = {}
        self._tables: dict[str, Any] = {}
        self._held: dict[str, list[dict[str, Any]]] = {}

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *failed: Any) -> None:
        if failed[0] is None:
            for split in list(self._held):
                self._flush(split)
        self._stack.close()

    def add(self, split: str, row: dict[str, Any]) -> None:
        path = self.folder / file_of(self.form, self.kind, split)
        if self.form.schema is None:
            if split not in self._text:
                self._text[split] = self._stack.enter_context(path.open("w", encoding="utf-8"))
            self._text[split].write(json_text(row) + "\n")
            return
        self._held.setdefault(split, []).append(row)
        if len(self._held[split]) >= ROWS_AT_ONCE:
            self._flush(split)

    def _flush(self, split: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        assert self.form.schema is not None
        schema = arrow_schema(self.form.schema(self.kind))
        if self.tools is not None:
            schema = schema.append(pa.field("tools", self.tools))
        if split not in self._tables:
            path = self.folder / file_of(self.form, self.kind, split)
            self._tables[split] = self._stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
        self._tables[split].write_table(pa.Table.from_pylist(self._held.pop(split), schema))
