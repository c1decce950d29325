"""The owner of ledger, limits and budget, in this process and in another one: the same for those who call."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dqdata.calls.budget import Budget
from dqdata.calls.client import CallClient, CallContext
from dqdata.calls.owner import LocalOwner, Owner
from dqdata.calls.remote import RemoteOwner
from dqdata.calls.server import OwnerServer
from dqdata.calls.wire import LENGTH, OwnerAddress, connect, frame, read
from dqdata.errors import BudgetExceeded, DqdataError, StoreError, TeacherError
from dqdata.ledger import Ledger
from dqdata.teacher import Completion, Limits, Message, Price, Request, Sampling, Teacher, Usage
from dqdata.testing import ScriptedTeacher

CONTEXT = CallContext("run1", "pipe", "step1", "t")


def ask(text: str) -> Request:
    return Request((Message("user", text),), Sampling(max_tokens=20))


class Counted:
    """A teacher's answers, and how often each text was asked, over all clients."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.asked: Counter[str] = Counter()
        self.in_flight = self.most = 0
        self.seconds = seconds

    async def __call__(self, request: Request) -> Completion:
        text = request.messages[0].content
        self.asked[text] += 1
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        await asyncio.sleep(self.seconds)
        self.in_flight -= 1
        return Completion(f"re: {text}", "stop", Usage(10, 20), reasoning="由于 \ud800", seconds=0.1)

    @property
    def teacher(self) -> Teacher[Any]:
        return ScriptedTeacher(self)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dqdata.calls.limits._jitter", lambda: 0.01)
    monkeypatch.setattr("dqdata.calls.client.random.random", lambda: -0.98)


@asynccontextmanager
async def owners(ledger: Ledger, budget: Budget, kind: str, count: int) -> AsyncIterator[list[Owner]]:
    """The local owner, or connections to one."""
    local = LocalOwner(ledger, budget)
    if kind == "local":
        yield [local] * count
        return
    async with AsyncExitStack() as stack:
        address = None if kind == "unix" else OwnerAddress("tcp://127.0.0.1:0", secrets.token_hex(8))
        server = await stack.enter_async_context(OwnerServer(local, address))
        yield [await stack.enter_async_context(RemoteOwner(server.address, patience=2.0)) for _ in range(count)]


KINDS = pytest.mark.parametrize("kind", ["local", "unix", "tcp"])


@KINDS
async def test_what_is_recorded_is_found_again(ledger: Ledger, kind: str) -> None:
    counted = Counted()
    async with owners(ledger, Budget(), kind, 1) as [owner]:
        client = CallClient(counted.teacher, Limits(), owner, name="t")
        made = await client.at(CONTEXT).complete(ask("q"))
        again = await client.at(CONTEXT).complete(ask("q"))
        await client.close()
    assert (made.response, made.usage, again.cached, counted.asked["q"]) == ("re: q", Usage(10, 20), True, 1)
    stored = ledger.get(made.ledger_key)
    assert stored is not None and stored.reasoning == again.reasoning == "由于 ?"


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_processes_ask_nothing_twice_and_share_the_limits(ledger: Ledger, kind: str) -> None:
    counted = Counted(0.005)
    async with owners(ledger, Budget(), kind, 3) as opened:
        clients = [CallClient(counted.teacher, Limits(concurrency=4), owner, name="t") for owner in opened]
        texts = [f"q{n}" for n in range(30)]
        answers = await asyncio.gather(*(c.at(CONTEXT).complete(ask(text)) for c in clients for text in texts))
        for client in clients:
            await client.close()
    assert counted.asked == Counter(texts) and counted.most <= 4
    assert [a.response for a in answers] == [f"re: {text}" for text in texts] * 3
    assert sum(c.counters.made for c in clients) == 30 and sum(c.counters.cached for c in clients) == 60
    assert ledger.spent().calls == 30


