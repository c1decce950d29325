"""Saves a trained model so that it loads again as it was in memory.

    save(trainer, out / "model")     # model and tokenizer; adapters are merged, and kept in model/adapter

Adapters are merged in memory where the weights are whole and in full or half precision. Weights that are split between
processes or packed in four bits are loaded once more from the base model on the CPU, and the adapters are merged there.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.trainer_utils import align_special_tokens

from dqdata.errors import InputError
from dqdata.models import merged
from dqdata_trainers._sharding import whole_weights

ADAPTER = "adapter"
"""Folder of the adapters inside the saved model's."""


def check_savable(trainer: Any) -> None:
    """Raises InputError for a generation config that the library refuses to write, which it would do when the training
    is over, since the tokenizer's special tokens are put into it; and for adapters that no step could train."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    _refuse_tied_tokens(model)
    if getattr(model, "generation_config", None) is None:
        return
    kept = SimpleNamespace(config=deepcopy(model.config), generation_config=deepcopy(model.generation_config))
    align_special_tokens(kept, trainer.processing_class)
    with tempfile.TemporaryDirectory() as folder:
        try:
            kept.generation_config.save_pretrained(folder)
        except ValueError as error:
            raise InputError(
                f"the model's generation_config.json cannot be saved again, so the trained model could not be either: "
                f"{' '.join(str(error).split())} Correct the file in a copy of the model's folder, and name that folder"
            ) from error


def save(trainer: Any, folder: Path, keep_adapter: bool = True) -> None:
    """Writes the model and its tokenizer to `folder`. Every rank calls it; the first one writes. keep_adapter: whether
    the adapters fit on the base model as it is on disk."""
    trainer.save_model(str(folder))
    if not trainer.args.should_save:
        return
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "peft_config"):
        adapter = folder.with_name(ADAPTER)
        folder.rename(adapter)
        with whole_weights():
            whole = merged(model) if _is_whole(trainer) else merged_from_disk(model, adapter)
            whole.save_pretrained(str(folder))
        trainer.processing_class.save_pretrained(str(folder))
        if keep_adapter:
            adapter.rename(folder / ADAPTER)
        else:
            shutil.rmtree(adapter)
    (folder.parent / "history.json").write_text(json.dumps(trainer.state.log_history), encoding="utf-8")


def is_sharded(trainer: Any) -> bool:
    """Whether no single process holds all weights: FSDP, or ZeRO of stage 3."""
    return bool(trainer.args.fsdp) or zero_stage(trainer.args) == 3


def zero_stage(args: Any) -> int:
    """DeepSpeed's stage of a training's arguments; 0 without DeepSpeed."""
    return int((args.deepspeed or {}).get("zero_optimization", {}).get("stage", 0))


def reader_of(model: Any) -> Any:
    """The Auto class that loads a model like this one."""
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    scores = "SequenceClassification" in type(base).__name__
    return AutoModelForSequenceClassification if scores else AutoModelForCausalLM


def merged_from_disk(model: Any, adapter: Path) -> Any:
    """The same from the base model's own files and the saved adapters, on the CPU."""
    from peft import PeftModel

    inner = model.get_base_model()
    packed = getattr(inner, "is_quantized", False)
    dtype = torch.bfloat16 if packed else next(p.dtype for p in inner.parameters() if p.is_floating_point())
    config = type(inner.config).from_dict(inner.config.to_dict())
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    base = reader_of(model).from_pretrained(inner.config._name_or_path, config=config, dtype=dtype)
    return merged(PeftModel.from_pretrained(base, str(adapter)))


def _refuse_tied_tokens(model: Any) -> None:
    """TRL computes losses from the weight of the output layer, which peft wraps where it is tied to such tokens."""
    configs = getattr(model, "peft_config", {}).values()
    if any(config.trainable_token_indices for config in configs) and model.get_output_embeddings() is not None:
        inner = model.get_base_model().config.get_text_config()
        if inner.tie_word_embeddings:
            raise InputError(
                "lora.extra.trainable_token_indices can't be used with tied embeddings: TRL reads the output layer's "
                "weight without them. Write modules_to_save = ['embed_tokens'] instead, which trains every token's"
            )


def _is_whole(trainer: Any) -> bool:
    model = trainer.accelerator.unwrap_model(trainer.model).get_base_model()
    return not is_sharded(trainer) and not getattr(model, "is_quantized", False)
