"""The one owner of ledger, limits and budget, as the calls of a process see it: look-up, record, lease.

    owner = LocalOwner(ledger, budget)
    lane = owner.lane("r1", limits, Stall(limits.timeout))
    lease = await lane.lease(key, tokens=1_200, worst=Reservation(0.07, 33_000))
    ...
    lease.leave()

`LocalOwner` is in this process and on its event loop; `remote.RemoteOwner` speaks to one in another process. Whatever
is recorded is on disk when `record` returns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

from dqdata.calls.budget import Budget, Reservation
from dqdata.calls.health import Health
from dqdata.calls.limits import Gate
from dqdata.calls.stall import Stall
from dqdata.errors import TeacherError
from dqdata.ledger import CallContext, Ledger
from dqdata.ledger.answers import Answer, Failure
from dqdata.ledger.rows import answer_of, completion_of, failure_of
from dqdata.teacher import Completion, Limits, Request

Row = tuple[Any, ...]


class LaneEndedError(Exception):
    """No call of this teacher begins any more."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a call took: seconds, tokens of the answer, tokens that were expected, tokens in all."""

    seconds: float
    output_tokens: int
    expected_tokens: int
    tokens: int


class Lease(Protocol):
    """The place of one call in flight, and the worst case that is set aside for it."""

    @property
    def answered_elsewhere(self) -> bool:
        """Another process was given the answer meanwhile: it is in the ledger, and nothing is to be sent."""
        ...

    def sent(self) -> None:
        """The call is on its way."""
        ...

    def answered(self, took: Answered) -> None: ...

    async def failed(self, error: TeacherError, teacher: str, *, known: bool) -> TeacherError:
        """What the failure means for all calls of the teacher (health.py). Waits where it says so."""
        ...

    def charge(self, usd: float, tokens: int) -> None:
        """What the call took, or at worst may have taken. The first charge of a lease counts."""
        ...

    def leave(self) -> None:
        """The place is free."""
        ...


class Lane(Protocol):
    """All calls to one teacher."""

    async def lease(self, key: str, tokens: int, worst: Reservation | None) -> Lease:
        """Waits for a place and, with `worst`, for the budget. tokens: expected ones, for the limit per minute. Raises
        BudgetExceeded, and LaneEndedError."""
        ...

    def waiting(self, name: str) -> str:
        """For how long, and why, no call is sent to the teacher of this name, as far as this process knows."""
        ...

    def end(self) -> None:
        """From now on nothing is leased; who waits gets LaneEndedError."""
        ...


class Owner(ABC):
    """Ledger, limits and budget."""

    @property
    @abstractmethod
    def limit_usd(self) -> float | None:
        """The budget in USD; None where there is none."""

    @property
    @abstractmethod
    def limit_tokens(self) -> int | None: ...

    @property
    def limited(self) -> bool:
        """Whether there is a budget, so that a lease needs a worst case."""
        return self.limit_usd is not None or self.limit_tokens is not None

    @property
    def ledger(self) -> Ledger | None:
        """The ledger, where this process may open it: for teachers that keep more in it than answers."""
        return None

    @abstractmethod
    def lane(self, name: str, limits: Limits, stall: Stall) -> Lane:
        """The calls of one teacher. stall: of this process, which reports that nobody answers."""

    @abstractmethod
    async def stored(self, key: str) -> Row | None:
        """The columns of the answer under this key. Raises StoreError."""

    @abstractmethod
    async def store(self, answer: Answer) -> Row | None:
        """Stores an answer; returns the row of an earlier one, which stays. Raises StoreError."""

    @abstractmethod
    async def store_failure(self, failure: Failure) -> None:
        """Raises StoreError."""

    async def lookup(self, key: str) -> Completion | None:
        """The answer under this key; None where the call was never answered."""
        row = await self.stored(key)
        return completion_of(key, row) if row is not None else None

    async def record(
        self,
        key: str,
        request: Request,
        completion: Completion,
        who: tuple[str, str, str],
        cost_usd: float,
        context: CallContext,
    ) -> Completion:
        """Stores an answer and returns the one that is valid from now on: the first for its key. who: provider, model,
        revision."""
        before = await self.store(answer_of(key, request, completion, who, cost_usd, context))
        return completion_of(key, before) if before is not None else completion.stored_as(key)

    async def record_failure(
        self,
        key: str,
        request: Request,
        error: TeacherError,
        who: tuple[str, str, str],
        charged: tuple[int, int, float],
        context: CallContext,
    ) -> None:
        """charged: which attempt it was, and tokens and USD at worst."""
        await self.store_failure(failure_of(key, request, error, who, charged, context))


