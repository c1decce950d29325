"""SFT with the teacher's distribution beside the trace: loss = (1 - k) * LM + k * KL, over the trained tokens.

    forward   KL(teacher | student) = sum_v  p_T (log p_T - log p_S)
    reverse   KL(student | teacher) = sum_v  p_S (log p_S - log p_T)

Both at the same temperature (Hinton et al., 2015, without the factor T^2, which `kl_share` can make up for).

Where only the teacher's k likeliest tokens K are stored, all others count as one:

    sum_{v in K} p_T (log p_T - log p_S)  +  r_T (log r_T - log r_S),      r = 1 - sum_{v in K} p

which is the forward KL of the two distributions over K and the rest: never more than the whole one, by the log-sum
inequality (Cover & Thomas, Elements of Information Theory, theorem 2.7.1), and 0 only where both agree on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM
from trl import SFTTrainer

from dqdata.models import IGNORED

TOP = ("top_ids", "top_logprobs")
NONE = -1
"""Fills up where fewer tokens are stored."""
NOTHING = 1e-5
"""Probability of all the other tokens that is only rounding."""


def divergence_of(student: torch.Tensor, teacher: torch.Tensor, kind: str, temperature: float) -> torch.Tensor:
    """KL at each position; logits are (positions, vocabulary)."""
    ours = functional.log_softmax(student.float() / temperature, dim=-1)
    theirs = functional.log_softmax(teacher.float() / temperature, dim=-1)
    if kind == "forward":
        return (theirs.exp() * (theirs - ours)).sum(-1)
    return (ours.exp() * (ours - theirs)).sum(-1)


def stored_divergence(student: torch.Tensor, ids: torch.Tensor, logprobs: torch.Tensor) -> torch.Tensor:
    """Forward KL at each position over the stored tokens and the rest. student: logits (positions, vocabulary). ids,
    logprobs: (positions, k), ids NONE where there is none."""
    known = ids != NONE
    ours = functional.log_softmax(student.float(), dim=-1)
    width = ours.shape[-1]
    shares = torch.where(known, logprobs.exp(), 0.0)
    apart = (shares * torch.where(known, logprobs - ours.gather(1, ids.clamp(min=0)), 0.0)).sum(-1)

    rest = (1 - shares.sum(-1)).clamp(min=0)
    some = rest > NOTHING
    taken = torch.zeros(len(ours), width + 1, dtype=torch.bool, device=ours.device)
    taken.scatter_(1, torch.where(known, ids, width), True)
    # Where nothing is left nothing is masked, for a sum over no token has no gradient.
    rest_of_ours = ours.masked_fill(taken[:, :width] & some[:, None], -torch.inf).logsumexp(-1)
    return apart + torch.where(some, rest * (rest.clamp(min=NOTHING).log() - rest_of_ours), 0.0)


class KlTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's SFT with a divergence in the loss, at those tokens where there is one."""

    def __init__(self, *args: Any, kl_share: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kl_share = kl_share

    def _apart(
        self, inputs: Mapping[str, Any], logits: torch.Tensor, trained: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The divergence at each trained token, and whether there is one."""
        raise NotImplementedError

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        mode = "train" if self.model.training else "eval"
        labels = inputs["labels"][:, 1:]
        trained = labels != IGNORED
        outputs = model(**_plain(inputs), use_cache=False)

        spoken = functional.cross_entropy(outputs.logits[:, :-1][trained].float(), labels[trained], reduction="none")
        apart, known = self._apart(inputs, outputs.logits, trained)
        share = self.kl_share * known.float()
        count = trained.sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
        loss = ((1 - share) * spoken + share * torch.where(known, apart, 0.0)).sum() / count.clamp(min=1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes

        seen, taught = trained.sum().clamp(min=1), known.sum().clamp(min=1)
        kl = torch.where(known, apart, 0.0).sum() / taught
        self._metrics[mode]["lm_loss"].append(self.accelerator.gather((spoken.sum() / seen).detach()).mean().item())
        self._metrics[mode]["kl"].append(self.accelerator.gather(kl.detach()).mean().item())
        return (loss, outputs) if return_outputs else loss


class MimicTrainer(KlTrainer):
    """The divergence from a frozen teacher that is loaded beside the student."""

    def __init__(self, *args: Any, teacher: str, divergence: str, temperature: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.divergence, self.temperature = divergence, temperature
        model = AutoModelForCausalLM.from_pretrained(teacher, dtype=self.model.dtype)
        model.eval().requires_grad_(False)
        self.teacher = model.to(self.accelerator.device)

    def _apart(
        self, inputs: Mapping[str, Any], logits: torch.Tensor, trained: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            taught = self.teacher(**_plain(inputs), use_cache=False).logits
        # Models of one family may pad their output layers to different widths: only the shared tokens count.
        width = min(logits.shape[-1], taught.shape[-1])
        ours, theirs = logits[:, :-1, :width][trained], taught[:, :-1, :width][trained]
        apart = divergence_of(ours, theirs, self.divergence, self.temperature)
        return apart, torch.ones_like(apart, dtype=torch.bool)


class StoredTrainer(KlTrainer):
    """The divergence from log-probabilities that were stored with the traces; tokens without any count as in SFT."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.data_collator: Any = WithTop(self.data_collator)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        self._signature_columns += [name for name in TOP if name not in self._signature_columns]

    def _apart(
        self, inputs: Mapping[str, Any], logits: torch.Tensor, trained: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ids, logprobs = (inputs[name][:, 1:][trained] for name in TOP)
        return stored_divergence(logits[:, :-1][trained], ids, logprobs), (ids != NONE).any(-1)


@dataclass
class WithTop:
    """A collator that carries the stored log-probabilities along with what `inner` makes of the rows."""

    inner: Any

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = self.inner([{k: v for k, v in one.items() if k not in TOP} for one in examples])
        rows, length = batch["input_ids"].shape
        widest = max([1, *(len(place) for one in examples for place in one["top_ids"])])
        ids = torch.full((rows, length, widest), NONE)
        logprobs = torch.zeros(rows, length, widest)
        for row, one in enumerate(examples):
            for place, (numbers, values) in enumerate(zip(one["top_ids"], one["top_logprobs"], strict=True)):
                ids[row, place, : len(numbers)] = torch.tensor(numbers, dtype=torch.long)
                logprobs[row, place, : len(values)] = torch.tensor(values)
        return {**batch, "top_ids": ids, "top_logprobs": logprobs}


def _plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's forward takes, without labels."""
    return {name: value for name, value in inputs.items() if name not in ("labels", *TOP)}
