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

    def add(self, more: Counters) -> None:
        """What another process counted."""
        self.made += more.made
        self.cached += more.cached
        self.failed += more.failed
        self.retried += more.retried
        self.input_tokens += more.input_tokens
        self.output_tokens += more.output_tokens
        self.cost_usd += more.cost_usd
        self.unpriced = self.unpriced or more.unpriced

    def since(self, before: Counters) -> Counters:
        """What was counted after `before`, an earlier state of the same counters."""
        return Counters(
            self.made - before.made,
            self.cached - before.cached,
            self.failed - before.failed,
            self.retried - before.retried,
            self.input_tokens - before.input_tokens,
            self.output_tokens - before.output_tokens,
            self.cost_usd - before.cost_usd,
            self.unpriced,
        )
