"""CPU workers that go on from one run of a test process to the next: starting them costs more than most runs."""

from __future__ import annotations

import atexit
import os
from pathlib import Path

from dqdata.workers.pool import Pool

MOST = 2
"""Pools that are kept: each has a worker a core."""


class KeptPool(Pool):
    """A pool that a run can't close."""

    def close(self) -> None:
        """The next run has it."""

    def end(self) -> None:
        super().close()


_pools: dict[tuple[object, ...], KeptPool] = {}


def kept_pool(workers: int | None = None) -> KeptPool:
    """The pool whose workers have this environment and this folder, as new ones would."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    key = (os.getpid(), workers, Path.cwd(), *sorted(environment.items()))
    pool = _pools.pop(key, None) or KeptPool(workers)
    _pools[key] = pool  # the last one used is the last to go
    while len(_pools) > MOST:
        _pools.pop(next(iter(_pools))).end()
    return pool


@atexit.register
def _end_all() -> None:
    for key, pool in _pools.items():
        if key[0] == os.getpid():
            pool.end()
