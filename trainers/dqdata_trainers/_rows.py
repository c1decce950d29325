"""Turns a split's chats into tokens once, on disk, and drops, shortens or refuses rows that are too long.

    prepared = prepare(data, "train", tokenizer, params, out)
    prepared.rows      # memory-mapped: input_ids, labels, row
    prepared.notes     # ("3 of 400 rows are longer than max_length = 512 and were dropped: trace_id a1, b2, c3",)

All ranks map the files that the first of them wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dqdata.columns import KEYS
from dqdata.errors import DataError, InputError
from dqdata.ids import canonical, digest
from dqdata.models import IGNORED, Tokens, Turns, tokenize_turns
from dqdata.trainer import Data
from dqdata_trainers._config import TrlParams

if TYPE_CHECKING:
    from datasets import Dataset

"""Types of a column that can be compared with a number."""
BINNED = ("rv", "cd")
"""Scores of 0 to 9 that say how long and how hard a trace is."""
PREPARED = ("input_ids", "labels", "row", "source", "stale")
"""Columns of rows in tokens, before those that are not needed for training go."""
ROWS_AT_ONCE = 200
NAMED = 5
"""How many rows a message names."""


@dataclass(frozen=True)
class Prepared:
    """rows: input_ids, labels and `row`, the row's key, memory-mapped. notes: what became of rows, for the reader."""

    rows: Dataset
    notes: tuple[str, ...]


def prepare(
    data: Data,
    split: str,
    tokenizer: Any,
    params: TrlParams,
    out: Path,
    extra: Sequence[str] = (),
    turns: Turns = "whole",
) -> Prepared:
    """Tokens and labels of a split's `messages`, and the columns in `extra` as they are. turns: the rows that a chat
    becomes (`dqdata.models.tokenize_turns`). Raises InputError naming the row where a chat can't be trained on, and
    where rows are too long and `on_too_long` is "error"."""
    kwargs = dict(params.chat_template_kwargs)
    start = len(f"{split} split, ")
    held = {column: f"own_{column}" if column in PREPARED else column for column in extra}

    def encode(row: Mapping[str, Any], index: int) -> list[dict[str, Any]]:
        where = row_name(split, row, index)
        name = where[start:]
        made = chat_rows(tokenizer, row, where, kwargs, turns)
        kept = {held[column]: row[column] for column in extra}
        return [
            {"input_ids": one.input_ids, "labels": one.labels, "row": name, "source": index, "stale": one.stale, **kept}
            for one in made
        ]

    how = canonical([kwargs, list(extra), *([turns] if turns != "whole" else [])])
    recipe = (data.queries[split], str(tokenizer.chat_template), tokenizer.eos_token, how)
    rows = map_once(data.dataset(split), encode, out / "tokens" / f"{split}-{digest(*recipe)[:12]}.arrow", many=True)
    lengths = row_lengths(rows)
    kept, notes = settle_long(rows, lengths, split, params)
    arrow = rows.with_format("arrow")
    sources = arrow["source"].to_pylist() if len(rows) else []
    notes = (*lengths_by_bin(data, split, lengths, params.max_length, sources), *notes)
    if len(rows) > data.rows[split]:
        notes += (f"{split}: {data.rows[split]:,} chats became {len(rows):,} training rows: the chat template renders "
                  "earlier turns another way once a later turn follows, so those have a row each",)  # fmt: skip
    stale = sum(arrow["stale"].to_pylist()) if len(rows) else 0
    if stale:
        notes += (f"{split}: {stale} earlier assistant turns aren't trained on: the chat template renders them "
                  "another way once a later turn follows",)  # fmt: skip
    kept = kept.select_columns(["input_ids", "labels", "row", *held.values()])
    renamed = {name: column for column, name in held.items() if name != column and column not in kept.column_names}
    return Prepared(kept.rename_columns(renamed) if renamed else kept, notes)


def chat_rows(
    tokenizer: Any, row: Mapping[str, Any], name: str, kwargs: Mapping[str, Any], turns: Turns = "whole"
) -> list[Tokens]:
    """The training rows of a row with `messages`, and with `tools` where there are any. Raises InputError that begins
    with `name` where the chat can't be trained on."""
    if not row["messages"]:
        raise DataError(f"{name}: `messages` is empty")
    try:
        return tokenize_turns(tokenizer, row["messages"], kwargs, row.get("tools"), turns)
    except InputError as error:
        raise type(error)(f"{name}: {error}") from error


def row_name(split: str, row: Mapping[str, Any], index: int) -> str:
    """How messages name a row: by its key, or its number in the split."""
    key = next((name for name in KEYS if name in row), None)
    return f"{split} split, {key} {row[key]}" if key else f"{split} split, row {index}"


def check_chats(
    split: str, rows: Sequence[Mapping[str, Any]], model: str, params: TrlParams, turns: Turns = "whole"
) -> None:
    """Raises InputError naming the row whose chat the template of the student in the folder `model` can't write."""
    from dqdata_trainers._students import load_tokenizer

    tokenizer = load_tokenizer(model, params)
    for index, row in enumerate(rows):
        chat_rows(tokenizer, row, row_name(split, row, index), dict(params.chat_template_kwargs), turns)


