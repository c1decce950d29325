"""Simple preference optimisation: mean log-probabilities of both turns, a margin, and no reference model.

[trainers.prefer]
kind = "simpo"
model = "trained:slow_sft@latest"
data = "pairs@latest"
args = { beta = 2.0, simpo_gamma = 1.0, learning_rate = 1e-6 }      # cpo_alpha = 1.0 adds the chosen turn's likelihood
"""

from __future__ import annotations

from pathlib import Path

from dqdata.trainer import Data, TrainResult, TrainRun
from dqdata_trainers._pair_kind import PairKind


class Simpo(PairKind):
    """Simple preference optimisation (arXiv 2405.14734): length-normalised, with a margin, no reference model."""

    kind = "simpo"
    config = "CPOConfig"
    fixed = ("loss_type",)

    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        from dqdata_trainers._unreferenced import train_without_reference

        return train_without_reference(self.kind, self.params, data, out, run)
