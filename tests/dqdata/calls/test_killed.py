"""kill -9 in the middle of calls: what was answered is not asked again, but for the calls that were in flight."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
from loopback import Loopback

from dqdata.ledger import Ledger, maintenance

CALLS, CONCURRENCY = 600, 16

CHILD = """
    import asyncio, sys
    from pathlib import Path
    from dqdata.calls.client import CallClient, CallContext
    from dqdata.calls.owner import LocalOwner
    from dqdata.ledger import Ledger
    from dqdata.teacher import Limits, Message, Request
    from dqdata.teachers.openai import EndpointParams, OpenAI

    async def main(url, path, calls, concurrency):
        with Ledger(Path(path)) as ledger:
            teacher = OpenAI(EndpointParams(base_url=url, model="m"))
            client = CallClient(teacher, Limits(concurrency=concurrency), LocalOwner(ledger))
            print("ready", flush=True)
            requests = [Request((Message("user", f"q{i}"),)) for i in range(calls)]
            await asyncio.gather(*(client.ask(request, CallContext("r", "p", "s", "t")) for request in requests))
            await client.close()
            print("made", client.counters.made, "cached", client.counters.cached, flush=True)

    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


@pytest.mark.parametrize("times", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments(loopback: Loopback, tmp_path: Path, times: int) -> None:
    loopback.latency = 0.01
    path = tmp_path / "ledger.sqlite"
    command = [sys.executable, "-c", textwrap.dedent(CHILD), loopback.url, str(path), str(CALLS), str(CONCURRENCY)]
    chance, kills = random.Random(1), 0
    for _ in range(times):
        already = len(loopback.answered)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            wanted = already + chance.randrange(1, 500 // times)
            while len(loopback.answered) < wanted and child.poll() is None:
                time.sleep(0.001)
            child.kill()
        kills += 1
    with Ledger(path) as ledger:
        stored = ledger.spent().calls
    assert len(loopback.answered) - stored <= kills * CONCURRENCY

    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert int(done[2]) + int(done[4]) == CALLS and int(done[4]) == stored > 0
    asked = Counter(body["messages"][0]["content"] for body in loopback.answered)
    assert len(asked) == CALLS and asked.total() - CALLS <= kills * CONCURRENCY
    assert not list(maintenance.verify(path))
