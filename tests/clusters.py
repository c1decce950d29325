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
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

MEMORY = 80 << 20
"""Bytes of the object store of each machine."""
ATTEMPTS = 4
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # 15 by default: beside other tests they would get no core for long
    "RAY_memory_monitor_refresh_ms": "0",  # or workers are killed where other tests fill the memory
    "RAY_health_check_timeout_ms": "120000",  # a machine that gets no core is alive; one that is gone refuses at once
    "RAY_worker_register_timeout_seconds": "600",
}
"""Of Ray, for machines that other tests load."""


class RayCluster:
    def __init__(self, packages: Sequence[Path] = (), machines: int = 2) -> None:
        """packages: folders in which workers look for modules."""
        self._packages = packages
        self._machines: list[Any] = []
        self._wanted, self._numbers = machines, itertools.count(2)

    def __enter__(self) -> RayCluster:
        from ray.cluster_utils import Cluster

        self._folder = Path(tempfile.mkdtemp(prefix="dqray-", dir="/tmp"))  # a path of a Unix socket has 107 bytes
        self._cluster = Cluster()
        try:
            self._add(num_cpus=0, include_dashboard=False)
            for _ in range(self._wanted):
                self.add_a_machine()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        import ray

        ray.shutdown()
        self._end()

    def _end(self) -> None:
        for node in self._cluster.list_all_nodes():
            self._remove(node)
        self._cluster.shutdown()
        self._machines = []
        shutil.rmtree(self._folder, ignore_errors=True)

    def _add(self, **given: Any) -> Any:
        """A node. Ray gives it 30 s to start, whatever else the machine does: what did not start is removed."""
        for _ in range(ATTEMPTS):
            before, address = self._cluster.list_all_nodes(), self._next_address()
            try:
                with variables({**SETTINGS, "RAY_TMPDIR": str(self._folder), "PYTHONPATH": path_of(self._packages)}):
                    return self._cluster.add_node(**given, object_store_memory=MEMORY, node_ip_address=address)
            except Exception as error:  # Ray raises whatever it likes
                last = error
            for node in self._cluster.list_all_nodes():
                if node not in before:
                    self._remove(node)
        raise last

    def _remove(self, node: Any) -> None:
        """Kills its processes at once; what Ray then finds wrong with them is no matter."""
        for process in _with_children(node):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        with suppress(Exception):
            self._cluster.remove_node(node, allow_graceful=False)

    def _next_address(self) -> str:
        """127.0.0.1 is none that Ray keeps: it takes that of the network instead."""
        return f"127.0.0.{next(self._numbers)}"

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add_a_machine(self, gpus: int = 0) -> str:
        """Its address. gpus: how many it says it has."""
        node = self._add(num_cpus=1, num_gpus=gpus)
        self._machines.append(node)
        return str(node.node_ip_address)

    def workers(self, title: str) -> list[psutil.Process]:
        """Worker processes at work on something whose name begins so."""
        found = []
        for process in itertools.chain.from_iterable(map(_with_children, self._cluster.list_all_nodes())):
            with suppress(psutil.NoSuchProcess):
                if "".join(process.cmdline()).startswith(f"ray::{title}"):
                    found.append(process)
        return found

    def kill_a_machine(self) -> None:
        """As if its power went: all of its processes are killed at once."""
        self._remove(self._machines.pop())


def _raylets(node: Any) -> list[psutil.Process]:
    found = []
    for info in node.all_processes.get("raylet", []):
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(info.process.pid))
    return found


def _with_children(node: Any) -> list[psutil.Process]:
    found = _raylets(node)
    for process in list(found):
        with suppress(psutil.NoSuchProcess):
            found += process.children(recursive=True)
    return found


def path_of(packages: Sequence[Path]) -> str:
    return os.pathsep.join([*map(str, packages), os.environ.get("PYTHONPATH", "")])


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Of the environment, for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
