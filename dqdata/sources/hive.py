"""Columns that the folders of a file give: `year=2024/part=a%20b/x.parquet` is in year 2024 and part "a b".

>>> partition(Path("/data/year=2024/part=a%20b/x.parquet"), Path("/data"))
{'year': '2024', 'part': 'a b'}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

from dqdata.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

NULL = "__HIVE_DEFAULT_PARTITION__"
"""The folder's value for null, as Hive, Spark and DuckDB write it."""
Partition: TypeAlias = Mapping[str, str | None]


def partition(file: Path, root: Path) -> dict[str, str | None]:
    """Names and values of the folders `NAME=VALUE` of a file, those above `root` left out. Raises DataError where two
    give the same name."""
    inside = file.parent.relative_to(root) if file.is_relative_to(root) else file.parent
    found: dict[str, str | None] = {}
    for part in inside.parts:
        name, sign, value = part.partition("=")
        if not sign or not name:
            continue
        name = unquote(name)
        if name in found:
            raise DataError(
                f"{file}: two of its folders give {name!r}; write hive = false to read no column from folders"
            )
        found[name] = None if value == NULL else unquote(value)
    return found


def types_of(partitions: Iterable[Partition], given: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    """The type of each column over all files: the given one, integers where every value is written as one, or text."""
    import pyarrow as pa

    values: dict[str, list[str]] = {}
    for found in partitions:
        for name, value in found.items():
            values.setdefault(name, []).extend([] if value is None else [value])
    return {
        name: given.get(name) or (pa.int64() if texts and all(map(_is_integer, texts)) else pa.string())
        for name, texts in values.items()
    }


def refuse_conflict(file: Path, found: Partition, columns: Iterable[str]) -> None:
    """Raises DataError where the file itself has a column that its folders give."""
    if both := sorted(set(found) & set(columns)):
        raise DataError(
            f"{file}: column {both[0]!r} is in the file and in the name of its folder; write hive = false to read the "
            "file's own, or take the column out of the file"
        )


def with_columns(
    batch: pa.RecordBatch, found: Partition, types: Mapping[str, pa.DataType], file: Path
) -> pa.RecordBatch:
    """The batch in these types and their order, with the columns of its folders. Raises DataError."""
    import pyarrow as pa

    columns = []
    for name, kind in types.items():
        if name not in found:
            columns.append(batch.column(name))
            continue
        try:
            value = pa.scalar(found[name], pa.string()).cast(kind)
        except pa.ArrowInvalid:
            raise DataError(f"{file}: its folder gives {name} = {found[name]!r}, which isn't {kind}") from None
        columns.append(pa.repeat(value, batch.num_rows))
    return pa.RecordBatch.from_arrays(columns, names=list(types))


def _is_integer(text: str) -> bool:
    """Whether a number is written as it would be printed: `007` is a text."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19 and str(int(text)) == text
