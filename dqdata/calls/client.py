"""Calls one teacher: ledger look-up, identical requests in flight, limits, budget, retries, ledger write.

    client = CallClient(teacher, limits, LocalOwner(ledger, budget))
    answer = await client.at(CallContext(run_id, "slow_thinking", step, "r1")).complete(request)

An answered request is never asked again: not by another row, another step, another run, nor after a crash, because an
answer is on disk before anyone sees it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dqdata.calls.budget import Reservation
from dqdata.calls.counters import Counters
from dqdata.calls.health import UNREACHABLE, is_overload
from dqdata.calls.hiding import hidden, without_secrets
from dqdata.calls.in_flight import InFlight
from dqdata.calls.owner import Answered, LaneEndedError, Lease, Owner
from dqdata.calls.stall import Stall, clock
from dqdata.errors import (
    BudgetExceeded,
    DqdataError,
    InputError,
    Stopped,
    StoreError,
    TeacherError,
    cancels_itself,
    described,
    from_outside,
)
from dqdata.ledger import CallContext
from dqdata.masking import masker
from dqdata.operator import Ask
from dqdata.teacher import Completion, Limits, Price, Request, Teacher, Usage

__all__ = ["UNPAID", "CallClient", "CallContext", "Counters"]

UNPAID = "budget_exceeded"
"""Reason of a row that failed because the budget has no room for its call."""


log = logging.getLogger("dqdata.calls")


class CallClient:
    """One per teacher per process, shared by all steps. `close` lets calls in flight end and closes the teacher."""

    def __init__(
        self,
        teacher: Teacher[Any],
        limits: Limits,
        owner: Owner,
        *,
        name: str = "",
        on_change: Callable[[Counters], None] | None = None,
        unpaid_rows_fail: bool = False,
        replay: bool = False,
    ) -> None:
        """name: of the teacher's table, under which processes share its limits. unpaid_rows_fail: a call that the
        budget has no room for fails its row, instead of ending the run. replay: answers come from the ledger alone; a
        request without one fails its row as `not_recorded`."""
        self.name, self.unpaid_rows_fail, self.replay = name, unpaid_rows_fail, replay
        self.teacher, self.limits, self.owner = teacher, teacher.limits(limits), owner
        self.counters = Counters()
        self._on_change = on_change
        self._in_flight: dict[str, InFlight] = {}
        self._ended: DqdataError | None = None
        self._end_event = asyncio.Event()
        self._starting: asyncio.Task[None] | None = None
        self._start_began = 0.0
        self._repeats: dict[str, float] = {}
        self._stall = Stall(self.limits.timeout)
        self.lane = owner.lane(name, self.limits, self._stall)
        if owner.ledger is not None:
            teacher.remember_in(owner.ledger)

    def at(self, context: CallContext) -> Ask:
        """The teacher as one step sees it."""
        return _Asked(self, context)

    async def ask(self, request: Request, context: CallContext) -> Completion:
        """An answer, from the ledger if it is there. Raises TeacherError, BudgetExceeded, StoreError, InputError."""
        key = self.teacher.key(request)
        call = self._in_flight.get(key)
        if call is not None:
            completion = replace(await call.wait(), cached=True)
        elif (stored := await self._stored(key)) is not None:
            completion = stored
        elif self.replay:
            self.counters.failed += 1
            raise TeacherError(
                f"the ledger has no answer of {self.teacher.model} to sample {request.sample} of "
                f"{request.messages[-1].content[:80]!r}",
                kind="row",
                reason="not_recorded",
            )
        elif (call := self._in_flight.get(key)) is not None:  # it began while the look-up waited
            completion = replace(await call.wait(), cached=True)
        else:
            call = InFlight(key, request, context, self._in_flight, self._run_call)
            completion = await call.wait()
            if not call.elsewhere:
                return completion
        self.counters.cached += 1
        self._changed()
        return completion

    async def _stored(self, key: str) -> Completion | None:
        """The answer of the ledger. One that was interrupted at the endpoint, which version 0.1 stored, is requested
        again, except in a replay."""
        stored = await self.owner.lookup(key)
        if stored is None:
            return None
        completion = self.teacher.present(without_secrets(stored))
        return completion if self.replay or completion.ending != "interrupted" else None

    def waiting(self) -> str:
        """For how long, and what for, its calls wait (`0:25 for 4 answers of r1`); empty where they don't."""
        now, name = time.monotonic(), self.name
        if self._starting is not None and not self._starting.done():
            return f"{clock(now - self._start_began)} for {name} to start"
        if held := self.lane.waiting(name):
            return held
        if quiet := self._stall.waiting(name):
            return quiet
        if self._repeats and not self.counters.in_flight:
            left = min(self._repeats.values()) - now
            return f"{clock(left)} more, {len(self._repeats):,} failed calls to {name} are repeated"
        return ""

    async def close(self) -> None:
        """Sends no more, waits for the calls in flight, closes the teacher."""
        self.end(Stopped("the run is ending: no more calls are made"))
        if self._in_flight:
            await asyncio.wait([call.task for call in self._in_flight.values()])
        self._stall.stop()
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._starting
        try:
            await self.teacher.close()
        except DqdataError as error:
            log.warning("teacher %s could not be closed: %s", self.name, error, extra={"code": "teacher-not-closed"})
        except BaseException as error:  # every answer is stored: what was made counts
            if from_outside(error):
                raise
            log.warning(
                "teacher %s failed when it was closed: %s",
                *(self.name, described(error)),
                extra={"code": "teacher-not-closed"},
            )

    async def _run_call(self, call: InFlight) -> Completion:
        """Attempts until one is answered or the next is not worth it."""
        began = time.monotonic()
        while True:
            call.attempt += 1
            try:
                return await self._attempt(call)
            except _OverError as over:
                raise over.error.with_traceback(None) from None
            except TeacherError as error:
                await self._failed(call, error, time.monotonic() - began)
            self.counters.retried += 1
            self._changed()

    async def _attempt(self, call: InFlight) -> Completion:
        expected = self._expected_tokens(call.request) if self.limits.tokens_per_minute else 0
        self._go_on()
        worst = self._worst(call) if self.owner.limited else None
        try:
            lease = await self.lane.lease(call.key, expected, worst)
        except LaneEndedError:
            self._go_on()
            raise
        try:
            if lease.answered_elsewhere and (stored := await self.owner.lookup(call.key)) is not None:
                call.elsewhere = True
                return self.teacher.present(without_secrets(stored))
            self._go_on()
            await self._started()
            completion = await self._send(call, lease, expected)
            # The place is given up only once the answer is on disk: a crash costs no more calls than may be in flight.
            return await self._keep(call, completion, lease)
        except BaseException as error:
            charged = worst if worst is not None and call.tried and _may_cost(error) else _NOTHING
            lease.charge(*charged)
            raise
        finally:
            call.tried = False
            lease.leave()

    async def _send(self, call: InFlight, lease: Lease, expected: int) -> Completion:
        began = time.monotonic()
        call.sent = call.tried = True
        self.counters.in_flight += 1
        self._stall.sent(call.context.teacher, self.counters.in_flight)
        lease.sent()
        try:
            async with asyncio.timeout(self.limits.timeout):
                completion = await self.teacher.complete(call.request.outgoing)
        except TimeoutError:
            late = f"no answer within {self.limits.timeout:g} s (`timeout` of the teacher)"
            raise TeacherError(late, kind="retryable", reason="timeout", usage_unknown=True) from None
        except TeacherError as error:
            raise await self._noticed(hidden(error), call.context.teacher, lease) from None
        except DqdataError as error:
            self.end(hidden(error))
            raise
        except BaseException as error:
            if from_outside(error) and not cancels_itself(error):
                raise
            said = masker.hide(described(error))
            broke = f"teacher {call.context.teacher!r} broke: {said}"
            broken = TeacherError(broke, kind="fatal", reason="broken", usage_unknown=True)
            raise await self._noticed(broken, call.context.teacher, lease) from error
        finally:
            call.sent = False
            self.counters.in_flight -= 1
            self._stall.in_flight = self.counters.in_flight
        if not completion.seconds:
            completion = replace(completion, seconds=time.monotonic() - began)
        usage = completion.usage
        lease.answered(Answered(completion.seconds, usage.output, expected, usage.input + usage.output))
        return completion

    async def _keep(self, call: InFlight, completion: Completion, lease: Lease) -> Completion:
        """Stores an answer and books what it took. What can't be stored must not be paid for: a ledger that fails
        ends all calls."""
        call.sent = True
        completion = without_secrets(completion)
        usage = completion.usage
        cost = self._price.cost(usage)
        try:
            completion = await self.owner.record(
                call.key, call.request, completion, self._identity(), cost, call.context
            )
        except StoreError as error:
            self.end(error)
            raise
        finally:
            lease.charge(cost, usage.input + usage.output)
        self.counters.made += 1
        self.counters.input_tokens += usage.input
        self.counters.output_tokens += usage.output
        self.counters.cost_usd += cost
        if self.limits.price is None:
            self.counters.unpriced = call.context.teacher
        self._changed()
        return self.teacher.present(completion)

    async def _failed(self, call: InFlight, error: TeacherError, seconds: float) -> None:
        """Records a failed attempt and waits before the next; raises where there is none."""
        if error.kind == "retryable" and error.reason == UNREACHABLE:
            call.attempt -= 1  # nobody was there to refuse it
            return
        await self._record(call, error)
        # Being refused for load says nothing about the request: it may go on for as long as the teacher's patience.
        overload = is_overload(error)
        out_of_tries = call.attempt >= self.limits.max_attempts and not (overload and seconds < self.limits.patience)
        if error.kind != "retryable" or out_of_tries:
            self.counters.failed += 1
            self._changed()
            raise error
        if not overload:
            seconds = min(30.0, 0.25 * 2.0**call.attempt) * (0.5 + random.random() / 2)
            self._repeats[call.key] = time.monotonic() + seconds
            try:
                await self._pause(seconds)
            finally:
                del self._repeats[call.key]

    async def _record(self, call: InFlight, error: TeacherError) -> None:
        charged = self._worst(call) if error.usage_unknown else _NOTHING
        try:
            attempt = (call.attempt, charged.tokens, charged.usd)
            await self.owner.record_failure(call.key, call.request, error, self._identity(), attempt, call.context)
        except StoreError as broken:
            self.end(broken)
            raise

    def _worst(self, call: InFlight) -> Reservation:
        """The most that one call can take: no token is shorter than a byte, and no answer longer than max_tokens."""
        request = call.request
        text = sum(len(message.content.encode("utf-8", "replace")) + 16 for message in request.messages)
        tokens_in = text + (len(str(request.schema)) if request.schema else 0)
        tokens_out = request.sampling.max_tokens or self.teacher.context_tokens
        price = self._price
        unbounded = self.owner.limit_tokens is not None or (self.owner.limit_usd is not None and price.output > 0)
        if tokens_out is None and unbounded:
            raise InputError(
                f"teacher {call.context.teacher!r}: a budget is set, but nothing bounds the length of an answer, so "
                "its worst case is unknown; give the step `max_tokens`, or the teacher `context_tokens`"
            )
        tokens_out = tokens_out or 0
        return Reservation(price.cost(Usage(tokens_in, tokens_out)), tokens_in + tokens_out)

    def _expected_tokens(self, request: Request) -> int:
        """Tokens of a call for the limit per minute: about four characters each, and an answer like those before."""
        made = self.counters.made
        answer = self.counters.output_tokens // made if made else min(request.sampling.max_tokens or 500, 500)
        return sum(len(message.content) for message in request.messages) // 4 + answer

    def _identity(self) -> tuple[str, str, str]:
        return self.teacher.provider, self.teacher.keyed_model, self.teacher.revision

    async def _started(self) -> None:
        """Starts the teacher once; whatever start raises is what every call raises."""
        if self._starting is None:
            self._start_began = time.monotonic()
            self._starting = asyncio.get_running_loop().create_task(self.teacher.start())
        if not self._starting.done():
            await asyncio.wait([self._starting])
        if not self._starting.cancelled() and (error := self._starting.exception()) is not None:
            if not isinstance(error, DqdataError):
                raise error
            self.end(hidden(error))
        self._go_on()

    def end(self, error: DqdataError) -> None:
        """From now on every call ends with this error, without a request."""
        if self._ended is None:
            self._ended = error
            self._end_event.set()
            self.lane.end()
            self.teacher.ending()

    async def _noticed(self, error: TeacherError, teacher: str, lease: Lease) -> TeacherError:
        """What one failure means for all calls: it must hold before the place of the failed call goes to the next."""
        error = await lease.failed(error, teacher, known=self.counters.made + self.counters.cached > 0)
        if error.kind == "fatal":
            self.end(error)
        return error

    @property
    def _price(self) -> Price:
        return self.limits.price or Price()

    def _go_on(self) -> None:
        if self._ended is not None:
            raise _OverError(self._ended)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._end_event.wait(), seconds)

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change(self.counters)


class _OverError(Exception):
    """No call is made any more, because of this error."""

    def __init__(self, error: DqdataError) -> None:
        super().__init__(error)
        self.error = error


class _Asked:
    """`dqdata.operator.Ask`: a teacher as one step sees it. Whoever made the CallClient starts and closes it."""

    def __init__(self, client: CallClient, context: CallContext) -> None:
        self._client, self._context = client, context

    @property
    def model(self) -> str:
        return self._client.teacher.model

    async def complete(self, request: Request) -> Completion:
        try:
            return await self._client.ask(request, self._context)
        except BudgetExceeded as error:
            if not self._client.unpaid_rows_fail:
                raise
            raise TeacherError(str(error), kind="retryable", reason=UNPAID) from None


_NOTHING = Reservation(0.0, 0)


def _may_cost(error: BaseException) -> bool:
    """Whether the endpoint may charge for a call that ended like this: a known refusal is free."""
    return error.usage_unknown if isinstance(error, TeacherError) else True
