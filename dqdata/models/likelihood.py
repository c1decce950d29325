"""Reads chats with a causal language model: how likely each token of the assistant is, and how high the model ranks it.

>>> Likelihood(folder).read([chat])
[Reading(nll=0.71, rank=2.4, tokens=212, step_nll=(0.9, 0.4, ...))]

The tokens that are measured are those that `sft` computes its loss on: the turns of the assistant, thinking and end of
turn included. One forward pass reads a batch, padded on the right under a mask. The scores over the vocabulary are
computed for a part of the positions at a time, so that a long trace does not need positions times vocabulary of memory.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from dqdata.errors import DataError, InputError
from dqdata.models.loading import loading, without_weights
from dqdata.models.names import scores_in
from dqdata.models.rendering import IGNORED, Messages, Tokens, tokenize
from dqdata.teacher import reward_model

BATCH_TOKENS = 1 << 15
"""Tokens, padding included, that one forward pass reads at most, unless a single chat is longer."""
LOGITS = 1 << 26
"""Scores over the vocabulary that are held at once: 256 MB in float32."""
STEP_END = re.compile(r"\S\s*\n[ \t]*\n\s*$")
"""The end of a step: text, and then a blank line."""


class Reading(NamedTuple):
    """What a model makes of the assistant's tokens of a chat.

    nll: mean negative log-likelihood, nats per token. rank: mean rank of the token among the vocabulary, 1 for the
    likeliest. tokens: how many were measured. step_nll: the mean negative log-likelihood of each step; blank lines part
    steps.
    """

    nll: float
    rank: float
    tokens: int
    step_nll: tuple[float, ...]


class Likelihood:
    """A causal language model that reads. context: tokens that it can read, None where nothing says so."""

    def __init__(
        self,
        path: str,
        *,
        revision: str = "",
        dtype: torch.dtype = torch.float32,
        chat_template: Path | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        trust_remote_code: bool = False,
        allow_pickle: bool = False,
    ) -> None:
        """Raises InputError where the model can't be loaded or has no chat template."""
        at = loading(revision, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle)
        try:
            config = AutoConfig.from_pretrained(path, **without_weights(at))
            if scores := scores_in(config.to_dict()):
                raise reward_model(path, scores)
            self.tokenizer = AutoTokenizer.from_pretrained(path, **without_weights(at))
            self.model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, **at)
        except (OSError, ValueError) as error:
            raise InputError(f"model {path} can't be loaded: {error}") from error
        if chat_template is not None:
            self.tokenizer.chat_template = chat_template.read_text(encoding="utf-8")
        if not self.tokenizer.chat_template:
            raise InputError(
                f"model {path} has no chat template (a base model?): set `chat_template` to a Jinja file, the one that "
                "the student is to be trained with"
            )
        if not self.tokenizer.is_fast or self.tokenizer.eos_token is None:
            raise InputError(f"model {path} needs a fast tokenizer with an end-of-sequence token")
        self.kwargs = dict(chat_template_kwargs or {})
        self.context: int | None = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
        self.model.to(device).eval()
        self._sliced = "logits_to_keep" in inspect.signature(self.model.forward).parameters

    def tokens(self, messages: Messages, tools: str | None = None) -> Tokens:
        """The chat as `sft` reads it. Raises DataError where no token of the assistant is left to measure, and what
        `tokenize` raises."""
        made = tokenize(self.tokenizer, messages, self.kwargs, tools)
        if all(label == IGNORED for label in made.labels[1:]):
            raise DataError("the chat has no token of the assistant to measure")
        return made

    def read(self, chats: Sequence[Tokens]) -> list[Reading]:
        """The readings of chats, in their order. Chats of like length are read together."""
        found: dict[int, Reading] = {}
        order = sorted(range(len(chats)), key=lambda place: len(chats[place].input_ids))
        for places in _batches(order, [len(chat.input_ids) for chat in chats]):
            with torch.inference_mode():
                read = self._measured([chats[place] for place in places])
            for place, (nll, ranks) in zip(places, read, strict=True):
                found[place] = self._reading(chats[place], nll, ranks)
        return [found[place] for place in range(len(chats))]

    def _measured(self, chats: Sequence[Tokens]) -> list[tuple[list[float], list[int]]]:
        """Negative log-likelihood and rank of each token of the assistant, chat by chat."""
        width = max(len(chat.input_ids) for chat in chats)
        device = self.model.device
        ids = torch.zeros(len(chats), width, dtype=torch.long)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
        for row, chat in enumerate(chats):
            size = len(chat.input_ids)
            ids[row, :size], mask[row, :size] = torch.tensor(chat.input_ids), 1
            labels[row, :size] = torch.tensor(chat.labels)
        rows, places = torch.nonzero(labels[:, 1:] != IGNORED, as_tuple=True)  # each is predicted one place before
        targets = labels[rows, places + 1].to(device)
        nll, ranks = [], []
        for logits, wanted in self._logits(ids.to(device), mask.to(device), rows, places, targets):
            given = logits.gather(1, wanted[:, None])
            nll.append((torch.logsumexp(logits, 1) - given[:, 0]).double().cpu())
            ranks.append(1 + (logits > given).sum(1).cpu())
        counts = torch.bincount(rows, minlength=len(chats)).tolist()
        cut = zip(torch.cat(nll).split(counts), torch.cat(ranks).split(counts), strict=True)
        return [(losses.tolist(), places.tolist()) for losses, places in cut]

    def _logits(self, ids: Any, mask: Any, rows: Any, places: Any, targets: Any) -> Iterator[tuple[Any, Any]]:
        """The scores over the vocabulary at the given places in float32, a part at a time, with what is there."""
        head = self.model.get_output_embeddings()
        size = max(1, LOGITS // int(head.weight.shape[0]))
        given = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
        if self._sliced and (hidden := self._hidden(given, head)) is not None:
            for first in range(0, len(rows), size):
                part = slice(first, first + size)
                yield head(hidden[rows[part], places[part]]).float(), targets[part]
            return
        logits = self.model(**given).logits
        for first in range(0, len(rows), size):
            part = slice(first, first + size)
            yield logits[rows[part], places[part]].float(), targets[part]

    def _hidden(self, given: Mapping[str, Any], head: Any) -> Any:
        """What goes into the head of the model at every place. None where the scores are more than what the head makes
        of it, such as scaled or capped ones: the model's own scores of the last place show it."""
        kept: list[Any] = []
        body = self.model.base_model
        if body is self.model:
            return None
        hook = body.register_forward_hook(lambda _, __, output: kept.append(output[0]))
        try:
            last = self.model(**given, logits_to_keep=1).logits[:, -1]
        finally:
            hook.remove()
        if len(kept) != 1 or kept[0].shape[:2] != given["input_ids"].shape:
            return None
        again, near = head(kept[0][:, -1]), 1e-5 if kept[0].dtype == torch.float32 else 1e-2
        same = again.shape == last.shape and torch.allclose(again.float(), last.float(), rtol=near, atol=near)
        return kept[0] if same else None

    def _reading(self, chat: Tokens, nll: Sequence[float], ranks: Sequence[int]) -> Reading:
        words = [label for label in chat.labels[1:] if label != IGNORED]
        steps: list[list[float]] = [[]]
        text = ""
        texts = self.tokenizer.batch_decode([[word] for word in words])
        for word, spelled, loss in zip(words, texts, nll, strict=True):
            if STEP_END.search(text) and word != self.tokenizer.eos_token_id:
                steps.append([])
                text = ""
            text += spelled
            steps[-1].append(loss)
        means = tuple(sum(step) / len(step) for step in steps)
        return Reading(sum(nll) / len(nll), sum(ranks) / len(ranks), len(nll), means)


def _batches(order: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Places in the given order, shortest first, cut where one more would pad a batch to too many tokens."""
    batch: list[int] = []
    for place in order:
        if batch and (len(batch) + 1) * sizes[place] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
