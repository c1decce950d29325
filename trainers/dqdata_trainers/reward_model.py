"""A reward model at work: how much it prefers an answer, or the figures it predicts for it.

>>> RewardModel(folder, "trained:style@1").figures(rows)
[{'rv': 3.2, 'cd': 2.8}]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from dqdata.errors import InputError
from dqdata_trainers.chat import render

BATCH = 16


class RewardModel:
    """Reads a chat as it was trained to: prompt and answer, up to the end of the turn."""

    def __init__(self, path: str, name: str) -> None:
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(path)
            self.model = AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32)
        except (OSError, ValueError) as error:
            raise InputError(f"reward model {name!r} can't be loaded: {error}") from error
        self.name = name
        self.targets: list[str] = list(getattr(self.model.config, "dqdata_targets", []))
        self.scale = float(getattr(self.model.config, "dqdata_scale", 1.0))
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
        self.model.to(device).eval()

    def preferences(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        """Between 0 and 1, higher is better."""
        if self.targets:
            raise InputError(f"reward model {self.name!r} predicts {', '.join(self.targets)}: say which by `style`")
        return [float(torch.sigmoid(logits[0])) for logits in self._logits(rows)]

    def figures(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
        """Each target in its own unit."""
        for wanted in ("rv", "cd"):
            if wanted not in self.targets:
                raise InputError(f"reward model {self.name!r} doesn't predict {wanted!r}: train it on targets rv, cd")
        return [dict(zip(self.targets, (logits * self.scale).tolist(), strict=True)) for logits in self._logits(rows)]

    def _logits(self, rows: Sequence[Mapping[str, Any]]) -> list[torch.Tensor]:
        texts = []
        for row in rows:
            chat = render(self.tokenizer, [*row["prompt"], {"role": "assistant", "content": row["text"]}])
            texts.append(chat.text[: chat.spans[-1][1]])
        made: list[torch.Tensor] = []
        for first in range(0, len(texts), BATCH):
            encoded = self.tokenizer(
                texts[first : first + BATCH],
                return_tensors="pt",
                padding=True,
                padding_side="right",
                add_special_tokens=False,
            ).to(self.model.device)
            with torch.inference_mode():
                made += list(self.model(**encoded).logits.float().cpu())
        return made
