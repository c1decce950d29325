"""SFT in which each row has a weight: loss = sum over rows of weight * its tokens' losses, over the tokens of the step.

    [trainers.mixed]
    kind = "sft"
    weight = "weight"                          # a column
    mixture = { math = 0.7, code = 0.3 }       # shares of the loss, by `mixture_by`

A weight of 1 everywhere is plain SFT. A mixture makes weights out of shares: with T trained tokens in all and T_v of
the rows with value v, such a row has the weight share_v * T / T_v, so that the weights sum to T over the tokens.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from dqdata.errors import DataError, InputError
from dqdata.models import IGNORED
from dqdata_trainers._mimic import WEIGHT, KlTrainer


class WeightedTrainer(KlTrainer):
    """TRL's SFT with the weighted loss in place of the plain one, which is logged as `lm_loss`."""

    apart_name = "weighted_loss"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, kl_share=1.0, temperature=1.0, **kwargs)
        self.data_collator: Any = WithWeight(self.data_collator)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if WEIGHT not in self._signature_columns:
            self._signature_columns.append(WEIGHT)

    def _taught(self, inputs: Mapping[str, Any], trained: torch.Tensor) -> tuple[torch.Tensor, ...]:
        weights = inputs[WEIGHT][:, None].expand(trained.shape)
        return weights[trained], inputs["labels"][:, 1:][trained]

    def _apart(self, logits: torch.Tensor, *taught: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weights, labels = taught
        losses = weights * functional.cross_entropy(logits, labels, reduction="none")
        return losses, torch.ones_like(losses, dtype=torch.bool)


@dataclass
class WithWeight:
    """A collator that passes the rows' weights along with what `inner` makes of them."""

    inner: Any

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = self.inner([{k: v for k, v in one.items() if k != WEIGHT} for one in examples])
        return {**batch, WEIGHT: torch.tensor([float(one[WEIGHT]) for one in examples])}


def weighted(rows: Any, split: str, column: str | None, mixture: Mapping[str, float], by: str) -> Any:
    """The rows with their weight. column: of each row's own; mixture: shares of the values of `by`. Raises DataError
    that names a row, and InputError for values without a share, or shares without rows."""
    own = [1.0] * len(rows) if column is None else [_weight(split, row, column) for row in rows]
    if mixture:
        values = [str(value) for value in rows[by]]
        tokens: Counter[str] = Counter()
        for value, labels in zip(values, rows["labels"], strict=True):
            tokens[value] += sum(label != IGNORED for label in labels)
        if set(tokens) != set(mixture):
            raise InputError(
                f"{split} split: mixture has shares of {', '.join(sorted(mixture))}, and {by!r} has the values "
                f"{', '.join(sorted(tokens))}: give each a share, or leave its rows out"
            )
        whole, shares = sum(tokens.values()), sum(mixture.values())
        factors = {value: mixture[value] / shares * whole / tokens[value] for value in mixture}
        own = [weight * factors[value] for weight, value in zip(own, values, strict=True)]
    extra = [name for name in dict.fromkeys((column, by if mixture else None)) if name]
    return rows.remove_columns(extra).add_column(WEIGHT, own)


def _weight(split: str, row: Mapping[str, Any], column: str) -> float:
    value = row[column]
    if value is None or not math.isfinite(value) or value < 0:
        raise DataError(f"{split} split, {row['row']}: {column!r} is {value}: a weight is a number of 0 or more")
    return float(value)
