"""What a run says while its calls wait: for how long, and what for."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dqdata.calls import stall
from dqdata.calls.client import CallClient, CallContext
from dqdata.calls.owner import LocalOwner
from dqdata.calls.remote import RemoteOwner
from dqdata.calls.server import OwnerServer
from dqdata.engine import progress as drawing
from dqdata.engine.progress import Progress
from dqdata.errors import TeacherError
from dqdata.ledger import Ledger
from dqdata.operator import NoParams
from dqdata.teacher import Completion, Limits, Message, Request, Sampling, Teacher, Usage

Answer = Callable[[], Awaitable[None]]


class Slow(Teacher[NoParams]):
    """Answers once `answer` returns, and starts once `begin` does."""

    provider = "slow"

    def __init__(self, answer: Answer, begin: Answer | None = None) -> None:
        super().__init__(NoParams())
        self._answer, self._begin = answer, begin

    async def start(self) -> None:
        if self._begin is not None:
            await self._begin()

    async def complete(self, request: Request) -> Completion:
        await self._answer()
        return Completion("4", "stop", Usage(1, 1))


def refusing(**error: object) -> Answer:
    async def answer() -> None:
        raise TeacherError("no", **{"kind": "retryable", "reason": "x", **error})  # type: ignore[arg-type]

    return answer


async def for_ever() -> None:
    await asyncio.Event().wait()


async def at_once() -> None:
    return


CASES = {
    "a slow server": (Slow(for_ever), Limits(), r"\d:\d\d for 2 answers of r1"),
    "a model that is loaded": (Slow(at_once, begin=for_ever), Limits(), r"\d:\d\d for r1 to start"),
    "an overloaded endpoint": (
        *(Slow(refusing(status=429, retry_after=90.0)), Limits()),
        r"1:[23]\d more, r1 is overloaded",
    ),
    "an endpoint that is away": (
        *(Slow(refusing(reason="unreachable")), Limits()),
        r"0:\d\d for r1, which can't be reached",
    ),
    "calls that are repeated": (
        *(Slow(refusing(status=500)), Limits(max_attempts=9)),
        r"0:\d\d more, 2 failed calls to r1 are repeated",
    ),
    "a limit per minute": (Slow(at_once), Limits(requests_per_minute=1), r"\d:\d\d more, limit per minute of r1"),
    "a limit on tokens": (Slow(at_once), Limits(tokens_per_minute=2), r"\d:\d\d more, limit per minute of r1"),
}


@pytest.mark.parametrize("kind", CASES)
def test_what_calls_wait_for_is_said(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher, limits, expected = CASES[kind]
    monkeypatch.setattr(stall, "SLOW", 0.001)
    monkeypatch.setattr("dqdata.calls.client.random.random", lambda: 100.0)

    async def waited() -> str:
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            client = CallClient(teacher, limits, LocalOwner(ledger), name="r1")
            context = CallContext("run", "p", "s", "r1")
            requests = [Request((Message("user", f"{i} + 1"),), Sampling(max_tokens=5)) for i in range(2)]
            assert client.waiting() == ""
            asked = [asyncio.create_task(client.at(context).complete(request)) for request in requests]
            said = ""
            while not re.fullmatch(expected, said):  # the test's own limit ends what never says so
                await asyncio.sleep(0.01)
                said = client.waiting()
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        return said

    assert asyncio.run(asyncio.wait_for(waited(), 60))


OF_THE_OWNER = [kind for kind in CASES if kind not in ("a model that is loaded", "calls that are repeated")]


@pytest.mark.parametrize("kind", OF_THE_OWNER)
def test_the_owner_of_calls_of_other_processes_knows_too(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it serves them, and as the driver of a cluster asks it."""
    teacher, limits, expected = CASES[kind]
    monkeypatch.setattr(stall, "SLOW", 0.001)
    monkeypatch.setattr("dqdata.calls.client.random.random", lambda: 100.0)

    async def waited() -> None:
        async with contextlib.AsyncExitStack() as stack:
            ledger = stack.enter_context(Ledger(tmp_path / "ledger.sqlite"))
            server = await stack.enter_async_context(OwnerServer(LocalOwner(ledger)))
            workers = [await stack.enter_async_context(RemoteOwner(server.address)) for _ in range(2)]
            driver = await stack.enter_async_context(RemoteOwner(server.address))
            clients = [CallClient(teacher, limits, owner, name="r1") for owner in workers]
            assert await driver.waiting() == []
            asked = [
                asyncio.create_task(
                    client.at(CallContext("run", "p", "s", "r1")).complete(
                        Request((Message("user", f"{i} + 1"),), Sampling(max_tokens=5))
                    )
                )
                for i, client in enumerate(clients)
            ]
            said: list[str] = []
            while not (len(said) == 1 and re.fullmatch(expected, said[0])):  # ended by the test's own limit
                await asyncio.sleep(0.01)
                said = await driver.waiting()
            assert len(server.waiting()) == 1
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    asyncio.run(asyncio.wait_for(waited(), 60))


def test_the_owner_knows_when_the_wait_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stall, "SLOW", 0.001)

    async def waited() -> None:
        answers = asyncio.Event()

        async def answer() -> None:
            await answers.wait()

        async with contextlib.AsyncExitStack() as stack:
            ledger = stack.enter_context(Ledger(tmp_path / "ledger.sqlite"))
            server = await stack.enter_async_context(OwnerServer(LocalOwner(ledger)))
            owner = await stack.enter_async_context(RemoteOwner(server.address))
            client = CallClient(Slow(answer), Limits(), owner, name="r1")
            request = Request((Message("user", "2 + 2"),), Sampling(max_tokens=5))
            asked = asyncio.create_task(client.at(CallContext("run", "p", "s", "r1")).complete(request))
            while not server.waiting():
                await asyncio.sleep(0.01)
            answers.set()
            await asked
            while server.waiting():
                await asyncio.sleep(0.01)
            await client.close()

    asyncio.run(asyncio.wait_for(waited(), 60))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(out: io.StringIO, waiting: list[str], columns: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines while no row is done."""
    monkeypatch.setattr(drawing, "PULSE_SECONDS", 0.01)
    monkeypatch.setattr(drawing, "PLAIN_SECONDS", 0.01)
    monkeypatch.setenv("COLUMNS", str(columns))

    async def run() -> None:
        progress = Progress(1.0, list, out, lambda: waiting)
        progress.segment("generate > verify_math > filter > to_messages > length", 1_200)
        async with progress.alive():
            while len(re.split(r"[\r\n]+", out.getvalue())) < 5:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 60))
    return [line for line in re.split(r"[\r\n]+", out.getvalue().replace("\x1b[K", "")) if line]


@pytest.mark.parametrize("columns", [70, 80, 100])
def test_the_line_is_drawn_while_nothing_happens_and_fits(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in drawn(Terminal(), ["0:08 more, r1 is overloaded"], columns, monkeypatch):
        assert len(line) < columns and line.startswith("generate")
        assert "0/1,200 rows" in line and line.endswith("waiting 0:08 more, r1 is overloaded")


def test_a_log_has_the_whole_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for line in drawn(io.StringIO(), ["0:08 more, r1 is overloaded", "0:20 for 3 answers of r2"], 40, monkeypatch):
        assert line.endswith("> length  0/1,200 rows  waiting 0:08 more, r1 is overloaded; 0:20 for 3 answers of r2")
