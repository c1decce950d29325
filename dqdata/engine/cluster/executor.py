"""Gives chunks to the machines of a Ray cluster, as tasks.

A task gets the job as one object that each machine keeps, and its slice of a checkpoint by path, in the folder that all
machines share; with metadata in Postgres and data in S3, as an object, and its checkpoint goes by the bucket.
A worker or a machine that dies takes its chunks in flight with it: they begin again elsewhere, and take from the ledger
what was answered.
"""

from __future__ import annotations

import asyncio
import logging
import math
import pickle
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from dqdata.calls.remote import RemoteOwner
from dqdata.engine.chunks import Folder
from dqdata.engine.cluster import probe
from dqdata.engine.cluster.bucket import Bucket, needed, packed
from dqdata.engine.cluster.connection import Cluster
from dqdata.engine.cluster.differences import first_line, refuse_different
from dqdata.engine.cluster.machines import Machines
from dqdata.engine.cluster.serving import Served, start
from dqdata.engine.cluster.spread import spread
from dqdata.engine.cluster.worker import RayJob
from dqdata.engine.executors import error_of, refuse_gathering
from dqdata.engine.runtime import Runtime
from dqdata.engine.segment import chunk_rows
from dqdata.engine.tasks import ChunkResult, ChunkTask, Job
from dqdata.errors import RunError, StoreError
from dqdata.operator import CallOperator
from dqdata.packages import packages_of
from dqdata.place import StorePlace

log = logging.getLogger("dqdata")
SHARE = 0.25
"""Of a core, that a chunk whose rows wait for teachers takes at least."""
LOOK_SECONDS = 1.0
"""Between two questions to the owner of the calls about what they wait for."""
MOST_DEATHS = 8
"""Processes that may end under one chunk before it is taken for the reason."""


