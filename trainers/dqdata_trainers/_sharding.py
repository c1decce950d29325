"""DeepSpeed and FSDP: `args = { deepspeed = "zero2" }` or "zero3", or `{ fsdp = true }`, take a config that is shipped;
`deepspeed` or `fsdp_config` with a path takes yours.

ZeRO-2 shares optimizer state and gradients between the ranks, ZeRO-3 and FSDP the weights too.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dqdata.errors import InputError, nearest
from dqdata_trainers._lora import Lora

CONFIGS = Path(__file__).parent / "configs"
ZERO = ("zero2", "zero3")
FSDP = ("fsdp",)


def deepspeed_config(value: Any, *, gpu: bool, lora: Lora | None) -> dict[str, Any]:
    """The config as a mapping, with the ranks already connected. Raises InputError."""
    config = _read(value, "args.deepspeed", ZERO)
    if importlib.util.find_spec("deepspeed") is None:
        raise InputError("args.deepspeed needs the package: `pip install 'dqdata[deepspeed]'`", code="missing-extra")
    if config.get("zero_optimization", {}).get("stage") == 3:
        _refuse_changed_base(lora, "ZeRO-3")

    # DeepSpeed must know its backend before the config exists, and a single process is a world of one.
    for name, default in (("RANK", "0"), ("LOCAL_RANK", "0"), ("WORLD_SIZE", "1"), ("MASTER_ADDR", "127.0.0.1")):
        os.environ.setdefault(name, default)
    os.environ.setdefault("MASTER_PORT", "29577")
    import deepspeed

    deepspeed.init_distributed("nccl" if gpu else "gloo", verbose=False)
    return config


def fsdp_config(value: Any, *, recompute: bool, lora: Lora | None) -> dict[str, Any]:
    """The config as a mapping. recompute: whether activations are computed again, which FSDP does itself. Raises
    InputError."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        raise InputError("args.fsdp splits a model between processes, and there is one: `dqdata train --processes 2`")
    _refuse_changed_base(lora, "fsdp")
    config = _read("fsdp" if value is None else value, "args.fsdp_config", FSDP)
    if config.get("activation_checkpointing", "auto") == "auto":
        config["activation_checkpointing"] = recompute
    return config


@contextmanager
def whole_weights() -> Iterator[None]:
    """Inside, models load whole and in this process alone. Under ZeRO-3 transformers would split what it loads between
    all ranks, and one that loads alone would wait for the others for ever."""
    from transformers.integrations import deepspeed as state

    kept = getattr(state, "_hf_deepspeed_config_weak_ref", None)
    state.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        state._hf_deepspeed_config_weak_ref = kept


def _refuse_changed_base(lora: Lora | None, how: str) -> None:
    """Adapters of split weights are merged into the base model as it is on disk."""
    if lora is not None and not lora.stands_alone:
        start = lora.extra["init_lora_weights"]
        raise InputError(
            f"{how} with lora.extra.init_lora_weights = {start!r}: it changes the base model, and split weights are "
            "merged with the one on disk; leave it out, or use deepspeed = 'zero2'"
        )


def _read(value: Any, where: str, known: Sequence[str]) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    path = CONFIGS / f"{value}.json" if value in known else Path(str(value))
    if not path.is_file():
        raise InputError(f"{where} = {value!r} is neither a file nor one of {', '.join(known)}{nearest(value, known)}")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from error
