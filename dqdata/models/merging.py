"""Merges adapters into the weights of their base model.

    merged(peft_model)                                    # the base model, with the adapters in its weights
    merge_adapter(folder, "Qwen/Qwen2.5-0.5B", target)    # the same from files to files

Input and output embeddings that are one tensor are separated before a merge, since an adapter on one of them would
change both. They are tied again where they are still equal; otherwise the config of the merged model denies it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dqdata.errors import InputError
from dqdata.models.loading import SAFE


def merge_adapter(adapter: Path, base: str, target: Path) -> None:
    """Writes the merged model and its tokenizer to `target`. Raises InputError where base or adapters can't be
    loaded."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        from peft import PeftModel

        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, **SAFE)
        whole = merged(PeftModel.from_pretrained(model, str(adapter)))
        own = (adapter / "tokenizer_config.json").is_file()
        tokenizer = AutoTokenizer.from_pretrained(str(adapter) if own else base, trust_remote_code=False)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise InputError(f"the adapters in {adapter} can't be merged into {base}: {error}") from error
    whole.save_pretrained(target)
    tokenizer.save_pretrained(target)


def merged(model: Any) -> Any:
    """The base model with the adapters in its weights; the peft model is used up."""
    _separate_embeddings(model.get_base_model())
    whole = model.merge_and_unload()
    _tie_if_equal(whole)
    return whole


def _embeddings(model: Any) -> tuple[Any, Any] | None:
    """Input and output embeddings, without the wrappers of adapters; None for a model that lacks one."""
    import torch

    found = []
    for find in (model.get_input_embeddings, model.get_output_embeddings):
        try:
            layer = find()
        except (NotImplementedError, AttributeError):
            return None
        while hasattr(layer, "base_layer"):
            layer = layer.base_layer
        layer = getattr(layer, "original_module", layer)
        if not isinstance(getattr(layer, "weight", None), torch.nn.Parameter):
            return None
        found.append(layer)
    return found[0], found[1]


def _separate_embeddings(model: Any) -> None:
    import torch

    pair = _embeddings(model)
    if pair is not None and pair[0].weight is pair[1].weight:
        pair[1].weight = torch.nn.Parameter(pair[1].weight.detach().clone(), requires_grad=False)


def _tie_if_equal(model: Any) -> None:
    import torch

    pair = _embeddings(model)
    if pair is None or not getattr(model, "_tied_weights_keys", None):
        return
    equal = pair[0].weight.shape == pair[1].weight.shape and torch.equal(pair[0].weight, pair[1].weight)
    if equal:
        pair[1].weight = pair[0].weight
    model.config.get_text_config().tie_word_embeddings = equal
    model.config.tie_word_embeddings = equal
