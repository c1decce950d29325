"""TRL's DPO on rows that are tokens already, and with a beta of each pair's own.

CogPO: loss_i = -log sigmoid(beta_i * [(log pi_c - log pi_r) - (log ref_c - log ref_r)])      (arXiv 2504.09802)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from trl import DPOTrainer


class PairTrainer(DPOTrainer):  # type: ignore[misc]
    """Takes prompt_ids, chosen_ids and rejected_ids as they come."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


class BetaTrainer(PairTrainer):
    """DPO in which each row's `beta` replaces the config's."""

    beta: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.data_collator: Any = WithBeta(self.data_collator)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if "beta" not in self._signature_columns:
            self._signature_columns.append("beta")

    def _compute_loss(self, model: Any, inputs: Mapping[str, Any], return_outputs: bool) -> Any:
        # TRL multiplies by self.beta wherever beta enters the loss or the logged rewards: a tensor of one beta a pair
        # in its place gives the per-pair loss.
        inputs = dict(inputs)
        scalar, self.beta = self.beta, inputs.pop("beta")
        try:
            return super()._compute_loss(model, inputs, return_outputs)
        finally:
            self.beta = scalar


@dataclass
class WithBeta:
    """A collator that passes the pairs' betas along with what `inner` makes of them."""

    inner: Any

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = self.inner(examples)
        batch["beta"] = torch.tensor([float(example["beta"]) for example in examples])
        return batch
