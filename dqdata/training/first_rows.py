"""Renders the first rows of a trainer's splits with its student's tokenizer, for `dqdata check`.

Reads only what is on this machine: catalogs that were made, and a student's folder with its tokenizer.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.errors import QueryError
from dqdata.models import ModelRef
from dqdata.trainer import Trainer

if TYPE_CHECKING:
    from dqdata.catalog import Store

ROWS = 8
"""Rows of a split that a check renders."""


def tokenizer_folder(ref: ModelRef) -> str | None:
    """Folder of the model's tokenizer where it is one on this machine; None for hub names and GGUF files, and where the
    package that reads it isn't installed."""
    folder = ref.path if ref.kind == "folder" else ref.base if ref.kind == "adapter" else ""
    readable = bool(folder) and (Path(folder) / "tokenizer.json").is_file()
    return folder if readable and importlib.util.find_spec("transformers") is not None else None


def check_first_rows(trainer: Trainer[Any], queries: Mapping[str, str], folder: str, store: Store) -> None:
    """Raises InputError, naming split and row, where the student's template loses part of one of the first rows. A
    split whose catalogs are still to be made is passed over: `train` checks all rows."""
    for split, query in queries.items():
        try:
            batches = store.query(f"select * from ({query}\n) limit {ROWS}", repeatable=True)
            rows = [row for batch in batches for row in batch.to_pylist()]
        except QueryError:
            continue
        if rows:
            trainer.check_rows(split, rows, folder)
