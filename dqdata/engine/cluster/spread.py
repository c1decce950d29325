"""Parts of a table step on all machines of a cluster that see its scratch folder."""

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


def spread(cluster: Cluster, marker: Path, function: Callable[[Any], Any], values: Sequence[Any]) -> Iterator[Any]:
    """The results in order. marker: a file that each machine must see. For a thread other than the loop's. Raises
    RunError."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    here, called = probe.found_here(["dqdata", "ray"], ""), pickle.dumps(function)
    remote: Any = ray.remote(probe.applied)
    remote = remote.options(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD", name=function.__name__)
    ahead, waiting = max(int(cluster.cpus()), 1), deque[Any]()

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

    for value in values:
        waiting.append(remote.remote(here, str(marker), called, pickle.dumps(value)))
        if len(waiting) > ahead:
            yield result()
    while waiting:
        yield result()
