"""The contract of a trainer, which turns a catalog into a model.

    class Sft(Trainer[SftParams]):
        "Supervised fine-tuning on the assistant's tokens."
        kind = "sft"

        def needs(self, split: str, have: Columns) -> None: have.require("messages", MESSAGES)
        def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult: ...

Data is materialised once as memory-mapped Arrow before any rank starts. Found by its entry point in the group
`dqdata.trainers`; the name is what `kind = "..."` says in TOML.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol

from dqdata.columns import Columns
from dqdata.operator import Bound
from dqdata.params import NoParams, P, Params

if TYPE_CHECKING:
    from datasets import Dataset


ROWS = "rows.arrow"
"""The file of a split in its folder: an Arrow stream."""


@dataclass(frozen=True)
class Data:
    """Splits by name ("train", "eval", ...), each a folder with an Arrow file that every rank maps, and what each is:
    `query` with pinned versions, its columns and row count."""

    folders: Mapping[str, Path]
    queries: Mapping[str, str]
    columns: Mapping[str, Columns]
    rows: Mapping[str, int]

    def dataset(self, split: str) -> Dataset:
        """The split, memory-mapped."""
        from datasets import Dataset

        return Dataset.from_file(str(self.folders[split] / ROWS))


@dataclass(frozen=True)
class TrainResult:
    """model: folder of the saved model. metrics: final values by name. history: one mapping per logged step.
    notes: what the user should read, such as rows that were cut."""

    model: Path
    metrics: Mapping[str, float]
    history: Sequence[Mapping[str, float]] = ()
    notes: Sequence[str] = field(default_factory=tuple)


def mark_whole(checkpoint: Path, rank: int, world: int) -> None:
    """Says that this rank has written all of its part of a checkpoint."""
    (checkpoint / f"whole-rank-{rank}-of-{world}").touch()


def whole_checkpoint(folder: Path) -> Path | None:
    """The newest `checkpoint-STEP` below `folder` in which every rank left its mark: a kill in the middle of writing
    leaves one that looks whole and isn't."""

    def is_whole(checkpoint: Path) -> bool:
        marks = [mark.name for mark in checkpoint.glob("whole-rank-*-of-*")]
        return bool(marks) and len(marks) == int(marks[0].rpartition("-")[2])

    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((path for path in found if is_whole(path)), None)


class Measure(Protocol):
    """How a model that writes is measured while it trains."""

    @property
    def every_steps(self) -> int: ...

    def accuracy(self, model: Any, tokenizer: Any, step: int) -> float:
        """Share of correct answers to held-out questions, from 0 to 1. The model is in memory and whole."""
        ...


class TrainRun(Protocol):
    """What a trainer is given beside its data; a Runtime, so operators can be bound as rewards."""

    @property
    def resume(self) -> Path | None:
        """Newest whole checkpoint of an earlier, interrupted run with the same recipe."""
        ...

    @property
    def evaluation(self) -> Measure | None:
        """Measures the model every so many steps, where the table asks for it."""
        ...

    def model(self, name: str) -> str:
        """A folder or hub name that transformers loads: `trained:NAME@2` and GGUF files are resolved."""
        ...

    def operator(self, name: str, params: Mapping[str, Any]) -> Bound: ...
    def log(self, message: str) -> None:
        """A line for who watches; the first rank's alone is shown."""
        ...

    def progress(self, done: int, total: int) -> None:
        """Steps that are through, and in all: the bar and the time left."""
        ...


class Trainer(ABC, Generic[P]):
    """Trains. `params` come from the `[trainers.NAME]` table, less `kind` and `data`."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    Params: ClassVar[type[Params]] = NoParams

    def __init__(self, params: P) -> None:
        self.params = params

    @abstractmethod
    def needs(self, split: str, have: Columns) -> None:
        """Raises ColumnError where a split lacks a column."""

    def check_rows(self, split: str, rows: Sequence[Mapping[str, Any]], model: str) -> None:
        """Raises InputError, naming the row, where rows of a split can't be trained on: the student's chat template
        loses part of them. Called by `dqdata check` with the first rows where they and the student are on this machine;
        `train` checks all. model: a folder with the student's tokenizer."""

    def tokens(self, rows: Iterable[Mapping[str, Any]], model: str) -> Iterator[int] | None:
        """Tokens of each row of `train` as a step of the training counts them: by the student's tokenizer and chat
        template, cut or left out where the row is too long. None where that is not known before the training, as where
        the student writes. model: a folder or hub name with the student's tokenizer. `dqdata ablate` gives its arms
        equal tokens by it."""
        return None

    def requires(self) -> tuple[str, ...]:
        """Distributions that it needs with these parameters beside those of dqdata: names as pip takes them, or
        `dqdata[EXTRA]`. `check`, `build` and `train` report those that are missing before anything is paid for."""
        return ()

    def check(self) -> None:
        """Raises InputError for what can be known to be wrong before any data is there, such as keys of a library's
        configuration that it does not have; called when planning, where all that it requires is installed."""

    def models(self) -> tuple[str, ...]:
        """Names of the models it starts from: student, reference, reward models; for lineage and cycle checks."""
        model = getattr(self.params, "model", None)
        return (model,) if isinstance(model, str) else ()

    def scores(self) -> tuple[str, ...]:
        """What the model that it makes gives for a chat, such as rv and cd; empty for a model that writes."""
        return ()

    def operators(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Operators it will ask `run.operator` for, as (name, params): what they and their teachers are is part of the
        training's fingerprint."""
        return ()

    @abstractmethod
    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        """Writes the model below `out`. Runs in every rank of a distributed launch."""
