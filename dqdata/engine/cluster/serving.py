"""Teachers whose model is one server for the whole cluster: an actor on a machine that has the GPUs starts it.

served = await start("r1", gpus, table, cluster, environment)
served.params          # with which a teacher of the same table, in any process, reaches it
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dqdata.engine.cluster.connection import Cluster
from dqdata.engine.executors import described_error, error_of
from dqdata.errors import DqdataError, RunError
from dqdata.project.check import NoStore
from dqdata.project.instances import make_teacher
from dqdata.project.tables import TeacherTable
from dqdata.workers.logs import show_logs

END_SECONDS = 40.0
"""What a server has to end."""


class ServingActor:
    """The server of one teacher. What fails is given back described, so that no error needs more than dqdata's core."""

    def __init__(self, table: TeacherTable, environment: Mapping[str, str]) -> None:
        for name, value in environment.items():
            os.environ.setdefault(name, value)
        show_logs()
        self._teacher = make_teacher(table, NoStore())
        server = self._teacher.model_server()
        assert server is not None
        self._server = server

    async def start(self) -> tuple[str, Any]:
        """("served", parameters) or ("failed", the error)."""
        import ray

        try:
            return "served", dict(await self._server.start(ray.util.get_node_ip_address()))
        except DqdataError as error:
            return "failed", described_error(error)

    async def ended(self) -> tuple[str, str, str]:
        """Waits until it fails by itself: the error."""
        try:
            await self._server.failed()
        except DqdataError as error:
            return described_error(error)
        raise RunError("the server ended")

    async def close(self) -> None:
        await self._teacher.close()


@dataclass(frozen=True)
class Served:
    actor: Any
    params: Mapping[str, Any]

    async def failure(self, name: str) -> RunError:
        """Waits until the server is gone: why."""
        from ray.exceptions import RayError

        try:
            said = str(error_of(await self.actor.ended.remote()))
        except RayError as error:
            said = str(error).strip().partition("\n")[0]
        return RunError(f"the server of teacher {name!r} is gone: {said}; run again: it goes on from here")

    async def close(self) -> None:
        import ray

        with suppress(Exception):  # its process ends with the kill in any case, and the server with that
            async with asyncio.timeout(END_SECONDS):
                await self.actor.close.remote()
        with suppress(Exception):
            ray.kill(self.actor)


async def start(name: str, gpus: int, table: TeacherTable, cluster: Cluster, environment: Mapping[str, str]) -> Served:
    """Waits until the server answers. Raises RunError where no machine has the GPUs, and what the server says."""
    import ray

    most = max((node.gpus for node in cluster.nodes()), default=0.0)
    if gpus > most:
        raise RunError(
            f"teacher {name!r} takes {gpus} GPUs of one machine, those of the cluster have {most:g} at most: add one "
            "that has them (`ray start --num-gpus`), or lower `tensor_parallel`"
        )
    made: Any = ray.remote(ServingActor)
    actor = made.options(num_gpus=gpus, num_cpus=0, max_restarts=0, max_concurrency=16).remote(table, environment)
    try:
        kind, value = await actor.start.remote()
    except ray.exceptions.RayError as error:
        raise RunError(
            f"the server of teacher {name!r} could not be started: {str(error).strip().partition(chr(10))[0]}"
        ) from None
    served = Served(actor, value if kind == "served" else {})
    if kind == "failed":
        await served.close()
        raise error_of(value)
    return served
