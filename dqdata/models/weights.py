"""Weights in the form that transformers loads: GGUF files unpacked and adapters merged, once, and cached.

>>> loadable(ref, store.path / "models" / ".unpacked")
'/.../catalogs/models/.unpacked/5c1e...'
"""

from __future__ import annotations

from pathlib import Path

from dqdata.errors import InputError
from dqdata.files import lock, whole_folder
from dqdata.models.hub import downloaded
from dqdata.models.merging import merge_adapter
from dqdata.models.names import ModelRef


def loadable(ref: ModelRef, cache: Path) -> str:
    """A folder or hub name that transformers loads. GGUF weights are unpacked into `cache` the first time, and adapters
    merged there into their base model; a hub model at a commit is downloaded. Raises InputError."""
    if ref.kind == "hub" and ref.revision:
        return downloaded(ref)
    if ref.kind not in ("gguf", "adapter"):
        return ref.path
    folder = cache / ref.identity
    cache.mkdir(parents=True, exist_ok=True)
    with lock(folder):
        if not folder.is_dir():
            with whole_folder(folder) as unfinished:
                if ref.kind == "gguf":
                    _unpack(Path(ref.path), unfinished)
                else:
                    merge_adapter(Path(ref.path), ref.base, unfinished)
    return str(folder)


def _unpack(file: Path, folder: Path) -> None:
    """GGUF to a folder of safetensors and tokenizer, in the precision of the machine's own arithmetic."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**where)
        packed = AutoModelForCausalLM.from_pretrained(
            **where, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
        )
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{file} can't be read as a GGUF model: {error}") from error

    # The unpacked model still carries its quantizer, and saving goes wrong: only its weights go into a fresh one.
    config = packed.config
    config.name_or_path = file.stem
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(packed.state_dict())
    model.tie_weights()
    model.generation_config = packed.generation_config
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
