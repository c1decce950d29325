"""Odds-ratio preference optimisation: the likelihood of the chosen turn, and its odds against the other's.

[trainers.prefer]
kind = "orpo"
model = "Qwen/Qwen2.5-7B"
data = "pairs@latest"
args = { beta = 0.1, learning_rate = 8e-6 }
"""

from __future__ import annotations

from pathlib import Path

from dqdata.trainer import Data, TrainResult, TrainRun
from dqdata_trainers._pair_kind import PairKind


class Orpo(PairKind):
    """Odds-ratio preference optimisation (arXiv 2403.07691): no reference model, and no SFT before it."""

    kind = "orpo"
    config = "ORPOConfig"

    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        from dqdata_trainers._unreferenced import train_without_reference

        return train_without_reference(self.kind, self.params, data, out, run)
