"""What a teacher did for this process: calls, tokens, cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """What a teacher did for this process. cached: answered by the ledger, or by another row's call in flight."""

    made: int = 0
    cached: int = 0
    failed: int = 0
    retried: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: str = ""
    """The teacher's name if its table has no price and a call was made, so that the cost is unknown."""
    in_flight: int = 0
