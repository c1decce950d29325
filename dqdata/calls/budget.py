"""Money: reserves the worst case before a call, settles with what it really took, stops before the limit is passed.

held = await budget.reserve(usd=0.07, tokens=33_000)     # waits for calls in the air, or BudgetExceeded
...
budget.settle(held, usd=0.004, tokens=1_950)
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from dqdata.errors import BudgetExceeded
from dqdata.ledger import Spent


class Held(NamedTuple):
    """What is set aside for one call in the air."""

    usd: float
    tokens: int


class Budget:
    """Shared by all teachers of a run. `already`: what earlier runs of the same work spent, from the ledger.

    A call whose worst case would pass the limit waits while others are in the air, because they nearly always take
    less than their own worst case; only when it doesn't fit with nothing in the air is the budget exhausted.
    """

    def __init__(
        self, limit_usd: float | None = None, limit_tokens: int | None = None, already: Spent | None = None
    ) -> None:
        self.limit_usd, self.limit_tokens = limit_usd, limit_tokens
        already = already or Spent()
        self.usd = already.cost_usd + already.unsure_usd
        self.tokens = already.input_tokens + already.output_tokens + already.unsure_tokens
        self._held_usd, self._held_tokens, self._in_the_air = 0.0, 0, 0
        self._waiting: deque[tuple[Held, asyncio.Future[None]]] = deque()
        self._exhausted: BudgetExceeded | None = None

    @property
    def limited(self) -> bool:
        return self.limit_usd is not None or self.limit_tokens is not None

    async def reserve(self, usd: float, tokens: int) -> Held:
        """Sets the worst case of one call aside. Raises BudgetExceeded, then for every later call too."""
        held = Held(usd, tokens)
        if self._exhausted is not None:
            raise BudgetExceeded(str(self._exhausted))
        if self._waiting or not self._fits(held):
            self._check(held)
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((held, future))
            self._admit()
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled() and future.exception() is None:
                    self._release(held)
                raise
        else:
            self._hold(held)
        return held

    def settle(self, held: Held, usd: float, tokens: int) -> None:
        """The call ended: what it took, or at worst may have taken."""
        self.usd += usd
        self.tokens += tokens
        self._release(held)

    def _hold(self, held: Held) -> None:
        self._held_usd += held.usd
        self._held_tokens += held.tokens
        self._in_the_air += 1

    def _release(self, held: Held) -> None:
        self._in_the_air -= 1
        # Sums of floats drift; with nothing in the air nothing is held.
        self._held_usd = self._held_usd - held.usd if self._in_the_air else 0.0
        self._held_tokens -= held.tokens
        self._admit()

    def _fits(self, held: Held, *, alone: bool = False) -> bool:
        usd = self.usd + held.usd + (0.0 if alone else self._held_usd)
        tokens = self.tokens + held.tokens + (0 if alone else self._held_tokens)
        return (self.limit_usd is None or usd <= self.limit_usd) and (
            self.limit_tokens is None or tokens <= self.limit_tokens
        )

    def _check(self, held: Held) -> None:
        """Raises where the call can't fit even when all that is in the air turns out free."""
        if self._fits(held, alone=True):
            return
        parts = []
        if self.limit_usd is not None:
            parts.append(f"{self.usd:.4f} of {self.limit_usd:g} USD are spent, the next call may take {held.usd:.4f}")
        if self.limit_tokens is not None:
            parts.append(f"{self.tokens} of {self.limit_tokens} tokens, the next call may take {held.tokens}")
        self._exhausted = BudgetExceeded(
            f"budget exhausted: {'; '.join(parts)}. Raise budget_usd or budget_tokens and run again: "
            "it goes on from here"
        )
        raise self._exhausted

    def _admit(self) -> None:
        while self._waiting:
            held, future = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            if not self._fits(held):
                try:
                    self._check(held)
                except BudgetExceeded as error:
                    for _, waiting in self._waiting:
                        if not waiting.done():
                            waiting.set_exception(BudgetExceeded(str(error)))
                    self._waiting.clear()
                return
            self._waiting.popleft()
            self._hold(held)
            future.set_result(None)
