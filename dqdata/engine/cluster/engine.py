"""`[engine] kind = "ray"`: connects, starts the owner of the calls, and gives chunks to the machines of the cluster."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from dqdata.calls.budget import Budget
from dqdata.calls.remote import RemoteOwner
from dqdata.engine.cluster import probe
from dqdata.engine.cluster.connection import Cluster, connected
from dqdata.engine.cluster.differences import refuse_different
from dqdata.engine.cluster.executor import RayExecutor
from dqdata.engine.cluster.owner import NAMESPACE, OWNER_PATIENCE, OwnerActor, find
from dqdata.engine.progress import Progress
from dqdata.engine.runtime import Runtime
from dqdata.engine.tasks import Labels
from dqdata.ledger import Ledger
from dqdata.place import PostgresPlace, StorePlace

END_SECONDS = 15.0
FORWARDED = ("AWS_", "PG")
"""Beginnings of the names of variables with credentials, which workers take from the driver where they have none."""


def credentials() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(FORWARDED)}


class RayEngine:
    """owner_name, token: under which workers find the owner of the calls."""

    def __init__(self, cluster: Cluster, owner: RemoteOwner, owner_name: str, token: str, store: StorePlace) -> None:
        self._cluster, self.owner = cluster, owner
        self._owner_name, self._token, self._store = owner_name, token, store

    def executor(self, runtime: Runtime, progress: Progress, workers: int | None) -> RayExecutor:
        return RayExecutor(
            self._cluster,
            runtime,
            self.owner,
            (self._owner_name, self._token),
            self._store,
            workers,
            credentials(),
        )


@asynccontextmanager
async def ray_engine(
    address: str, ledger: Ledger, budget: Budget, labels: Labels, store: StorePlace, workers: int | None
) -> AsyncIterator[RayEngine]:
    """Connected to the cluster for one run."""
    name, token = f"dqdata-owner-{labels.run_id}-{secrets.token_hex(4)}", secrets.token_hex(32)
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(connected(address, workers))
        # The owner of the calls is the first that needs dqdata there; it would be looked for in vain.
        own = [node for node in await asyncio.to_thread(cluster.nodes) if node.id == cluster.here]
        await refuse_different(own, probe.found_here(["dqdata", "ray"], ""), "")
        actor = _owner(cluster, name, ledger, budget, labels, token)
        stack.push_async_callback(_ended, actor)
        owner = RemoteOwner(find(name, token), patience=OWNER_PATIENCE, ledger=ledger)
        await stack.enter_async_context(owner)
        yield RayEngine(cluster, owner, name, token, store)


def _owner(cluster: Cluster, name: str, ledger: Ledger, budget: Budget, labels: Labels, token: str) -> Any:
    """The actor; it runs on this machine where it can, and in any case where only this machine has the ledger."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    made: Any = ray.remote(OwnerActor)
    anywhere = isinstance(ledger.place, PostgresPlace)
    return made.options(
        name=name,
        namespace=NAMESPACE,
        num_cpus=0,
        max_restarts=-1,
        max_task_retries=-1,
        max_concurrency=1000,
        scheduling_strategy=NodeAffinitySchedulingStrategy(cluster.here, soft=anywhere),
    ).remote(ledger.place, labels.run_id, (budget.limit_usd, budget.limit_tokens), token, credentials())


async def _ended(actor: Any) -> None:
    import ray

    with suppress(Exception):  # it is gone anyway; what was answered is on disk
        async with asyncio.timeout(END_SECONDS):
            await actor.close.remote()
    with suppress(Exception):
        ray.kill(actor)
