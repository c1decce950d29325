"""Machines of a cluster that differ from the driver's in what a run needs are named before anything runs there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from dqdata.engine.cluster import probe
from dqdata.engine.cluster.connection import Node
from dqdata.errors import RunError

log = logging.getLogger("dqdata")
ANSWER_SECONDS = 300.0
"""Within which a machine starts a process and says what it has."""


async def refuse_different(nodes: Sequence[Node], here: Mapping[str, Any], marker: str) -> None:
    """Looks at all these machines at once. here: `probe.found_here` of this one. marker: a file that each must see, or
    none. Raises RunError that names those that differ; one that does not answer is a warning."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.cloudpickle.register_pickle_by_value(probe)
    looked: Any = ray.remote(probe.found_here)

    async def problem(node: Node) -> str:
        where = NodeAffinitySchedulingStrategy(node.id, soft=False)
        look = looked.options(num_cpus=0, max_retries=0, scheduling_strategy=where)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                there = await look.remote(list(here["packages"]), marker)
        except (ray.exceptions.RayError, TimeoutError) as error:
            log.warning(
                "machine %s does not answer (%s): the run goes on without it",
                *(node.address, first_line(error)),
                extra={"code": "machine-lost"},
            )
            return ""
        said = probe.difference(there, here, marker)
        return f"machine {node.address} {said}" if said else ""

    if problems := [said for said in await asyncio.gather(*map(problem, nodes)) if said]:
        raise RunError("; ".join(problems))


def first_line(error: BaseException) -> str:
    """The first line of what Ray says."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:300]
