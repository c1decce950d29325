"""Rows of files: JSON Lines, JSON arrays, CSV, TSV, Parquet and Arrow (Feather), one file, a glob or a list of them.

    from = "data/*.jsonl"
    from = { source = "files", path = "gsm8k.parquet", columns = { question = "problem", answer = "final" } }

Columns of dqdata's vocabulary take its type where they can: `"answer": 4` is read as the text 4. Types of the others
come from the first rows of JSON and CSV; a later row that disagrees stops the reading with its file and line. A key
that a row lacks is null.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dqdata.catalog.values import python_rows
from dqdata.columns import VOCABULARY, Columns, arrow_schema, columns_of
from dqdata.errors import DataError
from dqdata.files import file_hash
from dqdata.ids import canonical, digest
from dqdata.params import Params
from dqdata.source import Source
from dqdata.sources.arrow_files import read_arrow, sample_arrow
from dqdata.sources.counting import rows_in
from dqdata.sources.csv_rows import read_csv, sample_csv
from dqdata.sources.hive import partition, refuse_conflict, types_of, with_columns
from dqdata.sources.json_lines import read_json, sample_json
from dqdata.sources.parquet_rows import read_parquet, sample_parquet
from dqdata.sources.paths import COMPRESSED, Format, folder_of_many, format_of, found
from dqdata.sources.record import Reading, new_names
from dqdata.types import stored_columns

if TYPE_CHECKING:
    import pyarrow as pa


class FilesParams(Params):
    path: str | tuple[str, ...]
    """A file, a glob, or a list of them; relative to pipelines.toml."""
    columns: Mapping[str, str] = {}
    """New name = name in the file. Columns that aren't named here keep theirs."""
    types: Mapping[str, str] = {}
    """DuckDB type by name, where the first rows would tell it wrong."""
    format: Format | None = None
    """By the file's suffix where not given."""
    encoding: str = "utf-8"
    """Of CSV and JSON, by its Python name; Parquet and Arrow have their own."""
    sample_rows: int = Field(1000, ge=0)
    """Rows that tell the types of JSON and CSV; 0 reads all of them."""
    max_row_mb: float = Field(8, gt=0)
    """A longer row is taken for a missing quote or line end."""
    hive: bool = True
    """Whether folders named NAME=VALUE give columns: integers where every value is one, else text, and null for
    `__HIVE_DEFAULT_PARTITION__`. `types` names another type."""
    namespace: str | None = None
    """Prefix of ids that come with the rows: the file's name, or of several files their folder's. Empty: the ids are
    dqdata's own, as in an exported catalog."""


