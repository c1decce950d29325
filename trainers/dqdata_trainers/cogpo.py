"""Cognitive preference optimisation: DPO with a beta per pair, larger for larger gaps.

[trainers.cog]
kind = "cogpo"
model = "trained:slow_sft@latest"
data = "select * from pairs"            # prompt, chosen, rejected, beta
args = { learning_rate = 5e-6, num_train_epochs = 1 }

chosen                rejected                gap      beta
fitting, correct      correct, not fitting    small    0.1
correct, not fitting  wrong                   medium   0.2
fitting, correct      wrong                   large    0.5

length_normalized = true divides each log-probability ratio by the tokens of its turn (as SimPO and Tulu 3's DPO do):
beta_i * [(log pi_c - log ref_c) / |c| - (log pi_r - log ref_r) / |r|].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dqdata.columns import Columns
from dqdata.errors import DataError
from dqdata.trainer import Data, Trainer, TrainResult, TrainRun
from dqdata_trainers._config import TrlParams
from dqdata_trainers._fields import REQUIRED, check_args
from dqdata_trainers._pairs import check_pairs, needs_pairs, pair_tokens
from dqdata_trainers.dpo import train_on_pairs


class CogPoParams(TrlParams):
    length_normalized: bool = False
    """Compare mean log-probabilities of a token, not sums over the turn: a longer turn then counts no more than a short
    one. beta must be larger by about the number of tokens of a turn."""


class CogPo(Trainer[CogPoParams]):
    """DPO with a beta per pair (arXiv 2504.09802); a constant beta makes it plain DPO."""

    kind = "cogpo"
    Params = CogPoParams

    def requires(self) -> tuple[str, ...]:
        return REQUIRED

    def check(self) -> None:
        check_args(self.params, "DPOConfig")

    def needs(self, split: str, have: Columns) -> None:
        needs_pairs(self.kind, split, have)
        have.require("beta", "DOUBLE", "FLOAT")

    def check_rows(self, split: str, rows: Sequence[Mapping[str, Any]], model: str) -> None:
        check_pairs(split, rows, model, self.params)

    def tokens(self, rows: Iterable[Mapping[str, Any]], model: str) -> Iterator[int]:
        return pair_tokens(rows, model, self.params)

    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        from dqdata_trainers._preference import BetaTrainer

        for split in data.folders:
            _check_betas(data, split)
        loss = "sigmoid_norm" if self.params.length_normalized else "sigmoid"
        return train_on_pairs(self.kind, self.params, BetaTrainer, data, out, run, extra=("beta",), loss_type=[loss])


def _check_betas(data: Data, split: str) -> None:
    betas = data.dataset(split).with_format("arrow")["beta"].to_pylist()
    wrong = [index for index, beta in enumerate(betas) if beta is None or not beta > 0]
    if wrong:
        raise DataError(
            f"{split} split: `beta` must be above 0 in every row; row {wrong[0]} has {betas[wrong[0]]} "
            f"({len(wrong)} such rows of {len(betas)})"
        )
