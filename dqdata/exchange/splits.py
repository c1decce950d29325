"""Names of the files and splits that rows are written to, by the values of their column `split`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from dqdata.errors import DataError

RESERVED = ("all",)
"""Names that `datasets` keeps for itself."""


def split_names(splits: Iterable[str]) -> dict[str, str]:
    """A name that `datasets` takes for a split (letters, digits, `_` and single dots) by each value of the column.
    Raises DataError where two values would have one name."""
    return _distinct(splits, _of_datasets)


def file_names(splits: Iterable[str]) -> dict[str, str]:
    """The name of a file, without its suffix, by each value of the column. Raises DataError where two would be one."""
    return _distinct(splits, file_name)


def file_name(split: str) -> str:
    """The name of a split's file, without its suffix."""
    return re.sub(r"[^\w.-]+", "_", split).strip(".") or "train"


def _of_datasets(split: str) -> str:
    name = re.sub(r"\.{2,}", ".", re.sub(r"[^\w.]+", "_", split)).strip(".") or "train"
    return f"{name}_" if name.lower() in RESERVED else name


def _distinct(splits: Iterable[str], naming: Callable[[str], str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for split in splits:
        name = naming(split)
        taken = next((one for one, known in names.items() if known.lower() == name.lower()), None)
        if taken is not None:
            raise DataError(f"the splits {taken!r} and {split!r} would have one file, {name}; rename one of them")
        names[split] = name
    return names
