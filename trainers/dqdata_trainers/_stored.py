"""The teacher's log-probabilities that were stored with its answers, put beside the student's own tokens.

    { op = "generate", teacher = "big", top_logprobs = 10 }      # keeps them in the column `top_logprobs`

    tokens of the chat     <think>   I    add   ...   <|im_end|>
    stored by the teacher            I    add   ...                  a token, and its k likeliest at that place

They fit only where both tokenizers cut the text alike: the teacher's tokens must stand, one by one, among those that
the student is trained on. Tags that the chat adds, and the end of the turn, have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.errors import DataError, InputError
from dqdata.ids import digest
from dqdata.models import IGNORED
from dqdata_trainers._rows import map_once

if TYPE_CHECKING:
    from datasets import Dataset

COLUMN = "top_logprobs"
BROKEN = "\N{REPLACEMENT CHARACTER}"
"""In the place of a token that is only a part of a character."""

ADVICE = "take a teacher with the student's tokenizer, or train with kind = 'sft'"


class TokenTexts:
    """What each token of the student reads as, within a text."""

    def __init__(self, tokenizer: Any) -> None:
        # Some tokenizers drop a blank at the start of a text, so each token is decoded after another one.
        [*_, anchor] = tokenizer("a", add_special_tokens=False)["input_ids"]
        start = len(tokenizer.decode([anchor]))
        self.texts = [str(tokenizer.decode([anchor, number]))[start:] for number in range(len(tokenizer))]
        self.special = {str(token) for token in tokenizer.all_special_tokens}
        self.numbers: dict[str, int | None] = {}
        for number, text in enumerate(self.texts):
            self.numbers[text] = None if text in self.numbers or not text or BROKEN in text else number

    def number(self, text: str) -> int | None:
        """The token that reads like this; None where several do, or none whole. Raises DataError for others."""
        if text and BROKEN not in text and text not in self.numbers:
            raise DataError(f"the teacher's token {text!r} isn't a token of the student; {ADVICE}")
        return self.numbers.get(text)

    def align(self, labels: Sequence[int], stored: Sequence[Mapping[str, Any]]) -> dict[str, list[list[Any]]]:
        """top_ids and top_logprobs at each label's place, empty where nothing is stored. Raises DataError."""
        trained = [index for index, label in enumerate(labels) if label != IGNORED]
        ours = [self.texts[labels[index]] for index in trained]
        said = self._without_ends(stored)
        theirs = [str(one["token"]) for one in said]
        if not theirs:
            raise DataError(f"`{COLUMN}` is empty")
        first = next((n for n in range(len(ours) - len(theirs), -1, -1) if ours[n : n + len(theirs)] == theirs), None)
        if first is None:
            raise DataError(self._difference(ours, theirs))

        ids: list[list[Any]] = [[] for _ in labels]
        logprobs: list[list[Any]] = [[] for _ in labels]
        for place, one in zip(trained[first:], said, strict=False):
            likely = self._likely(one, labels[place])
            ids[place], logprobs[place] = list(likely), list(likely.values())
        return {"top_ids": ids, "top_logprobs": logprobs}

    def _likely(self, one: Mapping[str, Any], written: int) -> dict[int, float]:
        """Log-probability of each token that is known at one place, the one that was written among them."""
        likely: dict[int, float] = {}
        for other in [one, *(one["top"] or ())]:
            text, logprob = str(other["token"]), other["logprob"]
            number = written if text == one["token"] else self.number(text)
            if number is not None and logprob is not None:
                likely.setdefault(number, float(logprob))
        return likely

    def _without_ends(self, stored: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Without white space and special tokens around the answer, which the chat writes in its own way."""
        kept = list(stored)
        for end in (-1, 0):
            while kept and (not str(kept[end]["token"]).strip() or kept[end]["token"] in self.special):
                kept.pop(end)
        return kept

    def _difference(self, ours: Sequence[str], theirs: Sequence[str]) -> str:
        start = "".join(ours).find("".join(theirs))
        if start < 0:
            return (
                f"the chat doesn't hold the text that the teacher's tokens spell ({''.join(theirs)[:40]!r}...): it was "
                "changed since it was generated"
            )
        at, index = 0, 0
        while at < start:
            at, index = at + len(ours[index]), index + 1
        apart = next((n for n, (a, b) in enumerate(zip(ours[index:], theirs, strict=False)) if a != b), 0)
        return (
            f"teacher and student cut the text differently: after {''.join(theirs[:apart])[-20:]!r} the teacher has "
            f"the token {theirs[apart]!r}, the student {ours[index + apart]!r}; {ADVICE}"
        )


def beside(rows: Dataset, split: str, tokenizer: Any, out: Path) -> Dataset:
    """rows: input_ids, labels, row and the stored column. Gives input_ids, labels, top_ids, top_logprobs and row,
    memory-mapped. Raises DataError naming the row."""
    texts = TokenTexts(tokenizer)

    def put(row: Mapping[str, Any], index: int) -> dict[str, Any]:
        if row[COLUMN] is None:
            raise DataError(f"{split} split, {row['row']}: `{COLUMN}` is null; leave such rows out")
        try:
            placed = texts.align(row["labels"], row[COLUMN])
        except InputError as error:
            raise DataError(f"{split} split, {row['row']}: {error}") from error
        return {"input_ids": row["input_ids"], "labels": row["labels"], "row": row["row"], **placed}

    return map_once(rows, put, out / "tokens" / f"{split}-{digest(str(rows._fingerprint), 'stored')[:12]}.arrow")
