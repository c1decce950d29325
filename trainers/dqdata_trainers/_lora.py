"""Low-rank adapters: the table `lora` of a trainer, and which of peft's own fields `lora.extra` may hold.

    lora = { r = 16, alpha = 32, target_modules = ["q_proj", "v_proj"], extra = { use_dora = true } }

Every field of peft's LoraConfig is in one of three lists: written beside `extra`, allowed in it (its merged model loads
again as it was trained), or refused with the reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dqdata.errors import InputError, nearest
from dqdata.operator import Params

if TYPE_CHECKING:
    from peft import LoraConfig

BESIDE = {
    "r": "write `r` beside `extra`",
    "lora_alpha": "write `alpha` beside `extra`",
    "lora_dropout": "write `dropout` beside `extra`",
    "target_modules": "write `target_modules` beside `extra`",
    "task_type": "the trainer chooses it",
}
ALLOWED = (
    "alpha_pattern", "bias", "ensure_weight_tying", "exclude_modules", "fan_in_fan_out", "init_lora_weights",
    "layers_pattern", "layers_to_transform", "modules_to_save", "rank_pattern", "target_parameters",
    "trainable_token_indices", "use_dora", "use_rslora",
)  # fmt: skip
_FIXED = "peft fills it in itself"
_PASS = "it needs a pass over data or over the packed base model before the training, which is not made"
_MERGE = "such adapters cannot be merged into the weights, and the saved model would lack them"
REFUSED = {
    **dict.fromkeys(
        ("auto_mapping", "base_model_name_or_path", "inference_mode", "peft_type", "peft_version", "revision",
         "runtime_config"), _FIXED),
    **dict.fromkeys(("corda_config", "eva_config", "lora_ga_config", "loftq_config"), _PASS),
    **dict.fromkeys(
        ("alora_invocation_tokens", "arrow_config", "kasa_config", "monteclora_config", "use_bdlora", "velora_config"),
        _MERGE),
    "lora_bias": "it merges only into layers that have a bias of their own",
    "layer_replication": "the saved model would have another number of layers than its config",
    "megatron_config": "the models are transformers models, not Megatron's",
    "megatron_core": "the models are transformers models, not Megatron's",
    "use_qalora": "it needs a base model packed with GPTQ",
    "qalora_group_size": "it needs a base model packed with GPTQ",
}  # fmt: skip
PLAIN_STARTS = (True, False, "gaussian", "orthogonal")
"""`init_lora_weights` that leave the base model as it is: their adapters fit on it alone."""
DATA_STARTS = ("corda", "eva", "lora_ga", "loftq")


class Lora(Params):
    """Low-rank adapters in place of full training. Other fields of peft's LoraConfig go into `extra`."""

    r: int = Field(16, ge=1)
    alpha: int | None = Field(None, ge=1)
    """Scale of the update, over r; twice r by default."""
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: str | list[str] = "all-linear"
    extra: Mapping[str, Any] = Field(default_factory=dict)
    """Other fields of peft's LoraConfig, such as { use_dora = true }."""

    @property
    def stands_alone(self) -> bool:
        """Whether the trained adapters fit on the base model as it is on disk."""
        return self.extra.get("init_lora_weights", True) in PLAIN_STARTS

    def config(self, task: str) -> LoraConfig:
        """peft's config for `task`, such as CAUSAL_LM. Raises InputError naming the field of `extra`."""
        from peft import LoraConfig

        known = {field.name for field in dataclasses.fields(LoraConfig)}
        for name, value in self.extra.items():
            if reason := BESIDE.get(name) or REFUSED.get(name):
                raise InputError(f"lora.extra.{name} can't be set: {reason}")
            if name not in ALLOWED:
                raise InputError(f"lora.extra.{name}: peft's LoraConfig has no such field{nearest(name, known)}")
            if name == "init_lora_weights" and value in DATA_STARTS:
                raise InputError(f"lora.extra.init_lora_weights = {value!r} can't be set: {_PASS}")
        try:
            return LoraConfig(
                r=self.r,
                lora_alpha=self.alpha or 2 * self.r,
                lora_dropout=self.dropout,
                target_modules=self.target_modules,
                task_type=task,
                **self.extra,
            )
        except (TypeError, ValueError) as error:
            raise InputError(f"lora: peft refuses the table: {error}") from error
