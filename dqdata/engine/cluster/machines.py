"""Watches whether a cluster has a head, and machines that take tasks: Ray itself waits for one without an end and in
silence, and ends a driver whose head is gone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from dqdata.engine.cluster.connection import Cluster
from dqdata.engine.stop import StopSignal
from dqdata.errors import RunError, described

log = logging.getLogger("dqdata")
LOOK_SECONDS = 10.0
WAIT_SECONDS = 300.0
"""For a machine, where none is left: one may be added, or start again."""
HEAD_SECONDS = 30.0
"""For a head that does not answer: where it is started again it knows neither machines nor tasks."""


class Machines:
    """Of a run. Used in the event loop's thread alone."""

    def __init__(
        self,
        cluster: Cluster,
        stop: StopSignal,
        look: float = LOOK_SECONDS,
        wait: float = WAIT_SECONDS,
        head: float = HEAD_SECONDS,
    ) -> None:
        self._cluster, self._stop, self._look, self._wait, self._head = cluster, stop, look, wait, head
        self.cpus = cluster.cpus()
        """Of all machines, at the last look: Ray answers no question while its head is away."""
        self._gone: asyncio.Future[RunError] = asyncio.get_running_loop().create_future()
        self._watching = asyncio.create_task(self._watch())

    async def result(self, reference: Awaitable[Any]) -> Any:
        """What a task gives. Raises RunError where head or machines are gone, and what the task raises."""
        waiting: asyncio.Future[Any] = asyncio.ensure_future(reference)
        try:
            await asyncio.wait({waiting, self._gone}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise self._gone.result()
            return waiting.result()
        finally:
            waiting.cancel()

    async def close(self) -> None:
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching

    async def _watch(self) -> None:
        try:
            await self._look_again_and_again()
        except Exception as error:  # Ray raises whatever it likes; without a look the run would wait for ever
            self._end(f"the cluster does not say what machines it has ({described(error)}): start it")

    async def _look_again_and_again(self) -> None:
        silent: float | None = None
        none: float | None = None
        while not self._gone.done():
            await asyncio.sleep(self._look)
            now = time.monotonic()
            if not await self._cluster.head_answers():
                silent = now if silent is None else silent
                if now - silent >= self._head:
                    self._end(f"the head of the cluster has not answered for {now - silent:.0f} s: start the cluster")
                continue
            silent = None
            self.cpus = await asyncio.to_thread(self._cluster.cpus)
            if self.cpus:
                none = None
                continue
            if none is None:
                none = now
                log.warning(
                    "no machine of the cluster takes tasks: the run waits %g s for one",
                    self._wait,
                    extra={"code": "machine-lost"},
                )
            if self._stop.cause is not None or now - none >= self._wait:
                self._end(
                    f"no machine of the cluster has taken tasks for {now - none:.0f} s: add one "
                    "(`ray start --address=HOST:PORT`)"
                )

    def _end(self, problem: str) -> None:
        self._gone.set_result(RunError(f"{problem} and run again: it goes on from here"))
