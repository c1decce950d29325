"""Weights in the form that transformers loads: GGUF files unpacked and adapters merged, once, and cached.

>>> loadable(ref, store.path / "models" / ".unpacked")
'/.../catalogs/models/.unpacked/5c1e...'
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


def packed_tokenizer(file: Path) -> tuple[Any, Any]:
    """Config and tokenizer that a GGUF file holds, with its chat template; no weights are read. Raises InputError."""
    from transformers import AutoConfig, AutoTokenizer

    with _reading(file):
        config = AutoConfig.from_pretrained(**_packed(file))
        tokenizer = AutoTokenizer.from_pretrained(config=config, **_packed(file))
    # Some releases of transformers (5.17) take the token that begins a text for the one that ends a turn.
    for name in ("bos_token", "eos_token", "pad_token"):
        number = getattr(config, f"{name}_id", None)
        if isinstance(number, int) and 0 <= number < len(tokenizer) and number != getattr(tokenizer, f"{name}_id"):
            setattr(tokenizer, name, tokenizer.convert_ids_to_tokens(number))
    return config, tokenizer


def _packed(file: Path) -> dict[str, Any]:
    return {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name, "trust_remote_code": False}


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Raises InputError where the file is cut off, damaged, or of an architecture that transformers doesn't read."""
    try:
        yield
    except Exception as error:  # struct.error, ValueError, IndexError: whatever the place of the damage leads to
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{file} can't be read as a GGUF model: {reason}") from error


def _unpack(file: Path, folder: Path) -> None:
    """GGUF to a folder of safetensors and tokenizer, in the precision of the machine's own arithmetic."""
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    _, tokenizer = packed_tokenizer(file)
    with _reading(file):
        packed = AutoModelForCausalLM.from_pretrained(
            **_packed(file), quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
        )

    # The unpacked model still has its quantizer, and saving goes wrong: only its weights go into a fresh one.
    config = packed.config
    config.name_or_path = file.stem
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(packed.state_dict())
    model.tie_weights()
    model.generation_config = packed.generation_config
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
