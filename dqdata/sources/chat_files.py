"""Chats and traces in files of other tools, as columns of the vocabulary.

    from = { source = "chats", path = "data/*.jsonl" }
    from = { source = "chats", path = "sft.parquet", layout = "sharegpt", columns = { conversations = "dialogue" } }

The layout is found by the columns and first rows where it isn't given. Every chat becomes `messages` and, where it
calls tools, `tools`; its first question and last answer are in `question`, `reasoning` and `response` too.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dqdata.catalog.values import python_rows
from dqdata.columns import Columns, arrow_schema
from dqdata.errors import ColumnError, DataError
from dqdata.ids import digest
from dqdata.source import Source
from dqdata.sources.columnar import BATCH_ROWS
from dqdata.sources.files import Files, FilesParams
from dqdata.sources.layouts import LAYOUTS, NESTED, Layout, layout_named, layout_of
from dqdata.sources.paths import format_of

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("dqdata")

SAMPLE = 200
TAKEN_OVER = ("messages", "tools")
"""Columns that a layout makes even where the file has one of that name."""


class ChatFilesParams(FilesParams):
    layout: str | None = None
    """openai, sharegpt, alpaca, openthoughts, openr1, verifiers, xlam, glaive, sessions or ultrachat; found by the
    first rows where not given."""


@dataclass(frozen=True)
class Mapped:
    """How a file is read. made: for each column what it is made of. kept: columns that stay. unknown: keys and parts of
    messages in the first rows that were not understood."""

    layout: Layout
    made: Mapping[str, str]
    kept: tuple[str, ...]
    unknown: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "layout": self.layout.name,
            "made": dict(self.made),
            "kept": list(self.kept),
            "not_understood": list(self.unknown),
        }


class ChatFiles(Source[ChatFilesParams]):
    """Chats of other tools' files: OpenAI, ShareGPT, Alpaca, OpenThoughts, OpenR1, verifiers, xLAM, Glaive,
    UltraChat, session traces of the Hub."""

    kind = "chats"
    Params = ChatFilesParams

    def schema(self) -> Columns:
        return self._columns

    def fingerprint(self) -> str:
        return digest("chats", self._layout.name, self._files.fingerprint())

    def row_count(self) -> int | None:
        return None if self._layout.name in ("openr1", "verifiers", "sessions") else self._files.row_count()

    def namespace(self) -> str:
        return self._files.namespace()

    def batches(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        schema = arrow_schema(self._columns)
        rows: list[dict[str, Any]] = []
        unknown, told = dict[str, None](), 0
        for number, row in self._gathered(self._numbered()):
            rows += self._read(row, number, unknown)
            told = len(unknown) if number <= SAMPLE else told
            if len(rows) >= BATCH_ROWS:
                yield pa.RecordBatch.from_pylist(rows, schema)
                rows = []
        yield pa.RecordBatch.from_pylist(rows, schema)
        if later := list(unknown)[told:]:
            log.warning(
                "%s: after row %d, not understood and left out: %s",
                *(self._where, SAMPLE, ", ".join(later)),
                extra={"code": "fields-left-out"},
            )

    def mapped(self) -> Mapped:
        """How the file is read, with what of its first rows is not understood. Raises InputError."""
        unknown: dict[str, None] = {}
        filled: dict[str, None] = {}
        for number, row in self._gathered(enumerate(self._first, 1)):
            for made in self._read(row, number, unknown):
                filled.update(dict.fromkeys(name for name, value in made.items() if value is not None))
        used = [name for name in self._uses if name in self._names]
        definitions = [name for name in used if name in ("tools", "functions")]
        rest = [name for name in used if name not in definitions] or used
        columns = {
            name: ", ".join(definitions if name == "tools" and definitions else rest)
            for name in self._made
            if name in filled
        }
        return Mapped(self._layout, columns, tuple(self._kept), tuple(unknown))

    def _numbered(self) -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        for batch in self._files.batches():
            yield from enumerate(self._rows(batch, number), number + 1)
            number += batch.num_rows

    def _gathered(self, rows: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows, or one of several where the layout writes a chat over several."""
        try:
            yield from self._layout.gather((number, self._plain(row)) for number, row in rows)
        except DataError as error:
            raise DataError(f"{self._where} {error}") from None

    def _plain(self, row: dict[str, Any]) -> dict[str, Any]:
        return {name: value if name in self._kept else _said(value) for name, value in row.items()}

    def _rows(self, batch: pa.RecordBatch, before: int) -> list[dict[str, Any]]:
        """before: rows of the files before these."""
        try:
            rows: list[dict[str, Any]] = batch.to_pylist()
        except (ValueError, OverflowError) as error:
            raise ColumnError(
                f"{self._where} rows {before + 1} to {before + batch.num_rows}: a date or time that rows can't hold, "
                f"such as infinity or a year beyond 1 to 9999 ({error}): make it text or null in the file"
            ) from None
        return rows

    def _read(self, row: Mapping[str, Any], number: int, unknown: dict[str, None]) -> list[dict[str, Any]]:
        kept = {name: row[name] for name in self._kept}
        try:
            made = list(self._layout.read(dict(row), unknown))
        except DataError as error:
            raise DataError(f"{self._where} row {number}: {error}") from None
        except (AttributeError, KeyError, TypeError, IndexError, ValueError) as error:
            raise DataError(
                f"{self._where} row {number} is no row of layout {self._layout.name!r} "
                f"({type(error).__name__}: {error}); name another with --layout"
            ) from None
        return [{**kept, **{name: one.get(name) for name in self._made}} for one in made]

    @property
    def _where(self) -> str:
        path = self.params.path
        return path if isinstance(path, str) else path[0] if len(path) == 1 else f"{path[0]}, ..."

    @cached_property
    def _formats(self) -> set[str]:
        paths = [self.params.path] if isinstance(self.params.path, str) else self.params.path
        return {self.params.format or format_of_name(path) for path in paths}

    @cached_property
    def _files(self) -> Files:
        given = {name: getattr(self.params, name) for name in FilesParams.model_fields}
        if self._formats <= {"json", "jsonl"}:
            given["types"] = {**dict.fromkeys(NESTED, "VARCHAR"), **self.params.types}
        return Files(FilesParams(**given), self.context)

    @cached_property
    def _names(self) -> list[str]:
        """Columns of the files; those that no row has are left out."""
        some = {name for row in self._first for name, value in row.items() if value is not None}
        return [name for name in self._files.schema() if name in some or name not in NESTED]

    @cached_property
    def _first(self) -> list[dict[str, Any]]:
        return [
            row for batch in itertools.islice(self._files.batches(), 1) for row in python_rows(batch.slice(0, SAMPLE))
        ]

    @cached_property
    def _layout(self) -> Layout:
        if self.params.layout is not None:
            return self._named(self.params.layout)
        found = self._found
        if found is None:
            known = ", ".join(layout.name for layout in LAYOUTS)
            raise ColumnError(
                f"{self._where}: no layout is known for columns {', '.join(self._names)}; name one with layout = '...' "
                f"({known}), or read it with source = 'files'"
            )
        return found

    @cached_property
    def _found(self) -> Layout | None:
        """The layout by the first rows. Rows of dqdata have none, but in a table of text their chats are JSON text."""
        if self._formats <= {"csv", "tsv"} and any(str(row.get("messages") or "")[:1] == "[" for row in self._first):
            return layout_named("openai")
        return layout_of(self._names, self._first)

    def _named(self, name: str) -> Layout:
        """The layout of this name. Raises ColumnError where the first rows have nothing that it reads."""
        layout, have = layout_named(name), self._names
        reads = layout.uses(have, self._first)
        if self._first and not set(reads).intersection(have):
            raise ColumnError(
                f"{self._where} row 1: there is no chat in it: layout {name!r} reads {', '.join(reads)}, and the "
                f"files have {', '.join(have)}; name another with --layout, or a column with `columns`"
            )
        return layout

    @cached_property
    def _uses(self) -> tuple[str, ...]:
        """Columns that the layout reads."""
        return self._layout.uses(self._names, self._first)

    @cached_property
    def _kept(self) -> list[str]:
        used = {name for name in self._uses if name in self._names}
        return [name for name in self._names if name not in used or (name == "question" and "question" in used)]

    @cached_property
    def _made(self) -> dict[str, str]:
        """Columns that the layout makes, with their types; what the file has under such a name goes before."""
        made = {name: kind for name, kind in self._layout.makes.items() if name in TAKEN_OVER or name not in self._kept}
        return {name: kind for name, kind in made.items() if name != "tools" or self._has_tools}

    @cached_property
    def _has_tools(self) -> bool:
        return self._layout.name == "glaive" or any(
            name in self._names for name in ("tools", "functions", "nodes", "traces")
        )

    @cached_property
    def _columns(self) -> Columns:
        have = self._files.schema()
        return Columns({**{name: have[name] for name in self._kept}, **self._made})


def _said(value: Any) -> Any:
    """The value without the keys that are null: objects of one column of Parquet all have the keys of each of them, so
    that a null says nothing. JSON text keeps its own."""
    if isinstance(value, list):
        return [_said(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _said(one) for name, one in value.items() if one is not None}
    return value


def has_layout(source: ChatFiles) -> bool:
    """Whether the layout of the files is one that is known. Raises DataError where they can't be read."""
    return source._found is not None


def format_of_name(path: str) -> str:
    """The format that the name of a file or glob says; empty where it says none."""
    from pathlib import Path

    try:
        return format_of(Path(path))
    except DataError:
        return ""
