"""A model with one number a target at its end, trained by squared error on targets that are there.

>>> trainer.evaluate()["eval_mae_rv"]       # in the target's own unit
0.83
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, Trainer
from trl.trainer.utils import disable_dropout_in_model

from dqdata.models import SAFE


def head_of(path: str, params: Any, config: Any, lora: Any, packed: Any = None) -> Any:
    """The model with a fresh regression head; its config says what it predicts, for those who use it as a reward.
    packed: how the base model's weights are quantized, None for not at all."""
    torch.manual_seed(config.seed)
    trust = getattr(config, "trust_remote_code", False)
    kwargs = {**SAFE, "trust_remote_code": trust, **(config.model_init_kwargs or {})}
    kwargs.setdefault("dtype", torch.float32)
    if packed is not None:
        kwargs["quantization_config"] = packed
    model = AutoModelForSequenceClassification.from_pretrained(path, num_labels=len(params.targets), **kwargs)
    if config.disable_dropout:
        disable_dropout_in_model(model)
    model.config.problem_type = "regression"
    model.config.dqdata_targets = list(params.targets)
    model.config.dqdata_scale = params.scale
    if lora is not None:
        from peft import get_peft_model, prepare_model_for_kbit_training

        if packed is not None:
            model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=config.gradient_checkpointing)
        elif config.gradient_checkpointing:
            model.enable_input_require_grads()
        model = get_peft_model(model, lora)
    return model


def padded(
    tokenizer: Any, params: Any, multiple: int | None = None
) -> Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]:
    """Collator: tokens padded on the right, to a multiple of so many where that is set; targets over their scale, nan
    where one is null."""

    def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        cut = params.max_length if params.on_too_long == "truncate" else None
        batch: dict[str, Any] = dict(
            tokenizer.pad(
                {"input_ids": [list(row["input_ids"])[:cut] for row in rows]},
                padding_side="right",
                pad_to_multiple_of=multiple,
                return_tensors="pt",
            )
        )
        targets = [[row[name] for name in params.targets] for row in rows]
        values = [[float("nan") if value is None else value / params.scale for value in row] for row in targets]
        batch["labels"] = torch.tensor(values)
        return batch

    return collate


class RegressionTrainer(Trainer):  # type: ignore[misc]
    """Mean squared error over the targets that aren't null: the mean is over all of an optimizer step, however it is
    split into batches and ranks. The error in their own unit is reported for each target."""

    loss_is_scaled_for_ga = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, compute_metrics=self._mean_errors, **kwargs)
        inner = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        inner.config.pad_token_id = self.processing_class.pad_token_id
        self.targets, self.scale = inner.config.dqdata_targets, inner.config.dqdata_scale

    def compute_loss(
        self, model: Any, inputs: Mapping[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        inputs = dict(inputs)
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        there = ~torch.isnan(labels)
        errors = torch.where(there, outputs.logits.float() - torch.nan_to_num(labels), 0.0)
        if num_items_in_batch is None:
            loss = (errors**2).sum() / there.sum().clamp(min=1)
        else:
            # The count is of all ranks, and DDP averages their gradients.
            ranks = self.accelerator.num_processes if self.args.average_tokens_across_devices else 1
            loss = ranks * (errors**2).sum() / torch.as_tensor(num_items_in_batch).clamp(min=1)
        return (loss, {"logits": outputs.logits}) if return_outputs else loss

    def _get_num_items_in_batch(self, batch_samples: Sequence[Mapping[str, Any]], device: torch.device) -> torch.Tensor:
        """Targets of the step that aren't null; the library would count labels that aren't -100."""
        count = sum((~torch.isnan(batch["labels"])).sum() for batch in batch_samples)
        known = torch.as_tensor(count, device=device)
        if self.args.average_tokens_across_devices and self.args.world_size > 1:
            known = self.accelerator.gather(known).sum()
        return known

    def _mean_errors(self, predicted: Any) -> dict[str, float]:
        made, labels = torch.as_tensor(predicted.predictions), torch.as_tensor(predicted.label_ids)
        errors = (made - labels).abs() * self.scale
        return {f"mae_{name}": float(errors[:, index].nanmean()) for index, name in enumerate(self.targets)}
