"""What the driver of a cluster does while no machine takes tasks; no Ray is needed to know."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from dqdata.engine.cluster.connection import Cluster
from dqdata.engine.cluster.machines import Machines
from dqdata.engine.stop import StopSignal
from dqdata.errors import Interrupted, RunError


class Cores:
    """A cluster whose cores are those of the list, look by look; the last stays."""

    def __init__(self, *cores: float, head: bool = True) -> None:
        self._cores, self.looks, self._head = list(cores), 0, head

    async def head_answers(self) -> bool:
        return self._head

    def cpus(self) -> float:
        self.looks += 1
        return self._cores.pop(0) if len(self._cores) > 1 else self._cores[0]


def machines(cores: Cores, stop: StopSignal, wait: float) -> Machines:
    return Machines(cast(Cluster, cores), stop, look=0.001, wait=wait, head=0.0)


async def value(of: Any) -> Any:
    await asyncio.sleep(0)
    return of


async def test_a_task_that_no_machine_takes_ends_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    watched = machines(Cores(2, 0), StopSignal(), wait=0.0)
    never = asyncio.get_running_loop().create_future()
    with pytest.raises(RunError, match=r"no machine .*ray start --address=.*run again"):
        await watched.result(never)
    with pytest.raises(RunError, match="no machine"):
        await watched.result(asyncio.get_running_loop().create_future())
    assert never.cancelled() and "takes tasks: the run waits" in caplog.text
    await watched.close()


async def test_a_machine_that_comes_back_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    cores = Cores(0, 0, 0, 1, 0, 1)
    watched = machines(cores, StopSignal(), wait=3600)
    late = asyncio.get_running_loop().create_future()

    async def answer() -> None:
        while cores.looks < 8:
            await asyncio.sleep(0.001)
        late.set_result("rows")

    answering = asyncio.create_task(answer())
    assert await watched.result(late) == "rows"
    await answering
    assert caplog.text.count("takes tasks") == 2, "once each time that the last one went"
    await watched.close()


async def test_a_run_that_ends_does_not_wait_for_machines() -> None:
    stop = StopSignal()
    watched = machines(Cores(0), stop, wait=3600)
    stop.set(Interrupted("Ctrl-C"))
    with pytest.raises(RunError, match="no machine"):
        await watched.result(asyncio.get_running_loop().create_future())
    await watched.close()


async def test_a_head_that_is_gone_ends_the_run_with_what_to_do() -> None:
    cores = Cores(4, head=False)
    watched = machines(cores, StopSignal(), wait=3600)
    with pytest.raises(RunError, match=r"the head of the cluster has not answered .*start the cluster and run again"):
        await watched.result(asyncio.get_running_loop().create_future())
    assert cores.looks == 1, "what Ray answers without a head is not waited for"
    await watched.close()


class Speechless(Cores):
    """Says how many cores it has once, and then nothing."""

    def cpus(self) -> float:
        if self.looks:
            raise RuntimeError("the control store is away")
        return super().cpus()


async def test_a_cluster_that_says_nothing_more_ends_the_run() -> None:
    watched = machines(Speechless(4), StopSignal(), wait=3600)
    with pytest.raises(RunError, match=r"does not say what machines .*control store is away.*run again"):
        await watched.result(asyncio.get_running_loop().create_future())
    await watched.close()


async def test_results_and_errors_of_tasks_pass() -> None:
    async def broken() -> None:
        raise KeyError("a row")

    watched = machines(Cores(4), StopSignal(), wait=0.0)
    assert await watched.result(value(7)) == 7
    with pytest.raises(KeyError, match="a row"):
        await watched.result(broken())
    await watched.close()
    await watched.close()
