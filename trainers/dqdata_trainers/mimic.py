"""SFT with the teacher's whole distribution beside the trace: loss = (1 - k) * LM + k * KL, over the trained tokens.

    forward   KL(teacher | student) = sum_v  p_T (log p_T - log p_S)
    reverse   KL(student | teacher) = sum_v  p_S (log p_S - log p_T)

Both at the same temperature (Hinton et al., 2015, without the factor T^2, which `kl_share` can make up for).
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM
from trl import SFTTrainer

from dqdata_trainers.chat import IGNORED


def divergence_of(student: torch.Tensor, teacher: torch.Tensor, kind: str, temperature: float) -> torch.Tensor:
    """KL at each position; logits are (positions, vocabulary)."""
    ours = functional.log_softmax(student.float() / temperature, dim=-1)
    theirs = functional.log_softmax(teacher.float() / temperature, dim=-1)
    if kind == "forward":
        return (theirs.exp() * (theirs - ours)).sum(-1)
    return (ours.exp() * (ours - theirs)).sum(-1)


class MimicTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's SFT with the divergence from a frozen teacher in the loss."""

    def __init__(
        self, *args: Any, teacher: str, kl_share: float, divergence: str, temperature: float, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kl_share, self.divergence, self.temperature = kl_share, divergence, temperature
        model = AutoModelForCausalLM.from_pretrained(teacher, dtype=self.model.dtype)
        model.eval().requires_grad_(False)
        self.teacher = model.to(self.accelerator.device)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        mode = "train" if self.model.training else "eval"
        labels = inputs["labels"][:, 1:]
        trained = labels != IGNORED
        plain = {name: value for name, value in inputs.items() if name != "labels"}
        outputs = model(**plain, use_cache=False)
        with torch.no_grad():
            taught = self.teacher(**plain, use_cache=False).logits
        # Models of one family may pad their output layers to different widths: only the shared tokens count.
        width = min(outputs.logits.shape[-1], taught.shape[-1])
        ours, theirs = outputs.logits[:, :-1, :width][trained], taught[:, :-1, :width][trained]

        spoken = functional.cross_entropy(ours.float(), labels[trained], reduction="sum")
        apart = divergence_of(ours, theirs, self.divergence, self.temperature).sum()
        count = trained.sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
        loss = ((1 - self.kl_share) * spoken + self.kl_share * apart) / count.clamp(min=1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes

        seen = trained.sum().clamp(min=1)
        self._metrics[mode]["lm_loss"].append(self.accelerator.gather((spoken / seen).detach()).mean().item())
        self._metrics[mode]["kl"].append(self.accelerator.gather((apart / seen).detach()).mean().item())
        return (loss, outputs) if return_outputs else loss
