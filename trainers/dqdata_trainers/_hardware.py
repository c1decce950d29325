"""What this machine computes quickly.

>>> bf16_is_fast()      # on a CPU without AVX512-BF16 or AMX, where emulation is twenty times slower
False

The environment variable DQDATA_BF16 takes precedence over what is found: 1 chooses bfloat16, 0 does not. `args.bf16` of
a trainer takes precedence over both.
"""

from __future__ import annotations

import os

from dqdata.errors import InputError

FORCE = "DQDATA_BF16"


def has_accelerator() -> bool:
    import torch

    return bool(torch.accelerator.is_available())


def bf16_is_fast() -> bool:
    """Whether half precision (bfloat16) is computed by the hardware rather than emulated. Raises InputError where
    DQDATA_BF16 is neither 0 nor 1."""
    forced = os.environ.get(FORCE, "")
    if forced not in ("", "0", "1"):
        raise InputError(f"the environment variable {FORCE} must be 0 or 1, got {forced!r}")
    if forced:
        return forced == "1"

    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if has_accelerator():
        return bool(torch.accelerator.current_accelerator() != torch.device("mps"))
    capable = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in capable)


def check_4bit(*, lora: bool) -> None:
    """Raises InputError where weights in four bits can't be trained on this machine, or without adapters."""
    if not lora:
        raise InputError("load_in_4bit needs `lora`: weights in four bits can't be trained themselves")
    import torch
    from transformers.utils import is_bitsandbytes_available

    missing = [] if torch.cuda.is_available() else ["an NVIDIA GPU, and torch sees none here"]
    missing += [] if is_bitsandbytes_available() else ["`pip install bitsandbytes`"]
    if missing:
        raise InputError(f"load_in_4bit needs {' and '.join(missing)}; without it `lora` alone trains anywhere")
