"""SFT with the teacher's distribution beside the trace: loss = (1 - k) * LM + k * KL, over the trained tokens.

The divergences, and why they are computed in chunks, are in _divergence.py. The teacher's whole distribution needs the
teacher beside the student in every rank; its k likeliest tokens are stored once, with the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM
from trl import SFTTrainer
from trl.models.utils import _ForwardRedirection

from dqdata.models import IGNORED, SAFE
from dqdata_trainers._divergence import (
    NONE,
    Head,
    chunk_of,
    divergence_of,
    hidden_states,
    stored_divergence,
    summed,
)
from dqdata_trainers._saving import zero_stage
from dqdata_trainers._sharding import whole_weights

TOP = ("top_ids", "top_logprobs")
WEIGHT = "loss_weight"
"""Column with the weight of a row's loss."""


class KlTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's SFT with a divergence in the loss, at those tokens where there is one."""

    logits_in_chunks = True
    apart_name = "kl"
    """Name of the divergence in the log."""

    def __init__(self, *args: Any, kl_share: float, temperature: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kl_share, self.temperature = kl_share, temperature
        self._redirected = _ForwardRedirection()

    def _taught(self, inputs: Mapping[str, Any], trained: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What is known of the teacher at the trained tokens, their number first in each tensor."""
        raise NotImplementedError

    def _apart(self, logits: torch.Tensor, *taught: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The divergence at each position, and whether there is one."""
        raise NotImplementedError

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        mode = "train" if self.model.training else "eval"
        labels = inputs["labels"][:, 1:]
        trained = labels != IGNORED
        # The wrapper's own forward runs this: DDP and FSDP see a forward pass of the whole model.
        inner = self.accelerator.unwrap_model(model)
        with self.accelerator.autocast():  # of the model's forward, which does not run here
            taught = self._taught(inputs, trained)
            sums = self._redirected(model, inner, self._sums, inner, inputs, labels[trained], trained, taught)
        spoken, spoken_known, apart, known = sums

        count = trained.sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
        loss = (spoken + self.kl_share * (apart - spoken_known)) / count.clamp(min=1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes

        totals = torch.stack([spoken, trained.sum().float(), apart, known]).detach()
        total = self.accelerator.gather(totals).view(-1, 4).sum(0)
        self._metrics[mode]["lm_loss"].append((total[0] / total[1].clamp(min=1)).item())
        self._metrics[mode][self.apart_name].append((total[2] / total[3].clamp(min=1)).item())
        return (loss, {}) if return_outputs else loss

    def _sums(
        self, inner: Any, inputs: Mapping[str, Any], labels: torch.Tensor, trained: torch.Tensor, taught: Any
    ) -> tuple[torch.Tensor, ...]:
        """Sums over the trained tokens: their loss, that of those with a divergence, the divergence, their number."""
        project: Any
        if zero_stage(self.args) == 3:
            # The output layer is whole only inside the model's own forward.
            states, project = inner(**_plain(inputs), use_cache=False).logits[:, :-1][trained], _as_they_are
            size = chunk_of(states.shape[-1])
        else:
            states = hidden_states(inner, _plain(inputs))[:, :-1][trained]
            project = Head.of(inner)
            size = chunk_of(project.weight.shape[0])

        def chunk(states: torch.Tensor, labels: torch.Tensor, *taught: torch.Tensor) -> tuple[torch.Tensor, ...]:
            logits = project(states)
            spoken = functional.cross_entropy(logits, labels, reduction="none")
            apart, known = self._apart(logits, *taught)
            there = torch.where(known, spoken, 0.0).sum()
            return spoken.sum(), there, torch.where(known, apart, 0.0).sum(), known.sum().float()

        return summed(chunk, size, states, labels, *taught)


class MimicTrainer(KlTrainer):
    """The divergence from a frozen teacher that is loaded beside the student."""

    def __init__(self, *args: Any, teacher: str, divergence: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.divergence = divergence
        self.teacher_model = load_teacher(teacher, self.model.dtype, self.accelerator.device)
        self._teacher_head = Head.of(self.teacher_model)

    def _taught(self, inputs: Mapping[str, Any], trained: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with torch.no_grad():
            return (hidden_states(self.teacher_model, _plain(inputs))[:, :-1][trained],)

    def _apart(self, logits: torch.Tensor, *taught: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            theirs = self._teacher_head(taught[0])
        # Models of one family may pad their output layers to different widths: only the shared tokens count.
        width = min(logits.shape[-1], theirs.shape[-1])
        apart = divergence_of(logits[:, :width], theirs[:, :width], self.divergence, self.temperature)
        return apart, torch.ones_like(apart, dtype=torch.bool)


class StoredTrainer(KlTrainer):
    """The divergence from log-probabilities that were stored with the traces; tokens without any count as in SFT."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.data_collator: Any = WithTop(self.data_collator)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        self._signature_columns += [name for name in TOP if name not in self._signature_columns]

    def _taught(self, inputs: Mapping[str, Any], trained: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(inputs[name][:, 1:][trained] for name in TOP)

    def _apart(self, logits: torch.Tensor, *taught: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ids, logprobs = taught
        return stored_divergence(logits, ids, logprobs, self.temperature), (ids != NONE).any(-1)


def load_teacher(path: str, dtype: torch.dtype, device: torch.device) -> Any:
    """A frozen causal model."""
    with whole_weights():
        model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, **SAFE)
    return model.eval().requires_grad_(False).to(device)


@dataclass
class WithTop:
    """A collator that passes the stored log-probabilities along with what `inner` makes of the rows."""

    inner: Any

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = self.inner([{k: v for k, v in one.items() if k not in TOP} for one in examples])
        rows, length = batch["input_ids"].shape
        widest = max([1, *(len(place) for one in examples for place in one["top_ids"])])
        ids = torch.full((rows, length, widest), NONE)
        logprobs = torch.zeros(rows, length, widest)
        for row, one in enumerate(examples):
            for place, (numbers, values) in enumerate(zip(one["top_ids"], one["top_logprobs"], strict=True)):
                if place < length:  # a cut row keeps its start
                    ids[row, place, : len(numbers)] = torch.tensor(numbers, dtype=torch.long)
                    logprobs[row, place, : len(values)] = torch.tensor(values)
        return {**batch, "top_ids": ids, "top_logprobs": logprobs}


def _plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's forward takes, without labels."""
    return {name: value for name, value in inputs.items() if name not in ("labels", WEIGHT, *TOP)}


def _as_they_are(logits: torch.Tensor) -> torch.Tensor:
    return logits.float()
