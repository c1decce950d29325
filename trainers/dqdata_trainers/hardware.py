"""What this machine computes quickly.

>>> bf16_is_fast()      # on a CPU without AVX512-BF16 or AMX, where emulation is twenty times slower
False
"""

from __future__ import annotations


def has_accelerator() -> bool:
    import torch

    return bool(torch.accelerator.is_available())


def bf16_is_fast() -> bool:
    """Whether half precision (bfloat16) is computed by the hardware rather than emulated."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if has_accelerator():
        return bool(torch.accelerator.current_accelerator() != torch.device("mps"))
    capable = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in capable)
