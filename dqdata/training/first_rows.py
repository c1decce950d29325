"""Renders the first rows of a trainer's splits with its student's tokenizer, for `dqdata check`.

Reads only what is on this machine: catalogs that were made, and the tokenizer in a student's folder, GGUF file or
download.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dqdata.errors import QueryError, boundary
from dqdata.models import ModelRef
from dqdata.models.tokenizer import tokenizer_folder
from dqdata.trainer import Trainer
from dqdata.training.job import unpacked_models

if TYPE_CHECKING:
    from dqdata.catalog import Store

ROWS = 8
"""Rows of a split that a check renders."""


def check_first_rows(trainer: Trainer[Any], queries: Mapping[str, str], student: ModelRef, store: Store) -> None:
    """Raises InputError, naming split and row, where the student's template loses part of one of the first rows, and
    for a GGUF file that can't be read. Passed over, for `train` checks all rows: splits whose catalogs are still to be
    made, hub models that were not downloaded, and all where the package that reads tokenizers isn't installed."""
    if importlib.util.find_spec("transformers") is None:
        return
    first = {split: rows for split, query in queries.items() if (rows := _first(query, store))}
    if not first:
        return
    with tokenizer_folder(student, unpacked_models(store)) as folder:
        for split, rows in first.items():
            if folder is not None:
                with boundary("trainer", trainer.kind):
                    trainer.check_rows(split, rows, folder)


def _first(query: str, store: Store) -> list[dict[str, Any]]:
    try:
        batches = store.query(f"select * from ({query}\n) limit {ROWS}", repeatable=True)
        return [row for batch in batches for row in batch.to_pylist()]
    except QueryError:
        return []
