"""Kahneman-Tversky optimisation: right and wrong traces, without pairs.

[trainers.prefer]
kind = "kto"
model = "trained:slow_sft@latest"
data = "select messages, correct from verified"
args = { beta = 0.1, learning_rate = 5e-7, per_device_train_batch_size = 8 }

Rows need `messages`, whose last turn is learnt from, and `label`, by default the verifier's `correct`. The losses `kto`
compare with a divergence that is estimated over each batch: it must have two rows or more, and its size is part of the
loss. `loss_type = "apo_zero_unpaired"` has no such term.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dqdata.columns import MESSAGES, Columns
from dqdata.errors import ColumnError
from dqdata.trainer import Data, Trainer, TrainResult, TrainRun
from dqdata_trainers._config import TrlParams
from dqdata_trainers._fields import REQUIRED, check_args
from dqdata_trainers._pairs import SPLITS


class KtoParams(TrlParams):
    label: str = "correct"
    """Column that says whether a trace is desirable."""


class Kto(Trainer[KtoParams]):
    """Kahneman-Tversky optimisation (arXiv 2402.01306) on traces that are right or wrong, without pairs."""

    kind = "kto"
    Params = KtoParams

    def requires(self) -> tuple[str, ...]:
        return REQUIRED

    def check(self) -> None:
        check_args(self.params, "KTOConfig")

    def needs(self, split: str, have: Columns) -> None:
        if split not in SPLITS:
            raise ColumnError(f"kto has no use for a split {split!r}: it reads {' and '.join(SPLITS)}")
        have.require("messages", MESSAGES).require(self.params.label, "BOOLEAN")

    def check_rows(self, split: str, rows: Sequence[Mapping[str, Any]], model: str) -> None:
        from dqdata_trainers._rows import check_chats

        check_chats(split, rows, model, self.params)

    def tokens(self, rows: Iterable[Mapping[str, Any]], model: str) -> Iterator[int]:
        from dqdata_trainers._rows import chat_tokens

        return chat_tokens(rows, model, self.params)

    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        from dqdata_trainers._unpaired import train_unpaired

        return train_unpaired(self.params, self.params.label, data, out, run)
