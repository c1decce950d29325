"""Divergences between two distributions over the next token, computed a few tokens at a time.

    forward   KL(teacher | student) = sum_v  p_T (log p_T - log p_S)
    reverse   KL(student | teacher) = sum_v  p_S (log p_S - log p_T)

Both at the same temperature (Hinton et al., 2015, without the factor T^2, which `kl_share` can make up for).

Where only the teacher's k likeliest tokens K are known, all others count as one:

    sum_{v in K} p_T (log p_T - log p_S)  +  r_T (log r_T - log r_S),      r = 1 - sum_{v in K} p

which is the forward KL of the two distributions over K and the rest: never more than the whole one, by the log-sum
inequality (Cover & Thomas, Elements of Information Theory, theorem 2.7.1), and 0 only where both agree on it.

Logits of a whole row are never held: 16,384 tokens of a vocabulary of 151,936 are 10 GB in full precision, and six such
tensors (logits, log-probabilities and probabilities of both models) 60 GB. Hidden states are projected in chunks whose
logits take CHUNK_BYTES, and once more in the backward pass, so the six tensors take 0.8 GB at any length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

NONE = -1
"""Fills up where fewer tokens are stored."""
NOTHING = 1e-5
"""Probability of all the other tokens that is only rounding."""
CHUNK_BYTES = 128 << 20
"""Of the logits of a chunk, in full precision."""


def divergence_of(student: torch.Tensor, teacher: torch.Tensor, kind: str, temperature: float) -> torch.Tensor:
    """KL in nats at each position; logits are (positions, vocabulary)."""
    ours = functional.log_softmax(student.float() / temperature, dim=-1)
    theirs = functional.log_softmax(teacher.float() / temperature, dim=-1)
    if kind == "forward":
        return (theirs.exp() * (theirs - ours)).sum(-1)
    return (ours.exp() * (ours - theirs)).sum(-1)


def stored_divergence(
    student: torch.Tensor, ids: torch.Tensor, logprobs: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    """Forward KL in nats at each position over the stored tokens and the rest. student: logits (positions, vocabulary).
    ids, logprobs: (positions, k), ids NONE where there is none; logprobs are those at `temperature`."""
    known = ids != NONE
    ours = functional.log_softmax(student.float() / temperature, dim=-1)
    width = ours.shape[-1]
    shares = torch.where(known, logprobs.exp(), 0.0)
    apart = (shares * torch.where(known, logprobs - ours.gather(1, ids.clamp(min=0)), 0.0)).sum(-1)

    rest = (1 - shares.sum(-1)).clamp(min=0)
    some = rest > NOTHING
    taken = torch.zeros(len(ours), width + 1, dtype=torch.bool, device=ours.device)
    taken.scatter_(1, torch.where(known, ids, width), True)
    # Where nothing is left nothing is masked, for a sum over no token has no gradient.
    rest_of_ours = ours.masked_fill(taken[:, :width] & some[:, None], -torch.inf).logsumexp(-1)
    return apart + torch.where(some, rest * (rest.clamp(min=NOTHING).log() - rest_of_ours), 0.0)


@dataclass(frozen=True)
class Head:
    """The output layer of a causal model as a function of hidden states, with the scale and the soft cap of the logits
    that the model's own forward applies."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    scale: float
    cap: float | None

    @classmethod
    def of(cls, model: Any) -> Head:
        """model: a causal language model, unwrapped."""
        layer, config = model.get_output_embeddings(), model.config.get_text_config()
        weight, bias = layer.weight, getattr(layer, "bias", None)
        if hasattr(weight, "full_tensor"):  # FSDP keeps shards; one gather serves every chunk
            weight, bias = weight.full_tensor(), None if bias is None else bias.full_tensor()
        return cls(weight, bias, _scale(config), getattr(config, "final_logit_softcapping", None))

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits (positions, vocabulary) in full precision of hidden states (positions, width)."""
        logits = functional.linear(hidden.to(self.weight.dtype), self.weight, self.bias).float() * self.scale
        return logits if self.cap is None else self.cap * torch.tanh(logits / self.cap)


def chunk_of(vocabulary: int) -> int:
    """Tokens of a chunk."""
    return max(1, CHUNK_BYTES // (4 * vocabulary))


def summed(
    function: Callable[..., tuple[torch.Tensor, ...]], size: int, *tensors: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Sums over chunks of `function`'s results. tensors: the same number of positions first; what is computed from them
    is computed again in the backward pass rather than kept."""
    totals: tuple[torch.Tensor, ...] | None = None
    for part in _parts(size, tensors):
        made = checkpoint(function, *part, use_reentrant=False, preserve_rng_state=False)
        totals = made if totals is None else tuple(a + b for a, b in zip(totals, made, strict=True))
    assert totals is not None
    return totals


def likeliest(head: Head, hidden: torch.Tensor, k: int, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids, log-probabilities at the temperature) of the k likeliest tokens, (positions, k) each."""
    with torch.no_grad():
        found = [
            functional.log_softmax(head(part) / temperature, dim=-1).topk(min(k, head.weight.shape[0]))
            for (part,) in _parts(chunk_of(head.weight.shape[0]), (hidden,))
        ]
    return torch.cat([one.indices for one in found]), torch.cat([one.values for one in found])


def hidden_states(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """Last hidden states (rows, tokens, width) of an unwrapped causal model, also one with adapters."""
    inner = model.get_base_model() if hasattr(model, "peft_config") else model
    states: torch.Tensor = inner.base_model(**inputs, use_cache=False).last_hidden_state
    return states


def _parts(size: int, tensors: tuple[torch.Tensor, ...]) -> Iterator[tuple[Any, ...]]:
    length = len(tensors[0])
    for first in range(0, max(length, 1), size):  # one empty chunk where there is no position: 0, with a gradient
        yield tuple(one[first : first + size] for one in tensors)


def _scale(config: Any) -> float:
    """What logits are multiplied by: under four names in transformers, one of which divides."""
    for name in ("logit_scale", "output_multiplier", "lm_head_multiplier"):
        if getattr(config, name, None) is not None:
            return float(getattr(config, name))
    scaling = getattr(config, "logits_scaling", None)
    if scaling is None:
        return 1.0
    return float(scaling) if config.model_type == "hyperclovax" else 1 / float(scaling)
