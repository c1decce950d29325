"""Exports a trained model as a folder that vLLM and transformers serve, or as one GGUF file.

    export_model(store, "trained:slow_sft@2", Path("slow"))       # then: vllm serve slow
    export_model(store, "trained:slow_sft@2", Path("slow.gguf"))

Adapters were merged when the model was saved. GGUF needs the converter of llama.cpp, `convert_hf_to_gguf.py`, which
no package ships.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.errors import InputError, RunError
from dqdata.models import PREFERENCE, resolve_model, scores_in

if TYPE_CHECKING:
    from dqdata.catalog import Store

CONVERTER = "convert_hf_to_gguf.py"
INNER = ("metrics.json", "adapter")
"""What is dqdata's own in a model's folder: the store keeps it."""
TAIL = 15


@dataclass(frozen=True)
class Exported:
    """command: what serves the model; None where nothing that we know of does."""

    path: Path
    command: str | None
    files: int
    bytes: int

    def as_json(self) -> dict[str, Any]:
        return {"path": str(self.path), "command": self.command, "files": self.files, "bytes": self.bytes}


def export_model(store: Store, name: str, target: Path) -> Exported:
    """Whole or not at all. Raises InputError for unknown models, a target that is there already, and GGUF without a
    converter."""
    folder = Path(resolve_model(name, store, Path.cwd(), "export").path)
    config = _config(folder, name)
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise InputError(f"{target} is there already: give a new name, or remove it first")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.suffix == ".gguf":
            _convert(folder, unfinished, name)
            unfinished.rename(target)
            return Exported(target, f"llama-server -m {shlex.quote(str(target))}", 1, target.stat().st_size)
        shutil.copytree(folder, unfinished, ignore=shutil.ignore_patterns(*INNER))
        if target.is_dir():
            target.rmdir()
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        if unfinished.is_file():
            unfinished.unlink()
    files = [file for file in target.rglob("*") if file.is_file()]
    return Exported(target, _served_by(config, target), len(files), sum(file.stat().st_size for file in files))


def _config(folder: Path, name: str) -> dict[str, Any]:
    """The model's config. Raises RunError where files that a server needs are missing."""
    needed = {"weights (*.safetensors)": "*.safetensors", "config.json": "config.json", "tokenizer": "tokenizer*.json"}
    if missing := [what for what, pattern in needed.items() if not any(folder.glob(pattern))]:
        raise RunError(f"{name} can't be served: {folder} lacks {', '.join(missing)}; train it again")
    return dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))


def _served_by(config: dict[str, Any], folder: Path) -> str | None:
    scores = scores_in(config)
    if scores not in ((), (PREFERENCE,)):
        return None
    return f"vllm serve {shlex.quote(str(folder))}" + (" --runner pooling" if scores else "")


def _convert(folder: Path, target: Path, name: str) -> None:
    command = _converter()
    if command is None:
        raise InputError(
            f"{name} as GGUF needs llama.cpp's {CONVERTER}, which isn't on PATH nor importable: clone "
            "https://github.com/ggml-org/llama.cpp, put that folder on PATH and `pip install gguf`; or give a folder "
            "instead of a .gguf file: vLLM and transformers serve that",
            code="missing-extra",
        )
    done = subprocess.run(
        [*command, str(folder), "--outfile", str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode or not target.is_file():
        last = "\n".join((done.stderr or done.stdout).splitlines()[-TAIL:])
        raise RunError(f"{CONVERTER} ended with {done.returncode} and made no file; its last words:\n{last}")


def _converter() -> list[str] | None:
    """How the converter is started here: as a module or a script, with our own Python, which has its packages."""
    module = Path(CONVERTER).stem
    if importlib.util.find_spec(module) is not None:
        return [sys.executable, "-m", module]
    script = shutil.which(CONVERTER) or next(
        (
            str(file)
            for part in os.environ.get("PATH", "").split(os.pathsep)
            if part and (file := Path(part) / CONVERTER).is_file()
        ),
        None,
    )
    return [sys.executable, script] if script else None