def chat_tokens(
    rows: Iterable[Mapping[str, Any]], model: str, params: TrlParams, turns: Turns = "whole"
) -> Iterator[int]:
    """Tokens that each row of the train split is trained with; `model` has the student's tokenizer."""
    from dqdata_trainers._students import load_tokenizer

    tokenizer, kwargs = load_tokenizer(model, params), dict(params.chat_template_kwargs)
    for index, row in enumerate(rows):
        made = chat_rows(tokenizer, row, row_name("train", row, index), kwargs, turns)
        yield sum(trained_tokens(len(one.input_ids), params) for one in made)


def trained_tokens(length: int, params: TrlParams) -> int:
    """Tokens of a training row of so many that a step sees, by what becomes of rows that are too long."""
    if params.max_length is None or length <= params.max_length:
        return length
    return 0 if params.on_too_long == "drop" else params.max_length if params.on_too_long == "truncate" else length


def map_once(rows: Dataset, function: Any, file: Path, features: Any = None, *, many: bool = False) -> Dataset:
    """`function(row, index)` over all rows, written to `file` by the first rank of a node and mapped by all. features:
    types of the columns, where those that the first rows show will not do. many: the function gives a list of rows."""
    from accelerate import PartialState

    file.parent.mkdir(parents=True, exist_ok=True)
    given = _flattened(function) if many else function
    with PartialState().local_main_process_first():
        return rows.map(
            given,
            with_indices=True,
            batched=many,
            batch_size=ROWS_AT_ONCE,
            remove_columns=rows.column_names,
            cache_file_name=str(file),
            new_fingerprint=file.stem,
            load_from_cache_file=True,
            features=features,
        )


def _flattened(function: Any) -> Any:
    """`function`, which gives a list of rows for a row, over batches of columns."""

    def batch(columns: Mapping[str, Sequence[Any]], indices: Sequence[int]) -> dict[str, list[Any]]:
        names = list(columns)
        made: list[Mapping[str, Any]] = []
        for values, index in zip(zip(*columns.values(), strict=True), indices, strict=True):
            made += function(dict(zip(names, values, strict=True)), index)
        return {name: [row[name] for row in made] for name in made[0]}

    return batch


def row_lengths(rows: Dataset, column: str = "input_ids") -> list[int]:
    """Tokens of each row; reads the offsets of the lists, not the tokens."""
    import pyarrow.compute as pc

    return [int(n) for chunk in rows.data.column(column).chunks for n in pc.list_value_length(chunk).to_pylist()]


def lengths_by_bin(
    data: Data, split: str, lengths: Sequence[int], limit: int | None, sources: Sequence[int]
) -> tuple[str, ...]:
    """A note on how long rows are, for each column of BINNED that the split has: long thinking is what is lost first
    where max_length is too small. lengths: of all rows, in their order. sources: the row of the split that each one is
    from."""
    notes = []
    for column in BINNED:
        if column not in data.columns[split]:
            continue
        bins: dict[int, list[int]] = {}
        values = list(data.dataset(split)[column])
        for source, length in zip(sources, lengths, strict=True):
            if (value := values[source]) is not None:
                bins.setdefault(int(value), []).append(length)
        parts = [_bin(name, sorted(bins[name]), limit) for name in sorted(bins)]
        if parts:
            notes.append(f"{split}: tokens by {column}, median and longest: {'; '.join(parts)}")
    return tuple(notes)


def _bin(name: int, lengths: list[int], limit: int | None) -> str:
    over = sum(limit is not None and length > limit for length in lengths)
    too_long = f", {over} of {len(lengths)} over {limit}" if over else ""
    return f"{name}: {lengths[len(lengths) // 2]} and {lengths[-1]}{too_long}"


def settle_long(rows: Dataset, lengths: list[int], split: str, params: TrlParams) -> tuple[Dataset, tuple[str, ...]]:
    """The rows that stay, and a note about those that were too long; cutting them is left to TRL, which keeps the
    start. Raises InputError where `on_too_long` is "error" or no row would be left."""
    limit = params.max_length
    if limit is None or not (long := [index for index, length in enumerate(lengths) if length > limit]):
        return rows, ()
    verb: Mapping[Literal["error", "drop", "truncate"], str] = {
        "error": "none was trained on", "drop": "were dropped", "truncate": "are cut",
    }  # fmt: skip
    note = (
        f"{split}: {len(long)} of {len(rows)} rows are longer than max_length = {limit} and "
        f"{verb[params.on_too_long]}: {named(rows[index]['row'] for index in long)}; the longest has "
        f"{max(lengths)} tokens"
    )
    if params.on_too_long == "error":
        fix = f"Set max_length = {max(lengths)}, or on_too_long = 'drop' or 'truncate'"
        raise InputError(f"{note.replace(' and none was trained on', '')}. {fix}")

    gone = set(long)
    if params.on_too_long == "truncate":
        gone = {index for index in long if _nothing_left(rows[index], limit)}
        note += f"; {len(gone)} of them had nothing left to learn and were dropped" if gone else ""
    if len(gone) == len(rows):
        raise InputError(f"{note}: no row is left. Set max_length = {max(lengths)}")
    kept = rows.select([index for index in range(len(rows)) if index not in gone]) if gone else rows
    return kept, (note,)


def _nothing_left(row: Mapping[str, Any], limit: int) -> bool:
    if "prompt_ids" in row:
        return len(row["prompt_ids"]) >= limit
    return all(label == IGNORED for label in row["labels"][:limit])


def named(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
