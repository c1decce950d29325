"""Serves an owner of ledger, limits and budget to processes on this machine.

    async with OwnerServer(LocalOwner(ledger, budget)) as server:
        start_worker(server.address)

It listens on a Unix socket in a folder of its own that nobody else may enter, and asks for a random token. Of calls
with the same key in several processes one is sent: the others wait for its answer. What a process that ended had leased
is given back, a call that it had sent at its worst case. A client may end the run for all (`stop`), those that connect
later among them. `python -m dqdata.calls.server` is such an owner as a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from dqdata.calls.budget import Budget, Reservation
from dqdata.calls.owner import Answered, LocalLane, LocalLease, LocalOwner
from dqdata.calls.stall import Stall
from dqdata.calls.wire import (
    GREETING,
    OwnerAddress,
    Receiver,
    Sender,
    read,
    received_failure,
    sent_error,
    sent_failure,
)
from dqdata.errors import DqdataError, RunError
from dqdata.ledger import Ledger
from dqdata.ledger.answers import Answer, Failure
from dqdata.place import ledger_at
from dqdata.teacher import Limits

GREETING_SECONDS = 10.0


class OwnerServer:
    """address: where it listens, and the token; by default a new socket and a new token."""

    def __init__(self, owner: LocalOwner, address: OwnerAddress | None = None) -> None:
        self.owner = owner
        self._folder = tempfile.mkdtemp(prefix="dqdata-owner-") if address is None else ""
        self.address = address or OwnerAddress(f"unix://{self._folder}/owner.sock", secrets.token_hex(32))
        self._lanes: dict[str, LocalLane] = {}
        self._stalls: dict[str, Stall] = {}
        self._claims: dict[str, asyncio.Future[None]] = {}
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._told: set[_Client] = set()
        self._stop: dict[str, Any] | None = None

    async def __aenter__(self) -> OwnerServer:
        scheme, _, rest = self.address.url.partition("://")
        if scheme == "unix":
            _remove(rest)
            self._server = await asyncio.start_unix_server(self._connected, rest)
        else:
            host, _, port = rest.rpartition(":")
            self._server = await asyncio.start_server(self._connected, host, int(port))
            bound = self._server.sockets[0].getsockname()[1]  # port 0: any that is free
            self.address = OwnerAddress(f"{scheme}://{host}:{bound}", self.address.token)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for client in list(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        sender = Sender(writer)
        client = _Client(self, sender)
        try:
            async with asyncio.timeout(GREETING_SECONDS):
                greeting = await read(reader, GREETING)
            token = greeting.get("token")
            if not isinstance(token, str) or not hmac.compare_digest(token.encode(), self.address.token.encode()):
                return
            budget = {"usd": self.owner.limit_usd, "tokens": self.owner.limit_tokens}
            client.send({"budget": budget, "stop": self._stop})
            self._told.add(client)
            receiver = Receiver(reader)
            while True:
                for message in await receiver.messages():
                    client.received(message)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._clients.discard(task)
            self._told.discard(client)
            client.ended()
            sender.flush()
            writer.close()

    def stop(self, error: dict[str, Any]) -> None:
        """Notifies every process, now and later, why nothing new is to begin."""
        self._stop = error
        for client in self._told:
            client.send({"stop": error})

    def lane(self, name: str, limits: dict[str, Any]) -> LocalLane:
        """The calls of one teacher in all processes; the limits are those that its first process has."""
        if name not in self._lanes:
            made = Limits.model_validate(limits)
            self._stalls[name] = Stall(made.timeout)
            self._lanes[name] = self.owner.lane(name, made, self._stalls[name])
        return self._lanes[name]

    def waiting(self) -> list[str]:
        """What the calls of all processes wait for, a teacher each."""
        found = (lane.waiting(name) or self._stalls[name].waiting(name) for name, lane in self._lanes.items())
        return [text for text in found if text]

    def sent(self, lane: str) -> None:
        """A call of a process is in flight."""
        stall = self._stalls[lane]
        stall.begins(stall.in_flight + 1)

    def ended(self, lane: str) -> None:
        """It is no longer."""
        self._stalls[lane].in_flight -= 1

    async def claimed(self, key: str) -> bool:
        """Waits until no other process asks for this key; False where it was answered meanwhile."""
        while (other := self._claims.get(key)) is not None:
            await asyncio.shield(other)
        self._claims[key] = asyncio.get_running_loop().create_future()
        try:
            answered = await self.owner.stored(key) is not None
        except BaseException:
            self.release(key)
            raise
        if answered:
            self.release(key)
        return not answered

    def release(self, key: str) -> None:
        if (claim := self._claims.pop(key, None)) is not None and not claim.done():
            claim.set_result(None)


class _Held:
    """One lease of a process."""

    __slots__ = ("key", "lane", "lease", "sent", "worst")

    def __init__(self, lane: str, key: str, lease: LocalLease, worst: Reservation | None) -> None:
        self.lane, self.key, self.lease, self.worst = lane, key, lease, worst
        self.sent = False


class _Client:
    """One process that calls teachers."""

    def __init__(self, server: OwnerServer, sender: Sender) -> None:
        self._server, self.send = server, sender.send
        self._leases: dict[str, _Held] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def received(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        if isinstance(number, int):
            task = asyncio.get_running_loop().create_task(self._answer(number, message))
            self._tasks[number] = task
            task.add_done_callback(lambda _: self._tasks.pop(number, None))
            return
        match message.get("do"):
            case "cancel":
                if (waiting := self._tasks.get(message["request"])) is not None:
                    waiting.cancel()
                self._leave(message["lease"], None)
            case "held":
                self._take(message)
            case "sent":
                if (held := self._leases.get(message["lease"])) is not None:
                    self._sent(held)
                    held.lease.sent()
            case "answered":
                if (held := self._leases.get(message["lease"])) is not None:
                    held.lease.answered(Answered(*message["took"]))
            case "leave":
                self._leave(message["lease"], message["charge"])
            case "stop":
                self._server.stop(message["error"])

    def ended(self) -> None:
        """The process is gone: what it waited for is cancelled, what it leased is free."""
        for task in list(self._tasks.values()):
            task.cancel()
        for name in list(self._leases):
            self._leave(name, None)

    def _leave(self, name: str, charge: list[Any] | None) -> None:
        """charge: what the call took; None where nobody knows, so that one that was sent counts at its worst."""
        held = self._leases.pop(name, None)
        if held is None:
            return
        if charge is not None:
            held.lease.charge(float(charge[0]), int(charge[1]))
        elif held.worst is not None and held.sent:
            held.lease.charge(*held.worst)
        else:
            held.lease.charge(0.0, 0)
        held.lease.leave()
        if held.sent:
            self._server.ended(held.lane)
        self._server.release(held.key)

    def _sent(self, held: _Held) -> None:
        if not held.sent:
            held.sent = True
            self._server.sent(held.lane)

    def _take(self, message: dict[str, Any]) -> None:
        """A lease that an owner before this one gave: the call is in flight."""
        worst = Reservation(*message["worst"]) if message["worst"] is not None else None
        lane = self._server.lane(message["lane"], message["limits"])
        taken = lane.take(message["key"], worst)
        held = self._leases[message["lease"]] = _Held(message["lane"], message["key"], taken, worst)
        if message["sent"]:
            self._sent(held)

    async def _answer(self, number: int, message: dict[str, Any]) -> None:
        try:
            value = await self._done(message)
        except DqdataError as error:
            self.send({"id": number, "error": sent_error(error)})
        except asyncio.CancelledError:
            return
        except Exception as error:
            self.send({"id": number, "error": sent_error(RunError(f"the owner of the ledger failed: {error!r}"))})
        else:
            self.send({"id": number, "ok": value})

    async def _done(self, message: dict[str, Any]) -> Any:
        owner = self._server.owner
        match message.get("do"):
            case "waiting":
                return self._server.waiting()
            case "lookup":
                return await owner.stored(message["key"])
            case "record":
                return await owner.store(Answer(tuple(message["request"]), tuple(message["call"])))
            case "fail":
                return await owner.store_failure(Failure(tuple(message["request"]), tuple(message["row"])))
            case "lease":
                return await self._lease(message)
            case "failed":
                held = self._leases.get(message["lease"])
                if held is None:
                    return message["error"]
                error = received_failure(message["error"])
                return sent_failure(await held.lease.failed(error, message["teacher"], known=bool(message["known"])))
            case other:
                raise RunError(f"the owner of the ledger knows no {other!r}: dqdata of two versions are at work")

    async def _lease(self, message: dict[str, Any]) -> bool:
        """Whether the call is to be sent; False where another process was answered meanwhile."""
        key, lane = message["key"], self._server.lane(message["lane"], message["limits"])
        worst = Reservation(*message["worst"]) if message["worst"] is not None else None
        if not await self._server.claimed(key):
            return False
        try:
            lease = await lane.lease(key, message["tokens"], worst)
        except BaseException:
            self._server.release(key)
            raise
        if lease.answered_elsewhere:
            self._server.release(key)
            return False
        self._leases[message["lease"]] = _Held(message["lane"], key, lease, worst)
        return True


def _remove(socket: str) -> None:
    """Of an owner that was killed."""
    Path(socket).unlink(missing_ok=True)


async def serve(config: dict[str, Any]) -> None:
    """An owner until the process ends. config: ledger (path or URL), url, token, run_id, usd, tokens."""
    with Ledger(ledger_at(config["ledger"])) as ledger:
        already = ledger.spent(run_id=config["run_id"])
        owner = LocalOwner(ledger, Budget(config["usd"], config["tokens"], already))
        async with OwnerServer(owner, OwnerAddress(config["url"], config["token"])):
            print("ready", flush=True)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.stdin.readline())))
