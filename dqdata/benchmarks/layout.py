"""What a benchmark is: where it is published, its fields, and the rows that they become."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dqdata.columns import Columns
from dqdata.errors import DataError, nearest

Record = Mapping[str, Any]
Row = dict[str, Any]

COMMON = {
    "question": "VARCHAR",
    "answer_type": "VARCHAR",
    "domain": "VARCHAR",
    "source": "VARCHAR",
    "benchmark_id": "VARCHAR",
}
"""Columns of every benchmark. benchmark_id: the name that the benchmark itself gives the problem; null where none."""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark in its published layout; none of its rows are shipped.

    name: as `eval --on` and `decontaminate` call it. hub, config, split: of its data set on the hub. problem: the field
    that holds the problem. answer_type: which verifier applies. columns: what its rows have beside `COMMON`. read: one
    published record to those columns and the question, from (record, seed); raises KeyError with the name of a field
    that is missing, and ValueError for one that can't be read. user: the user's turn of an evaluation. by: columns that
    an evaluation groups its scores by. license: that its publisher states, empty where none is known here. files: JSONL
    files by release, oldest first, each of which adds to those before, where the hub's set has a loading script that
    `datasets` no longer runs.
    """

    name: str
    hub: str
    split: str
    problem: str
    answer_type: str
    domain: str
    columns: Mapping[str, str]
    read: Callable[[Record, int], Row]
    user: str
    by: tuple[str, ...] = ()
    config: str | None = None
    license: str = ""
    files: tuple[str, ...] = ()

    @property
    def file_pattern(self) -> str | None:
        """A glob for the files of every release, of those to come too; None where the hub's set can be loaded."""
        first = Path(self.files[0]) if self.files else None
        return f"{first.stem}*{first.suffix}" if first else None

    @property
    def all_columns(self) -> Columns:
        return Columns({**COMMON, **self.columns})

    def row(self, record: Record, seed: int, where: str) -> Row:
        """The row of a published record, or of a copy with dqdata's own names. seed: of the order of options. where:
        file and row, for errors. Raises DataError."""
        try:
            made = self.read(record, seed)
        except KeyError as error:
            field = str(error.args[0])
            have = ", ".join(record)
            raise DataError(
                f"{where}: {self.name} needs the field {field!r}{nearest(field, record)} (have: {have}); its published "
                f"layout is that of {self.hub}, and `columns = {{ {field} = 'YOURS' }}` renames a copy's"
            ) from None
        except (ValueError, TypeError) as error:
            raise DataError(f"{where}: {self.name}: {error}") from error
        known = {"answer_type": self.answer_type, "domain": self.domain, "source": self.name, "benchmark_id": None}
        return {**dict.fromkeys(self.all_columns), **known, **made}


def text_of(record: Record, *names: str) -> str:
    """The first of these fields that holds text, or a number as text. Raises KeyError with the first name."""
    for name in names:
        value = record.get(name)
        if value is not None and str(value).strip():
            return str(value)
    raise KeyError(names[0])


def optional(record: Record, *names: str) -> str | None:
    """The same, None where there is none."""
    try:
        return text_of(record, *names)
    except KeyError:
        return None
