"""Preference pairs in tokens: one prompt, the turn that is better, the turn that is worse.

    rows need   prompt    chat up to the student's turn
                chosen    the preferred turn, thinking and response
                rejected  the worse one

Both turns go through the same checks as chats for SFT. A pair whose two turns read the same teaches nothing and is
refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dqdata.columns import MESSAGES, Columns
from dqdata.errors import ColumnError, DataError, InputError
from dqdata.ids import canonical, digest
from dqdata.models import IGNORED, tokenize
from dqdata.trainer import Data
from dqdata_trainers._config import TrlParams
from dqdata_trainers._rows import Prepared, map_once, row_lengths, row_name, settle_long, trained_tokens
from dqdata_trainers._students import load_tokenizer

SPLITS = ("train", "eval")


def needs_pairs(kind: str, split: str, have: Columns) -> None:
    """Raises ColumnError where a split can't hold pairs."""
    if split not in SPLITS:
        raise ColumnError(f"{kind} has no use for a split {split!r}: it reads {' and '.join(SPLITS)}")
    for name in ("prompt", "chosen", "rejected"):
        have.require(name, MESSAGES)


def prepare_pairs(
    data: Data, split: str, tokenizer: Any, params: TrlParams, out: Path, extra: Sequence[str] = ()
) -> Prepared:
    """prompt_ids, chosen_ids, rejected_ids, the row's name, and the columns in `extra` as they are. Raises InputError
    naming the row."""
    kwargs = dict(params.chat_template_kwargs)
    start = len(f"{split} split, ")

    def encode(row: Mapping[str, Any], index: int) -> dict[str, Any]:
        name = row_name(split, row, index)
        pair = _named_pair(tokenizer, row, kwargs, name)
        return {**pair, "row": name[start:], **{column: row[column] for column in extra}}

    recipe = (data.queries[split], str(tokenizer.chat_template), tokenizer.eos_token, canonical([kwargs, list(extra)]))
    rows = map_once(data.dataset(split), encode, out / "tokens" / f"{split}-{digest(*recipe)[:12]}.arrow")
    prompts, chosen, rejected = (row_lengths(rows, name) for name in ("prompt_ids", "chosen_ids", "rejected_ids"))
    longest = [p + max(c, r) for p, c, r in zip(prompts, chosen, rejected, strict=True)]
    kept, notes = settle_long(rows, longest, split, params)
    return Prepared(kept, notes)


def check_pairs(split: str, rows: Sequence[Mapping[str, Any]], model: str, params: TrlParams) -> None:
    """Raises InputError naming the row whose pair the template of the student in the folder `model` can't write."""
    tokenizer = load_tokenizer(model, params)
    for index, row in enumerate(rows):
        _named_pair(tokenizer, row, dict(params.chat_template_kwargs), row_name(split, row, index))


def pair_tokens(rows: Iterable[Mapping[str, Any]], model: str, params: TrlParams) -> Iterator[int]:
    """Tokens that each pair of the train split is trained with, those of the prompt before each turn; `model` has the
    student's tokenizer."""
    tokenizer, kwargs = load_tokenizer(model, params), dict(params.chat_template_kwargs)
    for index, row in enumerate(rows):
        pair = _named_pair(tokenizer, row, kwargs, row_name("train", row, index))
        prompt, turns = len(pair["prompt_ids"]), (len(pair["chosen_ids"]), len(pair["rejected_ids"]))
        fits = trained_tokens(prompt + max(turns), params) > 0
        yield sum(trained_tokens(prompt + turn, params) for turn in turns) if fits else 0


def _named_pair(tokenizer: Any, row: Mapping[str, Any], kwargs: Mapping[str, Any], name: str) -> dict[str, list[int]]:
    try:
        return encode_pair(tokenizer, row, kwargs)
    except InputError as error:
        raise type(error)(f"{name}: {error}") from error


def encode_pair(tokenizer: Any, row: Mapping[str, Any], kwargs: Mapping[str, Any]) -> dict[str, list[int]]:
    """Raises InputError for a pair that can't be learnt from."""
    for name in ("prompt", "chosen", "rejected"):
        if not row[name]:
            raise DataError(f"`{name}` is empty")
    if list(row["chosen"]) == list(row["rejected"]):
        raise DataError("`chosen` and `rejected` are the same")

    whole = {
        name: tokenize(tokenizer, [*row["prompt"], *row[name]], kwargs, row.get("tools"))
        for name in ("chosen", "rejected")
    }
    starts, ends = {}, {}
    for name, tokens in whole.items():
        starts[name], ends[name] = last_turn(tokens.labels)
    start = min(starts.values())
    prompt = whole["chosen"].input_ids[:start]
    if whole["rejected"].input_ids[:start] != prompt:
        raise DataError("the chat template renders the prompt differently before `chosen` and before `rejected`")
    return {
        "prompt_ids": prompt,
        "chosen_ids": whole["chosen"].input_ids[start : ends["chosen"]],
        "rejected_ids": whole["rejected"].input_ids[start : ends["rejected"]],
    }


def last_turn(labels: Sequence[int]) -> tuple[int, int]:
    """Where the last turn that is trained on begins, and where it ends."""
    trained = [index for index, label in enumerate(labels) if label != IGNORED]
    turn = len(trained) - 1
    while turn > 0 and trained[turn - 1] == trained[turn] - 1:
        turn -= 1
    return trained[turn], trained[-1] + 1
