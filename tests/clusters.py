"""A Ray cluster of two machines on loopback, in processes of this machine; started once by each process of the tests
that needs it.

    with RayCluster() as cluster:
        cluster.kill_a_machine()
        cluster.add_a_machine()

The head takes no tasks, each machine has one core. Nothing of it is left when it ends.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil

T = TypeVar("T")
MEMORY = 80 << 20
"""Bytes of the object store of each machine."""


class RayCluster:
    def __init__(self, packages: Sequence[Path] = (), machines: int = 2) -> None:
        """packages: folders in which workers look for modules."""
        self._packages = packages
        self._machines: list[Any] = []
        self._wanted, self._numbers = machines, itertools.count(2)

    def __enter__(self) -> RayCluster:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        # 15 by default: beside other tests they would get no core for long.
        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  (Ray's own name)
        from ray.cluster_utils import Cluster

        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([*map(str, self._packages), before or ""])
        try:
            self._start(Cluster)
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before
        return self

    def _start(self, cluster: Any) -> None:
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": MEMORY}
        self._cluster = patient(
            lambda: cluster(initialize_head=True, head_node_args={**head, "node_ip_address": self._next_address()})
        )
        for _ in range(self._wanted):
            self.add_a_machine()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        import ray

        ray.shutdown()
        self._cluster.shutdown()
        self._machines = []

    def _next_address(self) -> str:
        """127.0.0.1 is none that Ray keeps: it takes that of the network instead."""
        return f"127.0.0.{next(self._numbers)}"

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add_a_machine(self, gpus: int = 0) -> str:
        """Its address. gpus: how many it says it has."""
        address = self._next_address()
        given = {"num_cpus": 1, "num_gpus": gpus, "object_store_memory": MEMORY, "node_ip_address": address}
        self._machines.append(patient(lambda: self._cluster.add_node(**given)))
        return address

    def workers(self, title: str) -> list[psutil.Process]:
        """Worker processes at work on something whose name begins so."""
        raylets = [process for node in self._cluster.list_all_nodes() for process in _raylets(node)]
        children = [child for process in raylets for child in process.children(recursive=True)]
        found = []
        for process in children:
            with suppress(psutil.NoSuchProcess):
                if "".join(process.cmdline()).startswith(f"ray::{title}"):
                    found.append(process)
        return found

    def kill_a_machine(self) -> None:
        """As if its power went: all of its processes are killed at once."""
        node = self._machines.pop()
        victims = _raylets(node)
        victims += [child for process in victims for child in process.children(recursive=True)]
        for process in victims:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        self._cluster.remove_node(node, allow_graceful=False)


def patient(start: Callable[[], T]) -> T:
    """Ray gives a process of its own 30 s to start, whatever else the machine does."""
    for _ in range(4):
        try:
            return start()
        except Exception as error:  # Ray raises whatever it likes
            last = error
    raise last


def _raylets(node: Any) -> list[psutil.Process]:
    return [psutil.Process(info.process.pid) for info in node.all_processes.get("raylet", [])]
