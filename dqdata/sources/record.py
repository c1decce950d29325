"""Shared by the readers of file formats: column types, and errors that name file and line.

A reader has two halves: `sample_*` learns the columns of a file from its header or its first rows, `read_*` yields all
rows in the types the whole source agreed on, and stops at the first row that disagrees.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dqdata.columns import check_names
from dqdata.errors import ColumnError, DataError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 4 << 20
BATCH_ROWS = 5000
EXCERPT = 60


@dataclass(frozen=True)
class Reading:
    """How files are read. `types`: columns whose type is set, by their name in the file; a value of another kind in a
    text column among them becomes its JSON text."""

    encoding: str = "utf-8"
    sample_rows: int = 1000
    max_row_bytes: int = 8 << 20
    types: Mapping[str, pa.DataType] = field(default_factory=dict)

    @cached_property
    def exact(self) -> bool:
        """Whether a type was set that holds more digits of a fraction than a DOUBLE."""
        import pyarrow as pa

        return any(pa.types.is_decimal(kind) for kind in self.types.values())

    @property
    def is_utf8(self) -> bool:
        return self.encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")


def new_names(
    have: Collection[str], columns: Mapping[str, str], where: str, asked: Sequence[str] = ()
) -> dict[str, str]:
    """New name by name in the data, in the data's order; `columns` is new name to old. Raises ColumnError for an old
    name, or one of `asked`, that isn't there, and for two columns that would have one name in SQL."""
    for name in (*columns.values(), *asked):
        if name not in have:
            raise ColumnError(f"{where} has no column {name!r}{nearest(name, have)} (have: {', '.join(have)})")
    renamed = {old: new for new, old in columns.items()}
    names = {old: renamed.get(old, old) for old in have}
    taken: dict[str, str] = {}
    for old, new in names.items():
        if new.lower() in taken:
            raise ColumnError(
                f"{where}: columns {taken[new.lower()]!r} and {old!r} would have one name in SQL; rename one with "
                f"columns = {{ other_name = {old!r} }}"
            )
        taken[new.lower()] = old
    try:
        check_names(names.values())
    except ColumnError as error:
        raise ColumnError(f'{where}: {error}, as in columns = {{ good_name = "name in the file" }}') from None
    return names


def at(path: Path, line: int, problem: str, what: str = "line") -> DataError:
    """`data/a.jsonl line 17: ...`"""
    return DataError(f"{path} {what} {line}: {problem}")


def too_long(path: Path, line: int, size: int, limit: int, what: str = "line") -> DataError:
    return at(
        path,
        line,
        f"a row of {size / (1 << 20):.1f} MB or more, over max_row_mb = {limit / (1 << 20):g}; is a quote or a line "
        "end missing? If the row is meant, raise max_row_mb",
        what,
    )


def wrong_type(path: Path, line: int, column: str, expected: str, got: str, what: str = "line") -> DataError:
    name = column.split(".")[0].split("[")[0]
    return at(
        path,
        line,
        f"column {column!r} holds {got} where the rows before hold {expected}; fix the row, or read the column as "
        f'text with types = {{ {name} = "VARCHAR" }}',
        what,
    )


def undecodable(path: Path, line: int, encoding: str, byte: int) -> DataError:
    return at(
        path,
        line,
        f"byte 0x{byte:02x} isn't {encoding}; state how the file is encoded, such as encoding = 'latin-1' "
        "(or cp1252, gb18030, utf-16), or save it as UTF-8",
    )


def excerpt(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= EXCERPT else text[:EXCERPT] + "...")
