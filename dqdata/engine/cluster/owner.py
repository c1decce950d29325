"""The named actor that owns the calls of a run: limits, concurrency, budget and ledger, for all machines.

It serves `calls.server` on the address of its machine. Where its process or machine dies, Ray starts it again, perhaps
elsewhere: it begins empty, reads from the ledger what the run has spent, and the processes that call announce what is
in flight.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from dqdata.calls.budget import Budget
from dqdata.calls.owner import LocalOwner
from dqdata.calls.remote import Find
from dqdata.calls.server import OwnerServer
from dqdata.calls.wire import OwnerAddress
from dqdata.ledger import Ledger
from dqdata.place import LedgerPlace
from dqdata.workers.logs import show_logs

NAMESPACE = "dqdata"
OWNER_PATIENCE = 300.0
"""Seconds for which an owner is looked for: a machine that is gone is noticed late, and a process begins slowly."""
ASK_SECONDS = 15.0


class OwnerActor:
    """ledger: which it opens itself. usd, tokens: the budget of the run."""

    def __init__(
        self,
        ledger: LedgerPlace,
        run_id: str,
        limits: tuple[float | None, int | None],
        token: str,
        environment: Mapping[str, str],
    ) -> None:
        for name, value in environment.items():
            os.environ.setdefault(name, value)
        show_logs()
        self._ledger = Ledger(ledger)
        self._owner = LocalOwner(self._ledger, Budget(*limits, self._ledger.spent(run_id=run_id)))
        self._token = token
        self._server: OwnerServer | None = None
        self._starting = asyncio.Lock()

    async def address(self) -> str:
        """Where it listens."""
        import ray

        async with self._starting:
            if self._server is None:
                host = OwnerAddress(f"tcp://{ray.util.get_node_ip_address()}:0", self._token)
                self._server = await OwnerServer(self._owner, host).__aenter__()
        return self._server.address.url

    async def close(self) -> None:
        """Writes what is still to be written."""
        if self._server is not None:
            await self._server.__aexit__(None, None, None)
        await asyncio.to_thread(self._ledger.close)


def find(name: str, token: str) -> Find:
    """Asks Ray where the owner of this name is."""

    async def where() -> OwnerAddress:
        import ray
        from ray.exceptions import RayError

        try:
            actor: Any = ray.get_actor(name, namespace=NAMESPACE)
            async with asyncio.timeout(ASK_SECONDS):
                return OwnerAddress(await actor.address.remote(), token)
        except (RayError, ValueError, TimeoutError) as error:
            raise ConnectionError(f"the actor {name} does not answer: {type(error).__name__}") from None

    return where
