"""Budgets: reserves the worst case before a call, charges the actual cost afterwards, and stops below the limit.

reservation = await budget.reserve(usd=0.07, tokens=33_000)     # waits for calls in flight, or BudgetExceeded
...
budget.settle(reservation, usd=0.004, tokens=1_950)
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from dqdata.errors import BudgetExceeded
from dqdata.ledger import Spent


class Reservation(NamedTuple):
    """What is set aside for one call in flight."""

    usd: float
    tokens: int


class Budget:
    """Shared by all teachers of a run. `already`: what earlier runs of the same work spent, from the ledger.

    A call whose worst case would pass the limit waits while others are in flight, because they nearly always take
    less than their own worst case; only when it doesn't fit with nothing in flight is the budget exhausted.
    """

    def __init__(
        self, limit_usd: float | None = None, limit_tokens: int | None = None, already: Spent | None = None
    ) -> None:
        self.limit_usd, self.limit_tokens = limit_usd, limit_tokens
        already = already or Spent()
        self.usd = already.cost_usd + already.unsure_usd
        self.tokens = already.input_tokens + already.output_tokens + already.unsure_tokens
        self._held_usd, self._held_tokens, self._in_flight = 0.0, 0, 0
        self._waiting: deque[tuple[Reservation, asyncio.Future[None]]] = deque()
        self._exhausted: BudgetExceeded | None = None

    @property
    def limited(self) -> bool:
        return self.limit_usd is not None or self.limit_tokens is not None

    async def reserve(self, usd: float, tokens: int) -> Reservation:
        """Sets the worst case of one call aside. Raises BudgetExceeded, then for every later call too."""
        reservation = Reservation(usd, tokens)
        if self._exhausted is not None:
            raise BudgetExceeded(str(self._exhausted))
        if self._waiting or not self._fits(reservation):
            self._check(reservation)
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((reservation, future))
            self._admit()
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled() and future.exception() is None:
                    self._release(reservation)
                raise
        else:
            self.hold(reservation)
        return reservation

    def settle(self, reservation: Reservation, usd: float, tokens: int) -> None:
        """The call ended: what it took, or at worst may have taken."""
        self.usd += usd
        self.tokens += tokens
        self._release(reservation)

    def hold(self, reservation: Reservation) -> None:
        """Sets aside what a call in flight may take, whatever is left."""
        self._held_usd += reservation.usd
        self._held_tokens += reservation.tokens
        self._in_flight += 1

    def _release(self, reservation: Reservation) -> None:
        self._in_flight -= 1
        # Sums of floats drift; with nothing in flight nothing is reserved.
        self._held_usd = self._held_usd - reservation.usd if self._in_flight else 0.0
        self._held_tokens -= reservation.tokens
        self._admit()

    def _fits(self, reservation: Reservation, *, alone: bool = False) -> bool:
        usd = self.usd + reservation.usd + (0.0 if alone else self._held_usd)
        tokens = self.tokens + reservation.tokens + (0 if alone else self._held_tokens)
        return (self.limit_usd is None or usd <= self.limit_usd) and (
            self.limit_tokens is None or tokens <= self.limit_tokens
        )

    def _check(self, reservation: Reservation) -> None:
        """Raises where the call can't fit even when all that is in flight turns out free."""
        if self._fits(reservation, alone=True):
            return
        parts = []
        if self.limit_usd is not None:
            parts.append(
                f"{self.usd:.4f} of {self.limit_usd:g} USD are spent, the next call may take {reservation.usd:.4f}"
            )
        if self.limit_tokens is not None:
            parts.append(f"{self.tokens} of {self.limit_tokens} tokens, the next call may take {reservation.tokens}")
        self._exhausted = BudgetExceeded(
            f"budget exhausted: {'; '.join(parts)}. Raise budget_usd or budget_tokens and run again: "
            "it goes on from here"
        )
        raise self._exhausted

    def _admit(self) -> None:
        while self._waiting:
            reservation, future = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            if not self._fits(reservation):
                try:
                    self._check(reservation)
                except BudgetExceeded as error:
                    for _, waiting in self._waiting:
                        if not waiting.done():
                            waiting.set_exception(BudgetExceeded(str(error)))
                    self._waiting.clear()
                return
            self._waiting.popleft()
            self.hold(reservation)
            future.set_result(None)