class LocalOwner(Owner):
    """Everything on this event loop."""

    def __init__(self, ledger: Ledger, budget: Budget | None = None) -> None:
        self._ledger, self.budget = ledger, budget or Budget()

    @property
    def limit_usd(self) -> float | None:
        return self.budget.limit_usd

    @property
    def limit_tokens(self) -> int | None:
        return self.budget.limit_tokens

    @property
    def ledger(self) -> Ledger:
        return self._ledger

    def lane(self, name: str, limits: Limits, stall: Stall) -> LocalLane:
        return LocalLane(limits, self.budget, stall, self._ledger)

    async def stored(self, key: str) -> Row | None:
        return await self._ledger.find(key)

    async def store(self, answer: Answer) -> Row | None:
        before: Row | None = await self._ledger.write(answer)
        return before

    async def store_failure(self, failure: Failure) -> None:
        await self._ledger.write(failure)


class LocalLane:
    """A gate, the health of the endpoint, the budget that all lanes share, and the claims of other machines."""

    def __init__(self, limits: Limits, budget: Budget, stall: Stall, ledger: Ledger) -> None:
        self.ledger = ledger
        self.gate = Gate(limits)
        self.health = Health(limits, self.gate, stall)
        self._budget = budget
        self._ended = False

    async def lease(self, key: str, tokens: int, worst: Reservation | None) -> LocalLease:
        if not await self.ledger.claim(key):
            return LocalLease(self, key, self._budget, None, elsewhere=True)
        try:
            await self.gate.enter(tokens)
            try:
                if self._ended:
                    raise LaneEndedError
                reservation = await self._budget.reserve(*worst) if worst is not None else None
            except BaseException:
                self.gate.leave()
                raise
        except BaseException:
            self.ledger.release(key)
            raise
        return LocalLease(self, key, self._budget, reservation)

    def take(self, key: str, worst: Reservation | None) -> LocalLease:
        """A lease of a call that another owner admitted, before it was restarted."""
        self.ledger.hold(key)
        self.gate.in_use += 1
        if worst is not None:
            self._budget.hold(worst)
        return LocalLease(self, key, self._budget, worst)

    def waiting(self, name: str) -> str:
        return self.gate.waiting(name)

    def end(self) -> None:
        self._ended = True
        self.gate.refresh()


class LocalLease:
    """A place in the gate, a reservation of the budget and a claim; with `elsewhere` none of them."""

    __slots__ = ("_budget", "_key", "_lane", "_reservation", "answered_elsewhere")

    def __init__(
        self, lane: LocalLane, key: str, budget: Budget, reservation: Reservation | None, *, elsewhere: bool = False
    ) -> None:
        self._lane, self._key, self._budget, self._reservation = lane, key, budget, reservation
        self.answered_elsewhere = elsewhere

    def sent(self) -> None:
        self._lane.gate.sent()

    def answered(self, took: Answered) -> None:
        self._lane.health.answered()
        self._lane.gate.answered(took.seconds, took.output_tokens, took.expected_tokens, took.tokens)

    async def failed(self, error: TeacherError, teacher: str, *, known: bool) -> TeacherError:
        return self._lane.health.failed(error, teacher, known=known)

    def charge(self, usd: float, tokens: int) -> None:
        if self._reservation is not None:
            self._budget.settle(self._reservation, usd, tokens)
            self._reservation = None

    def leave(self) -> None:
        if not self.answered_elsewhere:
            self._lane.gate.leave()
            self._lane.ledger.release(self._key)
