"""What every trainer's table may say, and how its `args` become a TRL config.

[trainers.slow_sft]
kind = "sft"
model = "Qwen/Qwen2.5-7B-Instruct"
max_length = 8192
lora = { r = 16 }
args = { learning_rate = 1e-5, num_train_epochs = 3 }      # any field of TRL's SFTConfig, under its own name
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from dqdata.errors import DqdataError, InputError, nearest
from dqdata.operator import Params, PromptFile
from dqdata_trainers._lora import Lora

OURS = {
    "output_dir": "dqdata chooses it",
    "resume_from_checkpoint": "dqdata resumes by itself",
    "max_length": "write `max_length` beside `args`",
    "seed": "write `seed` beside `args`",
    "chat_template_path": "write `chat_template` beside `args`",
    "dataset_kwargs": "dqdata prepares the rows",
    "completion_only_loss": "the loss is on the assistant's tokens alone",
    "assistant_only_loss": "the loss is on the assistant's tokens alone",
    "teacher_model_name_or_path": "write `teacher` beside `args`",
    "teacher_model_revision": "write `teacher = 'NAME@REVISION'` beside `args`",
    "chat_template_kwargs": "write `chat_template_kwargs` beside `args`",
}
"""Fields of a TRL config that don't belong in `args`, and what to do instead."""


class TrlParams(Params):
    """Parameters that all trainers over TRL share."""

    model: str
    """Hub name, also NAME@REVISION, folder (of adapters too), GGUF file, `smollm2-135m`, or `trained:NAME@version`."""
    args: Mapping[str, Any] = Field(default_factory=dict)
    """Fields of the TRL config, by their own names."""
    lora: Lora | None = None
    """Low-rank adapters in place of full training: `{ r = 16, alpha = 32 }`."""
    load_in_4bit: bool = False
    """QLoRA: the base model's weights in 4 bits; needs `lora`, a GPU and bitsandbytes."""
    max_length: int | None = Field(1024, ge=8)
    """Tokens of a row, prompt and answer together; false for no limit."""
    on_too_long: Literal["error", "drop", "truncate"] = "error"
    """What becomes of a row longer than `max_length`. error: nothing is trained. drop: it is left out, with a note.
    truncate: its end is cut off, which grpo, rloo and some forms of distill refuse."""
    chat_template: PromptFile | None = None
    """Jinja file that takes the place of the model's own chat template, and is saved with the model."""
    chat_template_kwargs: Mapping[str, Any] = Field(default_factory=dict)
    """Handed to the template, such as { enable_thinking = false }."""
    seed: int = 42
    """Of the order of rows and of everything drawn."""
    checkpoint_minutes: float = Field(5.0, ge=0)
    """Time between checkpoints when `args` has no `save_strategy` of its own; 0 writes one after every step."""


def trl_config(kind: type[Any], params: TrlParams, out: Path, **fixed: Any) -> Any:
    """An instance of the TRL config class `kind` from `params.args`, checked by name and type. Raises InputError.

    fixed: what the trainer itself decides. Defaults suit the hardware: half precision only where the processor has
    it, activations recomputed (gradient checkpointing) only on a GPU.
    """
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for name, advice in OURS.items():
        if name in params.args:
            raise InputError(f"args.{name} can't be set: {advice}")
    for name in fixed:
        if name in params.args:
            raise InputError(f"args.{name} can't be set: this trainer needs it to be {fixed[name]!r}")
    _refuse_unknown(params.args, set(fields), "args", f"TRL's {kind.__name__}")
    for name, value in params.args.items():
        default = fields[name].default
        if isinstance(value, str) and isinstance(default, int | float) and not isinstance(default, bool):
            raise InputError(f"args.{name} must be a number, got the text {value!r}: remove the quotes")

    from dqdata_trainers._hardware import bf16_is_fast, check_4bit, has_accelerator

    if params.load_in_4bit:
        check_4bit(lora=params.lora is not None)
    gpu = has_accelerator()
    values: dict[str, Any] = {
        "bf16": bf16_is_fast() and not params.args.get("fp16", False),
        "gradient_checkpointing": gpu,
        "dataloader_pin_memory": gpu,
        "use_cpu": not gpu,  # without it several ranks on a CPU would each believe to be alone
        "ddp_backend": None if gpu or os.environ.get("WORLD_SIZE", "1") == "1" else "gloo",
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",
        "save_total_limit": 2,
        **params.args,
        **fixed,
        "output_dir": str(out / "checkpoints"),
        "seed": params.seed,
    }
    if "model_init_kwargs" in fields:
        values["model_init_kwargs"] = {"use_safetensors": True, **(values.get("model_init_kwargs") or {})}
    if "max_length" in fields:
        values["max_length"] = params.max_length
    if "chat_template_kwargs" in fields:
        values["chat_template_kwargs"] = dict(params.chat_template_kwargs)
    if values.get("deepspeed"):
        from dqdata_trainers._sharding import deepspeed_config

        values["deepspeed"] = deepspeed_config(values["deepspeed"], gpu=gpu, lora=params.lora)
    if values.get("fsdp"):
        from dqdata_trainers._sharding import fsdp_config

        recompute = bool(values.pop("gradient_checkpointing"))
        values["fsdp_config"] = fsdp_config(values.get("fsdp_config"), recompute=recompute, lora=params.lora)
        values["gradient_checkpointing"] = False
    try:
        return kind(**values)
    except (TypeError, ValueError, ImportError) as error:
        raise InputError(f"args: {kind.__name__} refuses them: {error}") from error


def built(kind: type[Any], **kwargs: Any) -> Any:
    """A trainer of TRL. Raises InputError for what its constructor refuses in the table's args or adapters."""
    try:
        return kind(**kwargs)
    except DqdataError:
        raise
    except (ValueError, ImportError, NotImplementedError) as error:
        base = next(one for one in kind.__mro__ if not one.__module__.startswith("dqdata_trainers."))
        raise InputError(f"{base.__name__} refuses the table: {' '.join(str(error).split())}") from error


def _refuse_unknown(given: Mapping[str, Any], known: set[str], where: str, whose: str) -> None:
    for name in given:
        if name not in known:
            raise InputError(f"{where}.{name}: {whose} has no such field{nearest(name, known)}")
