"""Runs a reward model: preference for an answer, or predicted scores.

>>> RewardModel(folder, "trained:style@1").scores(rows)
[{'rv': 3.2, 'cd': 2.8}]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from dqdata.errors import InputError
from dqdata.models.loading import loading, without_weights
from dqdata.models.names import PREFERENCE, scores_in, wrong_model
from dqdata.models.rendering import Messages, render

BATCH = 16


class RewardModel:
    """Reads a chat as it was trained to: prompt and answer, up to the end of the turn. names: of the scores it gives,
    or `preference` alone. context: tokens that it can read, None where nothing says so."""

    def __init__(
        self,
        path: str,
        name: str,
        *,
        revision: str = "",
        dtype: torch.dtype = torch.float32,
        trust_remote_code: bool = False,
        allow_pickle: bool = False,
    ) -> None:
        at = loading(revision, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle)
        try:
            config = AutoConfig.from_pretrained(path, **without_weights(at))
            self.names = scores_in(config.to_dict())
            if not self.names:
                raise wrong_model(name)
            self.tokenizer = AutoTokenizer.from_pretrained(path, **without_weights(at))
            self.model = AutoModelForSequenceClassification.from_pretrained(path, dtype=dtype, **at)
        except (OSError, ValueError) as error:
            raise InputError(f"reward model {name!r} can't be loaded: {error}") from error
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        if self.model.config.pad_token_id is None:  # it tells where a chat ends
            self.model.config.pad_token_id = self.tokenizer.pad_token_id
        self.name = name
        self.targets: list[str] = list(getattr(self.model.config, "dqdata_targets", []))
        self.scale = float(getattr(self.model.config, "dqdata_scale", 1.0))
        self.context: int | None = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        _score_in_full_precision(self.model)
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
        self.model.to(device).eval()

    def preferences(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        """Between 0 and 1, higher is better."""
        if self.targets:
            raise InputError(f"reward model {self.name!r} predicts {', '.join(self.targets)}: say which by `style`")
        return [scores[PREFERENCE] for scores in self._read(rows)]

    def scores(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
        """Each target in its own unit."""
        for wanted in ("rv", "cd"):
            if wanted not in self.targets:
                raise InputError(f"reward model {self.name!r} doesn't predict {wanted!r}: train it on targets rv, cd")
        return self._read(rows)

    def tokens(self, messages: Messages) -> list[int]:
        """The chat in tokens. Raises DataError where it has no assistant turn."""
        chat = render(self.tokenizer, messages)
        return list(self.tokenizer(chat.text[: chat.spans[-1][1]], add_special_tokens=False)["input_ids"])

    def read(self, chats: Sequence[Sequence[int]]) -> list[dict[str, float]]:
        """The scores of chats in tokens, all in one batch."""
        encoded = self.tokenizer.pad(
            {"input_ids": [list(ids) for ids in chats]}, padding_side="right", return_tensors="pt"
        ).to(self.model.device)
        with torch.inference_mode():
            logits = self.model(**encoded).logits.double().cpu()
        if self.targets:
            return [dict(zip(self.targets, (row * self.scale).tolist(), strict=True)) for row in logits]
        return [{PREFERENCE: float(torch.sigmoid(row[0]))} for row in logits]

    def _read(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
        chats = [self.tokens([*row["prompt"], {"role": "assistant", "content": row["text"]}]) for row in rows]
        return [scores for first in range(0, len(chats), BATCH) for scores in self.read(chats[first : first + BATCH])]


def _score_in_full_precision(model: Any) -> None:
    """In half precision a score is rounded too: to sixteenths from 8 on, to quarters from 32 on."""
    head = getattr(model, "score", None)
    if isinstance(head, torch.nn.Linear) and head.weight.dtype != torch.float32:
        head.float()
        head.register_forward_pre_hook(lambda _, given: (given[0].float(),))
