"""The driver's connection to a Ray cluster, and what its machines have.

async with connected("auto") as cluster:
    cluster.nodes(), cluster.cpus()
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from dqdata.aio import settle
from dqdata.engine.cluster.owner import NAMESPACE
from dqdata.errors import RunError

CONNECT_SECONDS = 10.0
INIT_SECONDS = 300.0
"""For Ray to connect, or to start a cluster: it may try without an end."""
SHUTDOWN_SECONDS = 30.0
LAST_LINES_SECONDS = 1.0
"""For lines that workers wrote at last to come here: Ray forgets them when it disconnects."""
OBJECT_STORE = 200 << 20
"""Bytes of the object store of a cluster that lives for one run: rows of chunks in flight."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster that takes tasks. id: Ray's."""

    id: str
    address: str
    cpus: float
    gpus: float


class Cluster:
    """Ray, as it is connected in this process."""

    def nodes(self) -> list[Node]:
        import ray

        return [
            Node(
                one["NodeID"],
                f"{one['NodeManagerHostname']} ({one['NodeManagerAddress']})",
                one["Resources"].get("CPU", 0.0),
                one["Resources"].get("GPU", 0.0),
            )
            for one in ray.nodes()
            if one["Alive"]
        ]

    def cpus(self) -> float:
        """Of all machines, whether they are at work or not."""
        return sum(node.cpus for node in self.nodes())

    async def head_answers(self) -> bool:
        """Whether somebody listens at the address of the head."""
        import ray

        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return False
        writer.close()
        return True

    @property
    def here(self) -> str:
        """Ray's id of the machine of this process."""
        import ray

        return str(ray.get_runtime_context().get_node_id())


@asynccontextmanager
async def connected(address: str, cpus: int | None) -> AsyncIterator[Cluster]:
    """Connects, or with the address `local` starts a cluster of `cpus` cores on this machine, and ends that at the end.
    A connection that this process has is used, and kept. Raises RunError: no Ray, nobody answers, another version."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # After 60 s without the head Ray would end this process; machines.py ends the run, with a message.
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "900")
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")  # of the lines that workers wrote
    try:
        import ray
    except ImportError:
        raise RunError("[engine] kind = \"ray\" needs ray: pip install 'dqdata[ray]'", code="missing-extra") from None
    if ray.is_initialized():
        yield Cluster()
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    given: dict[str, Any] = {"address": address}
    if address == "local":
        os.environ.setdefault("RAY_worker_niceness", "0")  # 15 is for machines that serve others
        given |= {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": OBJECT_STORE}
        given["_node_ip_address"] = "127.0.0.1"
    elif address != "auto":
        await _answers(address)
        if address.startswith("127."):
            given["_node_ip_address"] = address.rpartition(":")[0]  # by which a driver finds the machine that it is on
    thread = _Thread()
    try:
        with _signals_kept():
            await thread.call(
                INIT_SECONDS,
                ray.init,
                **given,
                namespace=NAMESPACE,
                logging_level=logging.ERROR,
                log_to_driver=True,  # what plug-ins print and log, with the machine that it comes from
                configure_logging=False,
            )
    except Exception as error:  # Ray raises whatever it likes
        thread.end()
        raise _unreachable(address, error) from None
    try:
        yield Cluster()
    finally:
        await asyncio.sleep(LAST_LINES_SECONDS)
        # It hangs where the head is gone; what it would free ends with the process.
        with _signals_kept(), suppress(TimeoutError):
            await thread.call(SHUTDOWN_SECONDS, ray.shutdown)
        thread.end()


class _Thread:
    """Makes Ray's long calls, one after the other, and lives from the first to the last: the processes of a cluster
    end with the thread that started them. Nobody waits for it when it hangs."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="dqdata-ray", daemon=True).start()

    async def call(self, seconds: float, function: Callable[..., Any], **given: Any) -> None:
        """Raises TimeoutError."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def work() -> None:
            try:
                value = function(**given)
            except Exception as error:
                settle(done, error=error)
            else:
                settle(done, value)

        self._calls.put(work)
        try:
            async with asyncio.timeout(seconds):
                await done
        except TimeoutError:
            raise TimeoutError(f"Ray did not answer within {seconds:g} s") from None

    def end(self) -> None:
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


async def _answers(address: str) -> None:
    """Raises RunError where nobody listens; Ray itself would try for a minute."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
    except (OSError, OverflowError) as error:
        why = "no answer within 10 s" if isinstance(error, TimeoutError) else str(error)
        raise _unreachable(address, OSError(why)) from None


def _unreachable(address: str, error: Exception) -> RunError:
    said = " ".join(str(error).split())
    if address == "local":
        return RunError(f"no Ray cluster could be started on {socket.gethostname()}: {said}")
    if "ersion mismatch" in said:
        return RunError(f"the Ray cluster at {address} has another version than {socket.gethostname()}: {said}")
    where = f"of {socket.gethostname()}" if address == "auto" else f"at {address}"
    if type(error).__name__ == "AuthenticationError" or (isinstance(error, ConnectionError) and "Failed to" in said):
        return RunError(
            f"the Ray cluster {where} listens and refuses this process ({said[:300]}): one that was started where "
            "~/.ray/auth_token exists wants that token. Have it in that file here, or in RAY_AUTH_TOKEN, and set "
            "RAY_AUTH_MODE=token"
        )
    head = (
        "ray start --address=HEAD:6379` on this machine, which makes it part of one,"
        if address == "auto"
        else (f"ray start --head --port={address.rpartition(':')[2]}` there,")
    )
    return RunError(
        f"no Ray cluster {where} answers ({said[:300]}): start one with `{head} or correct [engine] address; "
        '"local" starts one on this machine for the run'
    )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray sets handlers of its own for signals that end the run in an orderly way here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # in any case: Ray's are set where Python does not see it
