"""The formats that `dqdata export --to` writes, by name.

Those in FORMATS write what a trainer of the tool reads; those in TABLES write the rows as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

from dqdata.errors import DataError, nearest
from dqdata.exchange import axolotl, llama_factory, ms_swift, openrlhf, trl, verifiers, verl
from dqdata.exchange.writers import Format

FORMATS: Mapping[str, Format] = {
    module.FORMAT.name: module.FORMAT for module in (llama_factory, ms_swift, verl, trl, verifiers, openrlhf, axolotl)
}
TABLES: Mapping[str, str] = {"jsonl": "jsonl", "parquet": "parquet", "csv": "csv", "hf": "parquet"}
"""Suffix of the files of a format that holds the rows as they are. hf: a folder that `datasets` reads."""
NAMES = (*FORMATS, *TABLES)


def format_named(name: str) -> Format | None:
    """The format of a tool; None for one that holds the rows as they are. Raises DataError for an unknown name."""
    if name not in NAMES:
        raise DataError(f"no format {name!r}{nearest(name, NAMES)} (there are: {', '.join(NAMES)})")
    return FORMATS.get(name)
