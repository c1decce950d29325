"""Parts of a table step on all machines of a cluster that see its scratch folder, and one actor for what they find."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dqdata.engine.cluster import probe
from dqdata.engine.cluster.connection import Cluster
from dqdata.errors import RunError

RETRIES = 8
"""Times that a part begins again whose process is gone."""


class Gatherer:
    """The one process that takes the results of all parts, one after the other."""

    def __init__(self, gather: bytes) -> None:
        self._gather: Callable[[Any], Any] = pickle.loads(gather)

    def take(self, result: tuple[str, Any]) -> tuple[str, Any]:
        kind, value = result
        return (kind, self._gather(value)) if kind == "done" else result


def spread(
    cluster: Cluster,
    marker: Path,
    function: Callable[[Any], Any],
    values: Sequence[Any],
    gather: Callable[[Any], Any] | None = None,
) -> Iterator[Any]:
    """As `dqdata.operator.Spread`. marker: a file that each machine must see. For a thread other than the loop's.
    Raises RunError."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    here, called = probe.found_here(["dqdata", "ray"], ""), pickle.dumps(function)
    remote: Any = ray.remote(probe.applied)
    remote = remote.options(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD", name=function.__name__)
    ahead, waiting = max(int(cluster.cpus()), 1), deque[Any]()
    gatherer = None if gather is None else _gatherer(cluster, gather)

    def result() -> Any:
        try:
            kind, value = ray.get(waiting.popleft())
        except RayTaskError as error:
            raise RunError(f"{function.__name__} broke in a worker of the cluster: {error.cause}") from error
        except RayError as error:
            raise RunError(f"{function.__name__} ended without a result: {error}; run again") from None
        if kind == "differs":
            raise RunError(f"machine {value[0]} {value[1]}")
        return value

    try:
        for value in values:
            found = remote.remote(here, str(marker), called, pickle.dumps(value))
            waiting.append(found if gatherer is None else gatherer.take.remote(found))
            if len(waiting) > ahead:
                yield result()
        while waiting:
            yield result()
    finally:
        if gatherer is not None:
            ray.kill(gatherer)


def _gatherer(cluster: Cluster, gather: Callable[[Any], Any]) -> Any:
    """On this machine, whose files it writes."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    made: Any = ray.remote(Gatherer)
    where = NodeAffinitySchedulingStrategy(cluster.here, soft=False)
    return made.options(num_cpus=0, max_restarts=0, scheduling_strategy=where).remote(pickle.dumps(gather))