@KINDS
async def test_a_budget_holds_over_all_processes(ledger: Ledger, kind: str) -> None:
    counted = Counted(0.001)
    budget = Budget(limit_usd=500e-6)
    async with owners(ledger, budget, kind, 2) as opened:
        limits = Limits(concurrency=8, price=Price(input=1.0, output=1.0))
        clients = [CallClient(counted.teacher, limits, owner, name="t") for owner in opened]
        asked = [c.at(CONTEXT).complete(ask(f"{n}-{i}")) for n, c in enumerate(clients) for i in range(40)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for client in clients:
            await client.close()
    assert {type(a) for a in answers} == {Completion, BudgetExceeded}
    assert 0 < ledger.spent().cost_usd <= 500e-6 and budget.usd == pytest.approx(ledger.spent().cost_usd)


@KINDS
async def test_failures_are_recorded_tried_again_and_slow_down_everyone(ledger: Ledger, kind: str) -> None:
    seen: Counter[str] = Counter()

    async def answer(request: Request) -> str | Exception:
        seen[text := request.messages[0].content] += 1
        if seen[text] < 3:
            return TeacherError("full", kind="retryable", reason="http_429", status=429, retry_after=0.0)
        return "yes"

    async with owners(ledger, Budget(), kind, 1) as [owner]:
        client = CallClient(ScriptedTeacher(answer), Limits(max_attempts=5), owner, name="t")
        assert (await client.at(CONTEXT).complete(ask("q"))).response == "yes"
        await client.close()
    assert ledger.rows("select count(*), min(kind), min(status) from failures", ()) == [(2, "retryable", 429)]


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_one_client_ends_the_run_for_all_and_for_those_that_come_later(ledger: Ledger, kind: str) -> None:
    told: list[DqdataError] = []
    address = None if kind == "unix" else OwnerAddress("tcp://127.0.0.1:0", "token")
    async with OwnerServer(LocalOwner(ledger), address) as server:
        async with RemoteOwner(server.address, on_stop=told.append), RemoteOwner(server.address) as driver:
            driver.stop(BudgetExceeded("budget exhausted"))
            async with asyncio.timeout(10):
                while not told:
                    await asyncio.sleep(0.01)
        async with RemoteOwner(server.address, on_stop=told.append):
            pass
    assert [(type(one), str(one)) for one in told] == [(BudgetExceeded, "budget exhausted")] * 2


async def test_what_an_ended_process_leased_is_free_again(ledger: Ledger) -> None:
    budget = Budget(limit_usd=1.0)
    hanging = Counted(60.0)
    async with owners(ledger, budget, "unix", 2) as [first, second]:
        limits = Limits(concurrency=1, price=Price(input=1.0, output=1.0))
        task = asyncio.create_task(CallClient(hanging.teacher, limits, first, name="t").ask(ask("slow"), CONTEXT))
        while not hanging.in_flight:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        assert isinstance(first, RemoteOwner)
        await first.__aexit__(None, None, None)
        other = CallClient(Counted().teacher, limits, second, name="t")
        assert (await other.at(CONTEXT).complete(ask("quick"))).response == "re: quick"
        await other.close()
        task.cancel()
    assert budget.usd > ledger.spent().cost_usd, "a call that was sent and whose caller is gone counts at its worst"


async def test_who_does_not_know_the_token_is_cut_off(ledger: Ledger) -> None:
    async with OwnerServer(LocalOwner(ledger)) as server:
        for greeting in (
            frame({"token": "guess"}),
            frame({"do": "lookup", "id": 1, "key": "k"}),
            frame({"token": None}),
            frame({"token": server.address.token + "x"}),
            LENGTH.pack(1 << 31) + b"{",
            LENGTH.pack(3) + b"\xff\xfe\x00",
            LENGTH.pack(2) + b"[]",
        ):
            reader, writer = await connect(server.address)
            writer.write(greeting)
            assert await reader.read() == b""
            writer.close()
        reader, writer = await connect(server.address)
        writer.write(frame({"token": server.address.token}))
        assert await read(reader) == {"budget": {"usd": None, "tokens": None}, "stop": None}
        writer.write(frame({"id": 1, "do": "__class__"}))
        assert "knows no" in (await read(reader))["error"]["text"]
        writer.close()
        assert server.address.token not in repr(server.address)


class OwnerProcess:
    """An owner that can be killed and started again at the same address."""

    def __init__(self, folder: Path) -> None:
        self.address = OwnerAddress(f"unix://{folder}/o.sock", secrets.token_hex(8))
        self._config = {"ledger": str(folder / "ledger.sqlite"), "run_id": "run1", "usd": 1.0, "tokens": None}

    def start(self) -> None:
        command = [sys.executable, "-m", "dqdata.calls.server"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None and self._process.stdout is not None
        config = {**self._config, "url": self.address.url, "token": self.address.token}
        self._process.stdin.write(json.dumps(config) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


async def test_kill_9_of_the_owner_loses_no_answered_call(tmp_path: Path) -> None:
    process, counted = OwnerProcess(tmp_path), Counted(0.01)
    texts = [f"q{n}" for n in range(120)]
    await asyncio.to_thread(process.start)
    try:
        async with RemoteOwner(process.address) as owner:
            limits = Limits(concurrency=16, price=Price(input=1.0, output=1.0))
            client = CallClient(counted.teacher, limits, owner, name="t")
            asked = asyncio.gather(*(client.at(CONTEXT).complete(ask(text)) for text in texts))
            for at in (20, 60, 100):
                while sum(counted.asked.values()) < at:
                    await asyncio.sleep(0.001)
                process.kill()
                await asyncio.to_thread(process.start)
            answers = await asyncio.wait_for(asked, 60)
            await client.close()
    finally:
        process.kill()
    assert counted.asked == Counter(texts), "each was asked once, whatever became of the owner"
    assert [a.response for a in answers] == [f"re: {text}" for text in texts] and counted.most <= 16
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.spent().calls == 120 and not ledger.rows("select * from failures", ())


async def test_an_owner_that_stays_away_ends_the_calls_with_a_store_error(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't be reached"):
        async with RemoteOwner(OwnerAddress(f"unix://{tmp_path}/none.sock", "x"), patience=0.2):
            raise AssertionError("nobody listens there")
    async with OwnerServer(LocalOwner(ledger)) as server:
        owner = RemoteOwner(server.address, patience=0.2)
        await owner.__aenter__()
    with pytest.raises(StoreError, match="run again"):
        await owner.stored("k")
    await owner.__aexit__(None, None, None)
