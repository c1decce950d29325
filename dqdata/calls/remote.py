"""An owner of ledger, limits and budget in another process, as the calls of this one see it.

    async with RemoteOwner(address) as owner:
        client = CallClient(teacher, limits, owner, name="r1")

A connection that breaks is made again for `PATIENCE` seconds: requests without a reply are sent again, marked as such,
and the calls in flight are announced, so that an owner that was killed and restarted loses no answered call and counts
those in flight. An owner that may come back elsewhere is looked up before each connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from dqdata.calls.budget import Reservation
from dqdata.calls.owner import Answered, LaneEndedError, Owner, Row
from dqdata.calls.stall import Stall
from dqdata.calls.wire import (
    OwnerAddress,
    Receiver,
    Sender,
    connect,
    frame,
    read,
    received_error,
    received_failure,
    sent_error,
    sent_failure,
)
from dqdata.errors import DqdataError, StoreError, TeacherError
from dqdata.ledger import Ledger
from dqdata.ledger.answers import Answer, Failure
from dqdata.teacher import Limits

PATIENCE = 60.0
"""Seconds for which an owner that is gone is tried again."""
PAUSE = 0.1
Find = Callable[[], Awaitable[OwnerAddress]]
"""Where an owner is now. Raises OSError while it is nowhere."""


class RemoteOwner(Owner):
    """One connection, shared by all calls of this process."""

    def __init__(
        self,
        address: OwnerAddress | Find,
        *,
        patience: float = PATIENCE,
        ledger: Ledger | None = None,
        on_stop: Callable[[DqdataError], None] | None = None,
    ) -> None:
        """address: of the owner, or a function that finds it. ledger: the same one, where this process may open it too.
        on_stop: called when another process ends the run."""
        self._find, self._patience = (address if callable(address) else _at(address)), patience
        self._ledger, self._on_stop = ledger, on_stop
        self._stopping: dict[str, Any] | None = None
        self._numbers = itertools.count(1)
        self._pending: dict[int, tuple[dict[str, Any], asyncio.Future[Any]]] = {}
        self._leases: dict[str, RemoteLease] = {}
        self._sender: Sender | None = None
        self._reading: asyncio.Task[None] | None = None
        self._gone: StoreError | None = None
        self._usd: float | None = None
        self._tokens: int | None = None

    async def __aenter__(self) -> RemoteOwner:
        reader = await self._connected()
        self._reading = asyncio.get_running_loop().create_task(self._read(reader))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._sender is not None:
            with contextlib.suppress(ConnectionError):
                await self._sender.close()

    @property
    def limit_usd(self) -> float | None:
        return self._usd

    @property
    def limit_tokens(self) -> int | None:
        return self._tokens

    @property
    def ledger(self) -> Ledger | None:
        return self._ledger

    def lane(self, name: str, limits: Limits, stall: Stall) -> RemoteLane:
        return RemoteLane(self, name, limits)

    def stop(self, cause: BaseException) -> None:
        """Ends the run for all processes of this owner: nothing new begins there, nor where one connects later."""
        error = cause if isinstance(cause, DqdataError) else DqdataError(str(cause))
        self._stopping = {"do": "stop", "error": sent_error(error)}
        self.notice(self._stopping)

    async def waiting(self) -> list[str]:
        """What the calls of all processes wait for, a teacher each. Raises StoreError where the owner is gone."""
        return [str(text) for text in await self.call({"do": "waiting"})]

    async def stored(self, key: str) -> Row | None:
        row = await self.call({"do": "lookup", "key": key})
        return None if row is None else tuple(row)

    async def store(self, answer: Answer) -> Row | None:
        row = await self.call({"do": "record", "request": answer.request, "call": answer.call})
        return None if row is None else tuple(row)

    async def store_failure(self, failure: Failure) -> None:
        await self.call({"do": "fail", "request": failure.request, "row": failure.row})

    async def call(self, message: dict[str, Any]) -> Any:
        """The reply to a request. Raises what the owner raised, and StoreError where it is gone for good."""
        if self._gone is not None:
            raise StoreError(str(self._gone))
        number = next(self._numbers)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        message = {"id": number, **message}
        self._pending[number] = (message, future)
        self.notice(message)
        try:
            return await future
        except asyncio.CancelledError:
            if message["do"] == "lease":
                self.notice({"do": "cancel", "request": number, "lease": message["lease"]})
            raise
        finally:
            self._pending.pop(number, None)

    def notice(self, message: dict[str, Any]) -> None:
        """Sends what has no reply; lost where nobody is connected, and made good by the next greeting."""
        if self._sender is not None:
            self._sender.send(message)

    def notice_now(self, message: dict[str, Any]) -> None:
        """As `notice`, and before anything else happens."""
        if self._sender is not None:
            self._sender.send(message)
            self._sender.flush()

    def hold(self, lease: RemoteLease) -> None:
        self._leases[lease.name] = lease

    def drop(self, lease: RemoteLease) -> None:
        self._leases.pop(lease.name, None)

    async def _connected(self) -> asyncio.StreamReader:
        """A connection with its greeting, as soon as there is an owner. Raises StoreError."""
        began, where = time.monotonic(), ""
        while True:
            try:
                address = await self._find()
                where = f" at {address.url}"
                reader, writer = await connect(address)
                writer.write(frame({"token": address.token}))
                greeting = await read(reader)
                budget = greeting["budget"]
                break
            except (OSError, KeyError) as error:
                if time.monotonic() - began > self._patience:
                    raise StoreError(
                        f"the owner of the ledger{where} can't be reached for {self._patience:g} s "
                        f"({error}); what was answered is kept: run again"
                    ) from None
                await asyncio.sleep(PAUSE)
        self._usd, self._tokens = budget["usd"], budget["tokens"]
        self._sender = Sender(writer)
        self._told(greeting.get("stop"))
        return reader

    def _told(self, stop: dict[str, Any] | None) -> None:
        if stop is not None and self._on_stop is not None:
            self._on_stop(received_error(stop))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        receiver = Receiver(reader)
        while True:
            try:
                for message in await receiver.messages():
                    self._replied(message)
            except ConnectionError:
                try:
                    receiver = Receiver(await self._again())
                except StoreError as error:
                    self._gone = error
                    for _, future in self._pending.values():
                        if not future.done():
                            future.set_exception(StoreError(str(error)))
                    return

    async def _again(self) -> asyncio.StreamReader:
        self._sender = None
        reader = await self._connected()
        for lease in self._leases.values():
            self.notice(lease.announcement)
        if self._stopping is not None:
            self.notice(self._stopping)
        for message, _ in list(self._pending.values()):
            self.notice({**message, "again": True})
        return reader

    def _replied(self, message: dict[str, Any]) -> None:
        self._told(message.get("stop"))
        known = self._pending.get(int(message.get("id", 0)))
        if known is None or known[1].done():
            return
        if "error" in message:
            known[1].set_exception(received_error(message["error"]))
        else:
            known[1].set_result(message["ok"])


class RemoteLane:
    """The calls of this process to one teacher."""

    def __init__(self, owner: RemoteOwner, name: str, limits: Limits) -> None:
        self.owner, self.name = owner, name
        self.limits = limits.model_dump(mode="json")
        self._waiting: set[asyncio.Task[Any]] = set()
        self._ended = False

    async def lease(self, key: str, tokens: int, worst: Reservation | None) -> RemoteLease:
        if self._ended:
            raise LaneEndedError
        lease = RemoteLease(self, key, worst)
        about = {"lane": self.name, "limits": self.limits, "key": key, "tokens": tokens, "worst": worst}
        task = asyncio.get_running_loop().create_task(self.owner.call({"do": "lease", "lease": lease.name, **about}))
        self._waiting.add(task)
        try:
            lease.granted(await task)
        except asyncio.CancelledError:
            if self._ended and task.cancelled():
                raise LaneEndedError from None
            task.cancel()
            raise
        finally:
            self._waiting.discard(task)
        return lease

    def waiting(self, name: str) -> str:
        return ""  # the owner knows

    def end(self) -> None:
        self._ended = True
        for task in self._waiting:
            task.cancel()


class RemoteLease:
    """A place that the owner gave to this process."""

    def __init__(self, lane: RemoteLane, key: str, worst: Reservation | None) -> None:
        self._lane, self._key, self._worst = lane, key, worst
        self.name = secrets.token_hex(12)
        self.answered_elsewhere = False
        self._sent = False
        self._charge: tuple[float, int] | None = None

    @property
    def announcement(self) -> dict[str, Any]:
        """For an owner that doesn't know it."""
        lane = self._lane
        about = {"lane": lane.name, "limits": lane.limits, "key": self._key, "worst": self._worst, "sent": self._sent}
        return {"do": "held", "lease": self.name, **about}

    def granted(self, to_be_sent: bool) -> None:
        self.answered_elsewhere = not to_be_sent
        if to_be_sent:
            self._lane.owner.hold(self)

    def sent(self) -> None:
        self._sent = True
        # A process that is killed behind this counts as having paid for the call.
        self._lane.owner.notice_now({"do": "sent", "lease": self.name})

    def answered(self, took: Answered) -> None:
        values = (took.seconds, took.output_tokens, took.expected_tokens, took.tokens)
        self._lane.owner.notice({"do": "answered", "lease": self.name, "took": values})

    async def failed(self, error: TeacherError, teacher: str, *, known: bool) -> TeacherError:
        about = {"lease": self.name, "error": sent_failure(error), "teacher": teacher, "known": known}
        return received_failure(await self._lane.owner.call({"do": "failed", **about}))

    def charge(self, usd: float, tokens: int) -> None:
        if self._charge is None:
            self._charge = (usd, tokens)

    def leave(self) -> None:
        self._lane.owner.drop(self)
        self._lane.owner.notice({"do": "leave", "lease": self.name, "charge": self._charge})


def _at(address: OwnerAddress) -> Find:
    async def find() -> OwnerAddress:
        return address

    return find