class Files(Source[FilesParams]):
    """Rows of JSONL, JSON, CSV, TSV, Parquet or Arrow (Feather) files."""

    kind = "files"
    Params = FilesParams

    def schema(self) -> Columns:
        return self._schema

    def fingerprint(self) -> str:
        how = self.params.model_dump(include={"columns", "types", "format", "encoding", "sample_rows"})
        folders = [canonical(list(self._partitions.values()))] if any(self._partitions.values()) else []
        return digest("files", canonical(how), *folders, *(file_hash(file, "blake2b") for file in self._files))

    def row_count(self) -> int | None:
        counts = [rows_in(file, self._format(file), self._reading.encoding) for file in self._files]
        return None if None in counts else sum(filter(None, counts))

    def sample(self, rows: int) -> list[dict[str, Any]]:
        return [row for batch in itertools.islice(self.batches(), 1) for row in python_rows(batch.slice(0, rows))]

    def namespace(self) -> str:
        if self.params.namespace is not None:
            return self.params.namespace
        if self.context.grows and (folder := folder_of_many(self.params.path, self.context.root)) is not None:
            return folder.name  # whichever files are there by now
        first = self._files[0]
        return _bare_name(first) if len(self._files) == 1 else first.parent.name

    def batches(self) -> Iterator[pa.RecordBatch]:
        names = list(self._names.values())
        wanted = arrow_schema(self._schema)
        types = {old: wanted.field(new).type for old, new in self._names.items()}
        for file in self._files:
            folders = self._partitions[file]
            for batch in self._read(file, {name: kind for name, kind in types.items() if name not in folders}):
                whole = with_columns(batch, folders, types, file) if folders else batch
                yield whole.rename_columns(names)

    @cached_property
    def _files(self) -> list[Path]:
        return found(self.params.path, self.context.root)

    @cached_property
    def _partitions(self) -> dict[Path, dict[str, str | None]]:
        """Columns that the folders of each file give."""
        root = self.context.root
        return {file: partition(file, root) if self.params.hive else {} for file in self._files}

    @cached_property
    def _reading(self) -> Reading:
        return Reading(
            encoding=_known_encoding(self.params.encoding),
            sample_rows=-(-self.params.sample_rows // len(self._files)),
            max_row_bytes=int(self.params.max_row_mb * (1 << 20)),
            types=self._set_types,
        )

    @cached_property
    def _set_types(self) -> dict[str, pa.DataType]:
        """Types by name in the file: what the user says, and text where the vocabulary says text."""
        new_names = {old: new for new, old in self.params.columns.items()}
        texts = {name: "VARCHAR" for name, known in VOCABULARY.items() if known.type == "VARCHAR"}
        wanted = {self.params.columns.get(name, name): kind for name, kind in texts.items()}
        wanted = {old: kind for old, kind in wanted.items() if new_names.get(old, old) in texts}
        wanted |= {self.params.columns.get(name, name): kind for name, kind in self.params.types.items()}
        schema = arrow_schema(stored_columns(wanted.items()))
        for field in schema:
            if not _readable(field.type):
                raise DataError(
                    f"types: {field.name} = {wanted[field.name]!r} can't be read; read it as VARCHAR and cast it"
                )
        return {field.name: field.type for field in schema}

    @cached_property
    def _schema(self) -> Columns:
        import pyarrow as pa

        return columns_of(pa.schema([(new, self._types[old]) for old, new in self._names.items()]))

    @cached_property
    def _types(self) -> dict[str, pa.DataType]:
        """Types by name in the files, as all files together have them."""
        import pyarrow as pa

        whole = pa.schema([])
        given = types_of(self._partitions.values(), self._set_types)
        for file in self._files:
            own, folders = self._sample(file), self._partitions[file]
            refuse_conflict(file, folders, own)
            sample = pa.schema([*own.items(), *((name, given[name]) for name in folders)])
            try:
                whole = pa.unify_schemas([whole, sample], promote_options="permissive")
            except (pa.ArrowTypeError, pa.ArrowInvalid):
                raise _disagreement(file, sample, whole) from None
        types = {field.name: _without_null(field.type) for field in whole}
        if any(self._format(file) in ("json", "jsonl") for file in self._files):
            late = [self.params.columns.get(name, name) for name in self.params.types]
            types |= {name: self._set_types[name] for name in late if name not in types}
        shares = {self.params.columns.get(name, name) for name, known in VOCABULARY.items() if known.type == "DOUBLE"}
        types |= {name: pa.float64() for name, kind in types.items() if name in shares and pa.types.is_integer(kind)}
        return types

    @cached_property
    def _names(self) -> dict[str, str]:
        """New name by name in the file, in the file's order. Raises ColumnError."""
        asked = [name for name in self.params.types if name not in self.params.columns]
        return new_names(self._types, self.params.columns, str(self._files[0]), asked)

    def _format(self, file: Path) -> Format:
        return self.params.format or format_of(file)

    def _sample(self, file: Path) -> dict[str, pa.DataType]:
        kind = self._format(file)
        if kind == "parquet":
            return sample_parquet(file, self._reading)
        if kind == "arrow":
            return {name: self._reading.types.get(name) or own for name, own in sample_arrow(file).items()}
        if kind in ("csv", "tsv"):
            return sample_csv(file, self._reading, "\t" if kind == "tsv" else ",")
        return sample_json(file, self._reading, array=kind == "json")

    def _read(self, file: Path, types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        kind = self._format(file)
        if kind == "parquet":
            return read_parquet(file, types, self._reading)
        if kind == "arrow":
            return read_arrow(file, types, self._reading)
        if kind in ("csv", "tsv"):
            return read_csv(file, types, self._reading, "\t" if kind == "tsv" else ",")
        return read_json(file, types, self._reading, array=kind == "json")


def _known_encoding(name: str) -> str:
    import codecs

    try:
        codecs.lookup(name)
    except LookupError:
        raise DataError(f"encoding = {name!r} is unknown; such as utf-8, latin-1, cp1252, gb18030, utf-16") from None
    return name


def _without_null(kind: pa.DataType) -> pa.DataType:
    """The type with text where nothing but nulls was seen."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return pa.list_(_without_null(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _without_null(field.type)) for field in kind])
    return pa.string() if pa.types.is_null(kind) else kind


def _readable(kind: pa.DataType) -> bool:
    """Whether a value of JSON or CSV can be read as this."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return _readable(kind.value_type)
    if pa.types.is_struct(kind):
        return all(_readable(field.type) for field in kind)
    return kind in (pa.string(), pa.int64(), pa.float64(), pa.bool_()) or pa.types.is_decimal128(kind)


def _disagreement(file: Path, sample: pa.Schema, whole: pa.Schema) -> DataError:
    """Which column of a file isn't what it is in the files before."""
    import pyarrow as pa

    for field in sample:
        if field.name not in whole.names:
            continue
        before = whole.field(field.name).type
        try:
            pa.unify_schemas([pa.schema([field]), pa.schema([(field.name, before)])], promote_options="permissive")
        except (pa.ArrowTypeError, pa.ArrowInvalid):
            return DataError(
                f"{file}: column {field.name!r} is {field.type}, but {before} in the files before; make them agree, or "
                f'read it as text with types = {{ {field.name} = "VARCHAR" }}'
            )
    return DataError(f"{file}: its columns can't be joined with those of the files before")


def _bare_name(path: Path) -> str:
    """The file's name without its suffixes."""
    known = [suffix for suffix in path.suffixes if suffix.lower() in COMPRESSED]
    return Path(path.name.removesuffix(known[-1]) if known else path.name).stem
