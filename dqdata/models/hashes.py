"""Hashes the weights that a teacher answers with.

>>> folder_hash(Path("catalogs/models/slow_sft/0f3a1c5e7b90"))
'4be1f0c27d93aa18'
"""

from __future__ import annotations

from pathlib import Path

from dqdata.ids import digest
from dqdata.models import gguf

KINDS = (".safetensors", ".bin", ".json", ".jinja", ".model", ".gguf", ".txt")
RECORDS = ("metrics.json",)
"""The course of its training: of no consequence for what it answers."""


def folder_hash(folder: Path) -> str:
    """Hash of what makes a model: weights, configuration, tokenizer. The same for a model trained here and for the
    folder that it is exported to."""
    files = sorted(
        file for file in folder.iterdir() if file.is_file() and file.suffix in KINDS and file.name not in RECORDS
    )
    return digest("model", *(f"{file.name}:{gguf.file_hash(file)}" for file in files))[:16]
