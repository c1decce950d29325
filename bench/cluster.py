"""Runs on a Ray cluster on this machine against the local engine: calls a second, and memory of the driver.

python bench/cluster.py                        # 10,000 calls at 200 ms, 256 in flight; 1, 2 and 4 machines of a core
python bench/cluster.py --memory               # peak of the driver over 10,000, 100,000 and 1,000,000 rows

Rate and CPU time count from a quarter of the calls to nine tenths of them: start-up, of the processes of workers
too, and the end are apart. CPU time is that of all processes but the endpoint's: other work on the machine slows a run
down, but does not add to it. All engines run in turn, `--rounds` times.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

SERVER = """
import asyncio, json, sys, time
from aiohttp import web

times = []

async def answer(request):
    await request.read()
    times.append(time.monotonic())
    await asyncio.sleep(float(sys.argv[1]))
    times.append(time.monotonic())
    return web.Response(body=BODY, content_type="application/json")

async def seen(request):
    return web.json_response(len(times) // 2)

async def forget(request):
    times.clear()
    return web.json_response(None)

TEXT = " ".join(f"Step {i}: {i * 7 % 13} and {i * 5 % 11} make {i * 7 % 13 + i * 5 % 11}." for i in range(30))
BODY = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT},
        "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 60, "completion_tokens": 300}}).encode()

async def main():
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_get("/seen", seen)
    app.router.add_get("/forget", forget)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.sleep(86400)

asyncio.run(main())
"""

PROJECT = """
[engine]
kind = "{kind}"
address = "{address}"

[teachers.t]
provider = "openai"
base_url = "{url}/v1"
model = "m"
concurrency = {concurrency}

[pipelines.p]
from = "rows.parquet"
steps = [ {step} ]
"""

RUN = """
import json, resource, sys, time
from dqdata.cli import main
began = time.perf_counter()
code = main(["run", "p", "-q"])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
print(json.dumps([time.perf_counter() - began, peak, code]))
"""


class Cluster:
    """Machines of one core each, which have addresses of their own on loopback."""

    def __init__(self, machines: int) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
        from ray.cluster_utils import Cluster as RayCluster

        small = {"object_store_memory": 100 << 20}
        head = {"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.2", **small}
        self._cluster = RayCluster(initialize_head=True, head_node_args=head)
        for number in range(machines):
            self._cluster.add_node(num_cpus=1, node_ip_address=f"127.0.0.{3 + number}", **small)
        self.address = str(self._cluster.address)

    def close(self) -> None:
        self._cluster.shutdown()


@dataclass(frozen=True)
class Seen:
    """seconds: of the whole run. peak: MB of the driver. rate: calls a second, cpu: ms of all processes a call, both of
    the part in the middle."""

    seconds: float
    peak: float
    rate: float
    cpu: float


def run(rows: int, kind: str, address: str, url: str, concurrency: int, step: str, calls: bool) -> Seen:
    """A run in a process of its own."""
    import polars as pl

    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        questions = [f"Question {i}: " + "a farmer sells some of his apples. " * 6 for i in range(rows)]
        pl.DataFrame({"question": questions, "answer": ["4"] * rows}).write_parquet(here / "rows.parquet")
        given = {"kind": kind, "address": address, "url": url, "concurrency": concurrency, "step": step}
        (here / "pipelines.toml").write_text(PROJECT.format(**given))
        get(f"{url}/forget")
        driver = subprocess.Popen([sys.executable, "-c", RUN], cwd=here, stdout=subprocess.PIPE, text=True)
        marks = [when_seen(url, rows * share // 100, driver) for share in (25, 90)] if calls else [(0, 0.0, 0.0)] * 2
        said, _ = driver.communicate()
    seconds, peak, code = json.loads(said.splitlines()[-1])
    if code:
        raise SystemExit(f"the run ended with {code}")
    if calls and (made := get(f"{url}/seen")) != rows:
        raise SystemExit(f"{made} calls were made for {rows}")
    (before, began, used), (after, ended, used_then) = marks
    made = max(after - before, 1)
    return Seen(seconds, peak, made / max(ended - began, 1e-9), 1e3 * (used_then - used) / made)


def get(url: str) -> Any:
    with urlopen(url) as answer:
        return json.load(answer)


def when_seen(url: str, calls: int, driver: subprocess.Popen[str]) -> tuple[int, float, float]:
    """Waits until the endpoint has seen so many calls: how many, the time, and CPU seconds of all processes."""
    while (seen := get(f"{url}/seen")) < calls and driver.poll() is None:
        time.sleep(0.05)
    return seen, time.monotonic(), cpu_seconds()


def cpu_seconds() -> float:
    """Of all processes that this one and its children started, but the endpoint."""
    used = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if SERVER not in process.cmdline():
                times = process.cpu_times()
                used += times.user + times.system
    return used


def speed(url: str, calls: int, latency: float, concurrency: int, machines: list[int], rounds: int) -> None:
    most = concurrency / latency
    print(f"{calls:,} calls, {latency:g} s each, {concurrency} in flight (at most {most:.0f} a second)")
    print(f"{'engine':<20}{'calls/s':>9}{'of local':>10}{'CPU ms/call':>13}{'whole s':>9}{'driver MB':>11}", flush=True)
    for _ in range(rounds):
        local = 0.0
        for count in [0, *machines]:
            cluster = Cluster(count) if count else None
            try:
                step = '{ op = "generate", teacher = "t" }'
                kind, address = ("ray", cluster.address) if cluster else ("local", "auto")
                seen = run(calls, kind, address, url, concurrency, step, calls=True)
            finally:
                if cluster is not None:
                    cluster.close()
            local = local or seen.rate
            label = f"ray, {count} machines" if count else "local"
            share = f"{seen.rate:>9.0f}{seen.rate / local:>10.2f}"
            print(f"{label:<20}{share}{seen.cpu:>13.2f}{seen.seconds:>9.1f}{seen.peak:>11.0f}", flush=True)


def memory(url: str, sizes: list[int]) -> None:
    print(f"{'rows, op length':<24}{'seconds':>10}{'driver MB':>11}", flush=True)
    cluster = Cluster(1)
    try:
        for rows in sizes:
            step = '{ op = "length", column = "question" }'
            seen = run(rows, "ray", cluster.address, url, 1, step, calls=False)
            print(f"{rows:<24,}{seen.seconds:>10.1f}{seen.peak:>11.0f}", flush=True)
    finally:
        cluster.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    given = parser.parse_args()
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(given.latency)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        if given.memory:
            memory(url, given.rows)
        else:
            speed(url, given.calls, given.latency, given.concurrency, given.machines, given.rounds)
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
