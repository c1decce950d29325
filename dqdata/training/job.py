"""The job file of a training process: JSON that contains every decision.

    python -m dqdata.training.worker JOB.json

Under `torchrun` the same line starts every rank on every machine that sees the folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dqdata.columns import Columns
from dqdata.models import ModelRef
from dqdata.trainer import Data

if TYPE_CHECKING:
    from dqdata.catalog import Store


@dataclass(frozen=True)
class Job:
    """task: "train" or "answer". folder: where the result goes. cache: where GGUF weights are unpacked. project:
    pipelines.toml, for operators as rewards, and its profile. models: by name; of a job that answers, by the label of
    the file that each model's answers go to, `answers<label>.jsonl`."""

    task: Literal["train", "answer"]
    folder: str
    cache: str
    project: str
    profile: str
    models: Mapping[str, Mapping[str, str]]
    kind: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    evaluate: Mapping[str, Any] | None = None

    def write(self) -> Path:
        path = Path(self.folder) / f"{self.task}.json"
        write_json(path, asdict(self))
        return path

    @classmethod
    def read(cls, path: Path) -> Job:
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    @property
    def refs(self) -> dict[str, ModelRef]:
        return {name: ModelRef(**ref) for name, ref in self.models.items()}  # type: ignore[arg-type]

    @property
    def splits(self) -> Data:
        return Data(
            {split: Path(folder) for split, folder in self.data["folders"].items()},
            self.data["queries"],
            {split: Columns(types) for split, types in self.data["columns"].items()},
            self.data["rows"],
        )


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(value, default=str), encoding="utf-8")
    unfinished.replace(path)


def unpacked_models(store: Store) -> Path:
    """Where the jobs of a store unpack GGUF files and merge adapters."""
    return store.path / "models" / ".unpacked"
