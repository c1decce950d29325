"""What a training will need of memory, said before its first step.

    >>> note = memory_note(trainer)
    'memory: about 5.1 GB a rank: weights 0.54, gradients 0.54, optimizer 1.1, activations 2.9 (4 rows of 512 ...'

An estimate, not a promise: weights, gradients and optimizer are counted; activations follow Korthikanti et al. (2022,
arXiv:2205.05198), 34 bytes for each token, layer and hidden unit in half precision, without the scores of attention,
which no kernel in use keeps. The logits and their gradient are counted in full precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dqdata_trainers._divergence import chunk_of
from dqdata_trainers._hardware import has_accelerator
from dqdata_trainers._saving import zero_stage

GB = 1e9
PER_LAYER = 34
"""Bytes a token, layer and hidden unit of stored activations, in half precision."""
LOGITS = 3
"""Copies of the logits at the peak: themselves, their softmax, their gradient."""


@dataclass(frozen=True)
class Memory:
    """Bytes that one rank needs at its peak; rows and tokens are the batch that was taken for it."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    rows: int
    tokens: int

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations


def memory_note(trainer: Any) -> str:
    """The estimate in a line; where it exceeds what the machine has free, with what makes it smaller."""
    need, free = estimated(trainer), free_bytes()
    line = (
        f"memory: about {need.total / GB:.2g} GB a rank: weights {need.weights / GB:.2g}, gradients "
        f"{need.gradients / GB:.2g}, optimizer {need.optimizer / GB:.2g}, activations {need.activations / GB:.2g} "
        f"({need.rows} rows of {need.tokens} tokens); {free / GB:.3g} GB are free"
    )
    if need.total <= free:
        return line
    advice = []
    if need.activations > need.total / 2:
        advice.append("a smaller per_device_train_batch_size with more gradient_accumulation_steps")
        advice += [] if _recomputes(trainer.args) else ["gradient_checkpointing = true"]
    else:
        advice += ["`lora = { r = 16 }`", "deepspeed = 'zero3' or fsdp = true with more --processes"]
    return f"{line}: it may not fit. In `args`, or beside it: {', or '.join(advice)}"


def estimated(trainer: Any) -> Memory:
    args, model = trainer.args, trainer.model
    ranks = max(1, args.world_size)
    stage = zero_stage(args)
    all_split = bool(args.fsdp) or stage == 3
    state_split = all_split or stage >= 1

    models = [model, *(other for name in ("ref_model", "teacher_model") if (other := getattr(trainer, name, None)))]
    weights = sum(_bytes(p) for one in models for p in one.parameters()) / (ranks if all_split else 1)
    learnt = [p for p in model.parameters() if p.requires_grad]
    gradients = sum(map(_bytes, learnt)) / (ranks if all_split or stage >= 2 else 1)
    states = sum(map(_elements, learnt)) * _optimizer_bytes(str(args.optim)) / (ranks if state_split else 1)

    config = model.config.get_text_config()
    rows, tokens = args.per_device_train_batch_size, _longest(trainer)
    width = 2 if args.bf16 or args.fp16 else 4
    layers = config.num_hidden_layers
    each = PER_LAYER * width / 2 * config.hidden_size
    # Recomputed, a layer keeps its input alone, and one layer at a time is whole.
    kept = layers * config.hidden_size * width + each if _recomputes(args) else layers * each
    logits = config.vocab_size * 4 * LOGITS
    at_once = rows * tokens
    if getattr(trainer, "logits_in_chunks", False):  # of both models, and those of a few tokens
        logits, at_once = 2 * logits, min(at_once, chunk_of(config.vocab_size))
    return Memory(weights, gradients, states, rows * tokens * kept + at_once * logits, rows, tokens)


def _recomputes(args: Any) -> bool:
    """Whether activations are computed again rather than kept; the setting has two names and FSDP one of its own."""
    own = args.gradient_checkpointing or getattr(args, "activation_checkpointing", False)
    return bool(own or (args.fsdp and args.fsdp_config.get("activation_checkpointing")))


def free_bytes() -> float:
    """Of the accelerator where there is one, else of the machine."""
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.mem_get_info()[0])
    if has_accelerator():
        return float("inf")
    import psutil

    return float(psutil.virtual_memory().available)


def _longest(trainer: Any) -> int:
    """Tokens of the longest row that a batch may hold."""
    args, rows = trainer.args, trainer.train_dataset
    limits = [getattr(args, "max_length", None)]
    if getattr(args, "max_completion_length", None):
        limits = [(getattr(args, "max_prompt_length", None) or 0) + args.max_completion_length]
    elif "input_ids" in (getattr(rows, "column_names", None) or ()):
        from dqdata_trainers._rows import row_lengths

        limits.append(max(row_lengths(rows), default=1))
    known = [limit for limit in limits if limit]
    return min(known) if known else int(trainer.model.config.get_text_config().max_position_embeddings)


def _optimizer_bytes(name: str) -> int:
    """Bytes of state a trained number."""
    if "8bit" in name:
        return 2
    if "adafactor" in name or name.endswith("sgd"):
        return 0
    return 8


def _elements(parameter: Any) -> int:
    # DeepSpeed's ZeRO-3 leaves an empty tensor and keeps the size beside it.
    return int(getattr(parameter, "ds_numel", parameter.numel()))


def _bytes(parameter: Any) -> float:
    return float(_elements(parameter) * parameter.element_size())