class RayExecutor:
    """owner: the driver's connection to the owner of the calls, and where workers find it: name and token."""

    def __init__(
        self,
        cluster: Cluster,
        runtime: Runtime,
        owner: RemoteOwner,
        found_by: tuple[str, str],
        store: StorePlace,
        workers: int | None,
        environment: Mapping[str, str],
    ) -> None:
        import ray

        self._cluster, self._runtime, self._owner, self._found_by = cluster, runtime, owner, found_by
        self._store, self._workers, self._environment = store, workers, environment
        self._carry_out: Any = ray.remote(probe.carry_out)
        self._job: Job | None = None
        self._bucket: Bucket | None = None
        self._served: dict[str, Served] = {}
        self._machines = Machines(cluster, runtime.stop)
        self._watching: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._waits: list[str] = []
        self._running, self._free = 0, asyncio.Event()
        self._cpus = 1.0
        runtime.stop.on_set(owner.stop)
        if not needed(store) and runtime.scratch is not None:
            runtime.spread = partial(spread, cluster, runtime.scratch / f"seen-{secrets.token_hex(8)}")

    async def admit(self, task: ChunkTask) -> None:
        if task.job is not self._job:
            await self._begin(task)
        while self._running >= self._at_once():
            self._free.clear()
            await self._free.wait()
        self._running += 1

    async def run(self, task: ChunkTask) -> ChunkResult:
        try:
            return await self._carried_out(task)
        finally:
            self._running -= 1
            self._free.set()

    async def _with_servers(self, job: Job, teachers: list[str]) -> Job:
        """The job, with the servers of its teachers' models started where the cluster has one for all."""
        tables = dict(job.project.teachers)
        for name in dict.fromkeys(teachers):
            server = self._runtime.client(name).teacher.model_server()
            if server is None:
                continue
            if name not in self._served:
                served = await start(name, server.gpus, tables[name], self._cluster, self._environment)
                self._served[name] = served
                self._watching.add(asyncio.create_task(self._watch(name, served)))
            params = {**tables[name].params, **self._served[name].params}
            tables[name] = tables[name].model_copy(update={"params": params})
        return replace(job, project=job.project.model_copy(update={"teachers": tables}))

    async def _look(self) -> None:
        """Asks the owner of the calls what they wait for, as long as there is one."""
        with suppress(StoreError):
            while True:
                self._waits = await self._owner.waiting()
                await asyncio.sleep(LOOK_SECONDS)

    async def _watch(self, name: str, served: Served) -> None:
        self._runtime.stop.set(await served.failure(name))

    async def aclose(self) -> None:
        """Workers close what they have opened; the cluster is closed by whoever opened it."""
        self._owner.stop(RunError("the run has ended"))
        await self._machines.close()
        for watching in self._watching:
            watching.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await asyncio.gather(*(served.close() for served in self._served.values()))

    async def _begin(self, task: ChunkTask) -> None:
        import ray

        refuse_gathering(task, self._runtime)
        job = self._job = task.job
        names = [name for step in job.segment.steps for name in step.operator.teachers()]
        self._calls = any(isinstance(step.operator, CallOperator) for step in job.segment.steps)
        self._rows = self._runtime.concurrency(names) * 2 if names else 0
        self._chunk_rows = max(task.chunk.rows, 1) if task.chunk.rows else chunk_rows(job.segment)
        self._bucket, self._marker = None, ""
        if needed(self._store):
            self._bucket = Bucket(self._store, job.target)
        else:
            marker = job.target / f"seen-{secrets.token_hex(8)}"
            await asyncio.to_thread(marker.touch)
            self._marker = str(marker)
        self._here = probe.found_here(_packages(job, self._runtime, names, self._store), self._marker)
        nodes = [node for node in await asyncio.to_thread(self._cluster.nodes) if node.cpus]
        await refuse_different(nodes, self._here, self._marker)
        job = await self._with_servers(job, names)
        if self._calls and self._looking is None:
            self._runtime.waiting_elsewhere = lambda: self._waits
            self._looking = asyncio.create_task(self._look())
            self._watching.add(self._looking)
        at_once, machines = self._at_once(), len(nodes)
        self._name = secrets.token_hex(8)
        each = math.ceil(at_once / max(machines, 1))
        sent = RayJob(job, *self._found_by, each, self._environment, logging.getLogger("dqdata").getEffectiveLevel())
        self._payload = ray.put(pickle.dumps(sent))

    def _at_once(self) -> int:
        """Chunks: one for each core, and more where rows wait for teachers and the teachers take them."""
        if self._workers is not None:
            return self._workers
        self._cpus = max(self._machines.cpus, 1.0)
        cores = max(int(self._cpus), 1)
        if not self._calls:
            return cores
        wanted = math.ceil(self._rows / self._chunk_rows) + 1
        return min(max(cores, wanted), int(self._cpus / SHARE))

    @property
    def _share(self) -> float:
        return max(min(1.0, int(100 * self._cpus / self._at_once()) / 100), SHARE) if self._calls else 1.0

    async def _carried_out(self, task: ChunkTask) -> ChunkResult:
        import ray
        from ray import exceptions

        deaths, number, rows = 0, task.chunk.number, None
        if self._bucket is not None:
            rows = ray.put(await asyncio.to_thread(packed, task.chunk))
        while True:
            remote = self._carry_out.options(
                num_cpus=self._share, max_retries=0, scheduling_strategy="SPREAD", name=f"chunk {number}"
            )
            try:
                kind, value = await self._machines.result(
                    remote.remote(self._here, self._marker, self._payload, self._name, rows, pickle.dumps(task.chunk))
                )
            except exceptions.RayTaskError as error:
                raise RunError(f"chunk {number} broke in a worker of the cluster: {first_line(error.cause)}") from error
            except exceptions.RayError as error:
                deaths += 1
                if self._runtime.stop.cause is not None or deaths >= MOST_DEATHS:
                    raise RunError(
                        f"{deaths} processes that worked on chunk {number} ended without a result; the last: "
                        f"{first_line(error)}. Run again: it goes on from here"
                    ) from None
                log.warning(
                    "chunk %d begins again, for its process ended: %s",
                    number,
                    first_line(error),
                    extra={"code": "machine-lost"},
                )
                continue
            if kind == "differs":
                raise RunError(f"machine {value[0]} {value[1]}")
            if kind == "failed":
                raise error_of(value)
            if self._bucket is not None:
                await asyncio.to_thread(self._bucket.take, number, Folder(task.job.target))
            self._runtime.add_counters(value.counters)
            return value  # type: ignore[no-any-return]


def _packages(job: Job, runtime: Runtime, teachers: list[str], store: StorePlace) -> list[str]:
    """Distributions that the job needs on each machine."""
    wanted = ["dqdata", "ray"]
    for step in job.segment.steps:
        wanted += step.operator.requires()
        wanted += [name for child in step.children.values() for name in child.operator.requires()]
    for name in teachers:
        wanted += runtime.client(name).teacher.requires()
    if store.metadata or store.data or store.ledger_url:
        wanted.append("dqdata[cloud]")
    return list(dict.fromkeys(name for one in wanted for name in packages_of(one)))
