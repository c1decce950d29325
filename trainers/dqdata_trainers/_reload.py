"""After a training: the saved folder is loaded again, and computes what the model in memory did.

    before = outputs(trainer)                         # every rank; before anything is merged
    save(trainer, folder)
    difference = refuse_changed(trainer, folder, before)

A model that writes is compared by the mean negative log-likelihood of each row, a reward model by its scores. A model
that differs raises RunError, and so is never recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import AutoTokenizer

from dqdata.errors import RunError
from dqdata_trainers._memory import free_bytes
from dqdata_trainers._saving import is_sharded, reader_of

ROWS, TOKENS = 4, 512
"""Rows that are compared, and tokens of each."""
TOLERANCE = {"float32": 1e-3, "half": 5e-2}
"""Largest difference, relative to values above 1: rounding of a merge in that precision stays below a tenth of it."""
ASKED = [{"role": "user", "content": "How many is 2 + 3?"}]


@dataclass(frozen=True)
class Outputs:
    """rows: token ids. values: what the model in memory computes for each row. dtype: of its weights. half: whether
    it computed in half precision."""

    rows: list[list[int]]
    values: list[list[float]]
    dtype: torch.dtype
    half: bool


def outputs(trainer: Any) -> Outputs:
    """What the model in memory computes for a few rows of the training data. Every rank calls it."""
    rows = _rows(trainer)
    inner = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    dtype = next(p.dtype for p in inner.parameters() if p.is_floating_point())
    model = trainer.model_wrapped if is_sharded(trainer) else inner
    half = dtype != torch.float32 or (is_sharded(trainer) and (trainer.args.bf16 or trainer.args.fp16))
    return Outputs(rows, _values(model, rows, trainer.args.device), dtype, half)


def refuse_changed(trainer: Any, folder: Path, before: Outputs) -> float:
    """The largest difference, relative to values above 1. Raises RunError where it is more than rounding, or the saved
    tokenizer writes another prompt."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    ours = trainer.processing_class.apply_chat_template(ASKED, add_generation_prompt=True)
    theirs = AutoTokenizer.from_pretrained(folder).apply_chat_template(ASKED, add_generation_prompt=True)
    if list(ours["input_ids"]) != list(theirs["input_ids"]):
        raise RunError(f"the tokenizer saved in {folder} writes another prompt than the one trained with: {_advice()}")

    device = trainer.args.device if free_bytes() > 2 * _bytes(folder) else torch.device("cpu")
    saved = reader_of(model).from_pretrained(folder, dtype=before.dtype).to(device)
    worst, limit = 0.0, TOLERANCE["half" if before.half else "float32"]
    for place, (old, new) in enumerate(zip(before.values, _values(saved, before.rows, device), strict=True)):
        for a, b in zip(old, new, strict=True):
            apart = abs(a - b) / max(1.0, abs(a))
            worst = max(worst, apart)
            if not apart <= limit:
                what = "scores" if len(old) > 1 or "Classification" in type(saved).__name__ else "the loss"
                raise RunError(
                    f"the model saved in {folder} is not the one that was trained: {what} of row {place} of the "
                    f"training data is {b:.4g} after loading it and was {a:.4g} in memory. {_advice()}"
                )
    return worst


def _advice() -> str:
    return (
        "It is not recorded; its files and checkpoints are kept. Where `lora.extra` is set, train without it, or "
        "report this with the table and the versions of transformers and peft"
    )


def _rows(trainer: Any) -> list[list[int]]:
    found: list[list[int]] = []
    for row in trainer.train_dataset.select(range(min(ROWS, len(trainer.train_dataset)))):
        whole = next((row[name] for name in ("input_ids", "chosen_input_ids") if name in row), None)
        turn = next((row[name] for name in ("chosen_ids", "completion_ids") if name in row), None)
        if whole is not None:
            ids = whole
        elif turn is not None:
            ids = [*row.get("prompt_ids", ()), *turn]
        else:
            kwargs = getattr(trainer, "chat_template_kwargs", {})
            ids = trainer.processing_class.apply_chat_template(row["prompt"], add_generation_prompt=True, **kwargs)[
                "input_ids"
            ]
        found.append([int(number) for number in ids[:TOKENS]])
    return found


def _values(model: Any, rows: Sequence[Sequence[int]], device: torch.device) -> list[list[float]]:
    """Scores of a reward model; of another model the mean negative log-likelihood, one number, of each row."""
    training = model.training
    model.eval()
    values = []
    with torch.no_grad():
        for row in rows:
            ids = torch.tensor([row], device=device)
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits.float()
            if logits.dim() == 2:
                values.append(logits[0].tolist())
            else:
                values.append([float(functional.cross_entropy(logits[0, :-1], ids[0, 1:]))])
    model.train(training)
    return values


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
