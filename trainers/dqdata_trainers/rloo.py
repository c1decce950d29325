"""REINFORCE with the other completions of the group as the baseline, with the rewards of `grpo`.

[trainers.rl]
kind = "rloo"
model = "trained:slow_sft@latest"
data = "select question, answer from problems"
rewards = [ { op = "verify_math" } ]
args = { num_generations = 4, max_completion_length = 1024 }
"""

from __future__ import annotations

from pathlib import Path

from dqdata.trainer import Data, TrainResult, TrainRun
from dqdata_trainers.grpo import GroupParams, GroupTrainer


class RlooParams(GroupParams):
    pass


class Rloo(GroupTrainer):
    """REINFORCE leave-one-out (Ahmadian et al., 2024); rewards as for grpo."""

    kind = "rloo"
    config = "RLOOConfig"
    Params = RlooParams

    def train(self, data: Data, out: Path, run: TrainRun) -> TrainResult:
        from trl import RLOOConfig, RLOOTrainer

        return self._fit(data, out, run, RLOOConfig, RLOOTrainer)
