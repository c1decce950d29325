"""Calls a second through ledger, limits and retries, against bare loops on the same server; and memory.

python bench/calls.py                     # 10,000 calls at 200 ms, 256 in flight
python bench/calls.py --calls 5000 --latency 2 --concurrency 2000
python bench/calls.py --memory            # resident memory after 10,000 calls and ten times as many, and a rerun
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SERVER = """
import asyncio, json, sys
from aiohttp import web

async def answer(request):
    await request.read()
    await asyncio.sleep(float(sys.argv[1]))
    return web.Response(body=BODY, content_type="application/json")

text = "<think>" + "Add the numbers one by one. " * 40 + "</think>It is 4."
BODY = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 60, "completion_tokens": 300, "total_tokens": 360}}).encode()

async def main():
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.sleep(86400)

asyncio.run(main())
"""


def question(i: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Question {i}: " + "a farmer sells some of his apples. " * 6}]


async def bare_aiohttp(url: str, calls: int, concurrency: int) -> None:
    """The limit: nothing is checked, kept or retried."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call(i: int) -> None:
            async with session.post(f"{url}/chat/completions", json={"model": "m", "messages": question(i)}) as answer:
                (await answer.json())["choices"][0]["message"]["content"]

        await workers(call, calls, concurrency)


async def bare_openai(url: str, calls: int, concurrency: int, http_client: Any = None) -> None:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=http_client) as client:

        async def call(i: int) -> None:
            answer = await client.chat.completions.create(model="m", messages=question(i))  # type: ignore[arg-type]
            assert answer.choices[0].message.content

        await workers(call, calls, concurrency)


async def openai_aiohttp(url: str, calls: int, concurrency: int) -> None:
    from openai import DefaultAioHttpClient

    await bare_openai(url, calls, concurrency, DefaultAioHttpClient())


async def dqdata(url: str, calls: int, concurrency: int, folder: str | None = None) -> int:
    """Returns how many calls were made, the others came from the ledger."""
    from dqdata.calls.budget import Budget
    from dqdata.calls.client import CallClient, CallContext
    from dqdata.calls.owner import LocalOwner
    from dqdata.engine.garbage import rare_collections
    from dqdata.ledger import Ledger
    from dqdata.teacher import Limits, Message, Price, Request, Sampling
    from dqdata.teachers.openai import EndpointParams, OpenAI

    with tempfile.TemporaryDirectory() as temporary, Ledger(Path(folder or temporary) / "ledger.sqlite") as ledger:
        teacher = OpenAI(EndpointParams(base_url=url, model="m"))
        limits = Limits(concurrency=concurrency, price=Price(input=0.5, output=2.0))
        client = CallClient(teacher, limits, LocalOwner(ledger, Budget(limit_usd=1e6)))
        step = client.at(CallContext("run", "pipe", "step", "r1"))

        async def call(i: int) -> None:
            message = Message("user", question(i)[0]["content"])
            await step.complete(Request((message,), Sampling(max_tokens=1_000)))

        with rare_collections():  # as every run does
            await workers(call, calls, concurrency + 32)
        await client.close()
        return client.counters.made


async def workers(call: Any, calls: int, concurrency: int) -> None:
    numbers = iter(range(calls))

    async def work() -> None:
        for i in numbers:
            await call(i)

    await asyncio.gather(*(work() for _ in range(concurrency)))


def resident() -> float:
    """MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def in_a_process(name: str, *arguments: Any) -> tuple[float, float, float, Any]:
    """(seconds, seconds of processor, MB resident at its end, result): each loop in a process of its own."""
    command = [sys.executable, __file__, "--one", name, json.dumps(arguments)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, processor, memory, result = json.loads(out)
    return float(seconds), float(processor), float(memory), result


def one(name: str, arguments: list[Any]) -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    import aiohttp  # noqa: F401 - what all loops import isn't what is measured
    import openai  # noqa: F401

    import dqdata.calls.client
    import dqdata.teachers.openai  # noqa: F401

    began, busy = time.perf_counter(), time.process_time()
    result = asyncio.run(globals()[name](*arguments))
    print(json.dumps([time.perf_counter() - began, time.process_time() - busy, resident(), result]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--one", nargs=2)
    given = parser.parse_args()
    if given.one:
        return one(given.one[0], json.loads(given.one[1]))
    latency = "0" if given.memory else str(given.latency)
    server = subprocess.Popen([sys.executable, "-c", SERVER, latency], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        if given.memory:
            memory(url, given.calls, 10 * given.calls)
        else:
            speed(url, given.calls, given.latency, given.concurrency)
    finally:
        server.kill()
        server.wait()


def speed(url: str, calls: int, latency: float, concurrency: int) -> None:
    print(f"{calls} calls, {latency:g} s each, {concurrency} in flight (at most {concurrency / latency:.0f} a second)")
    print(f"{'loop':<32}{'calls/s':>10}{'of aiohttp':>12}{'CPU ms/call':>13}{'MB':>8}")
    best = 0.0
    for name, label in (
        ("bare_aiohttp", "bare aiohttp"),
        ("bare_openai", "bare AsyncOpenAI, httpx"),
        ("openai_aiohttp", "bare AsyncOpenAI, aiohttp"),
        ("dqdata", "dqdata, all durable"),
    ):
        seconds, processor, megabytes, _ = in_a_process(name, url, calls, concurrency)
        rate = calls / seconds
        best = best or rate
        each = processor / calls * 1e3
        print(f"{label:<32}{rate:>10.0f}{rate / best:>12.2f}{each:>13.2f}{megabytes:>8.0f}", flush=True)


def memory(url: str, few: int, many: int) -> None:
    print(f"{'dqdata, 256 in flight':<32}{'seconds':>10}{'made':>10}{'MB':>8}{'growth':>8}")
    with tempfile.TemporaryDirectory() as folder:
        first = 0.0
        for label, calls in ((f"{few:,} calls", few), (f"{many:,} calls", many), ("the same again", many)):
            where = str(Path(folder) / str(calls))
            seconds, _, megabytes, made = in_a_process("dqdata", url, calls, 256, where)
            first = first or megabytes
            print(f"{label:<32}{seconds:>10.1f}{made:>10}{megabytes:>8.0f}{megabytes - first:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
