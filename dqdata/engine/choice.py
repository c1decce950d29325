"""Where the rows of a run are processed, by `[engine]`: the owner of its calls, and the executor of its chunks.

async with engine_of(project.engine, ledger, budget, labels, place) as engine:
    async with Runtime(project, engine.owner, labels) as runtime:
        executor = engine.executor(runtime, progress, workers)
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from dqdata.calls.budget import Budget
from dqdata.calls.owner import LocalOwner, Owner
from dqdata.engine.executors import LocalExecutor, SpawnExecutor
from dqdata.engine.progress import Progress
from dqdata.engine.runtime import Runtime
from dqdata.engine.tasks import Executor, Labels
from dqdata.ledger import Ledger
from dqdata.place import StorePlace
from dqdata.project.tables import EngineKind, EngineTable


class Engine(Protocol):
    @property
    def owner(self) -> Owner:
        """Of ledger, limits and budget, for the calls of this process."""
        ...

    def executor(self, runtime: Runtime, progress: Progress, workers: int | None) -> Executor:
        """workers: chunks that are processed at once; by default as many as are of use."""
        ...


class _OneMachine:
    def __init__(self, kind: EngineKind, owner: Owner) -> None:
        self._kind, self.owner = kind, owner

    def executor(self, runtime: Runtime, progress: Progress, workers: int | None) -> Executor:
        if self._kind == "spawn":
            return SpawnExecutor(runtime, workers or os.cpu_count() or 1)
        return LocalExecutor(runtime, progress, chunks=1 if self._kind == "inline" else None)


@asynccontextmanager
async def engine_of(
    table: EngineTable, ledger: Ledger, budget: Budget, labels: Labels, store: StorePlace, workers: int | None
) -> AsyncIterator[Engine]:
    """The engine that a table describes, for one run. Raises InputError and RunError for a cluster that isn't there or
    is made otherwise than this machine."""
    if table.kind != "ray":
        yield _OneMachine(table.kind, LocalOwner(ledger, budget))
        return
    from dqdata.engine.cluster.engine import ray_engine

    async with ray_engine(table.address, ledger, budget, labels, store, workers) as engine:
        yield engine
