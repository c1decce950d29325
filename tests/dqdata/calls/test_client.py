"""Calls: never twice for one answer, never past a limit or a budget, never stopped by what passes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback

from dqdata.calls.budget import Budget
from dqdata.calls.client import CallClient, CallContext, Counters
from dqdata.calls.owner import LocalOwner
from dqdata.errors import BudgetExceeded, InputError, StoreError, TeacherError
from dqdata.ledger import Ledger
from dqdata.ledger.file import FileSession
from dqdata.operator import NoParams
from dqdata.teacher import Completion, Limits, Message, Price, Request, Sampling, Teacher, Usage
from dqdata.teachers.openai import EndpointParams, OpenAI

CONTEXT = CallContext("run1", "pipe", "step1", "r1")


class Scripted(Teacher[NoParams]):
    """Answers by a function; counts what it was asked."""

    provider = "scripted"

    def __init__(self, answer: Callable[[Request], Awaitable[str]] | None = None) -> None:
        super().__init__(NoParams())
        self.asked: Counter[str] = Counter()
        self.started = self.closed = 0
        self._answer = answer

    async def start(self) -> None:
        self.started += 1

    async def complete(self, request: Request) -> Completion:
        text = request.messages[0].content
        self.asked[text] += 1
        return Completion(await self._answer(request) if self._answer else text, "stop", Usage(10, 20))

    async def close(self) -> None:
        self.closed += 1


def ask(text: str, sample: int = 0, max_tokens: int | None = 20) -> Request:
    return Request((Message("user", text),), Sampling(max_tokens=max_tokens), sample=sample)


def failing(times: int, **error: Any) -> Callable[[Request], Awaitable[str]]:
    """Fails so many times for each request, then answers."""
    seen: Counter[str] = Counter()

    async def answer(request: Request) -> str:
        text = request.messages[0].content
        seen[text] += 1
        if seen[text] <= times:
            raise TeacherError("scripted", **{"kind": "retryable", "reason": "http_500", "status": 500, **error})
        return text

    return answer


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cool-downs and pauses a hundred times shorter: what happens is tested, not how long it takes."""
    monkeypatch.setattr("dqdata.calls.limits._jitter", lambda: 0.01)
    monkeypatch.setattr("dqdata.calls.client.random.random", lambda: -0.98)


def failures(ledger: Ledger) -> list[tuple[Any, ...]]:
    return ledger.rows("select reason, attempt, tokens, cost_usd from failures order by failure_id", ())


async def test_an_answered_request_is_never_asked_again(ledger: Ledger) -> None:
    teacher = Scripted()
    for expected_cached in (False, True):
        client = CallClient(teacher, Limits(), LocalOwner(ledger))
        step = client.at(CONTEXT)
        answers = [await step.complete(ask("x", sample)) for sample in range(4)]
        assert [answer.cached for answer in answers] == [expected_cached] * 4
        assert [answer.ledger_key for answer in answers] == [teacher.key(ask("x", sample)) for sample in range(4)]
        await client.close()
    more = CallClient(teacher, Limits(), LocalOwner(ledger))
    await asyncio.gather(*(more.at(CONTEXT).complete(ask("x", sample)) for sample in range(8)))
    assert teacher.asked["x"] == 8 and (more.counters.made, more.counters.cached) == (4, 4)
    await more.close()
    assert teacher.closed == 3


async def test_the_same_request_in_the_air_is_asked_once(ledger: Ledger) -> None:
    teacher = Scripted(failing(1))
    client = CallClient(teacher, Limits(), LocalOwner(ledger))
    steps = [client.at(CONTEXT), client.at(CallContext("run1", "pipe", "step2", "r1"))]
    answers = await asyncio.gather(*(steps[i % 2].complete(ask("x")) for i in range(20)))
    assert teacher.asked["x"] == 2 and {answer.response for answer in answers} == {"x"}
    assert sorted(answer.cached for answer in answers) == [False] + [True] * 19
    assert client.counters == Counters(1, 19, 0, 1, 10, 20, 0.0, "r1", 0)
    await client.close()


async def test_a_cancelled_waiter_takes_nothing_from_the_others(ledger: Ledger) -> None:
    gate = asyncio.Event()

    async def answer(request: Request) -> str:
        await gate.wait()
        return "4"

    teacher = Scripted(answer)
    client = CallClient(teacher, Limits(concurrency=1), LocalOwner(ledger))
    step = client.at(CONTEXT)
    waiters = [asyncio.create_task(step.complete(ask("x"))) for _ in range(3)]
    alone = asyncio.create_task(step.complete(ask("not sent yet")))
    await asyncio.sleep(0.05)
    waiters[0].cancel()
    alone.cancel()
    await asyncio.sleep(0.01)
    gate.set()
    assert [answer.response for answer in await asyncio.gather(*waiters[1:])] == ["4", "4"]
    assert waiters[0].cancelled() and alone.cancelled() and not teacher.asked["not sent yet"]
    assert (await step.complete(ask("next"))).response == "4"  # no place was lost
    await client.close()


async def test_a_sent_call_is_stored_though_nobody_waits_for_it(ledger: Ledger) -> None:
    asked, gate = asyncio.Event(), asyncio.Event()

    async def answer(request: Request) -> str:
        asked.set()
        await gate.wait()
        return "4"

    teacher = Scripted(answer)
    client = CallClient(teacher, Limits(), LocalOwner(ledger))
    waiter = asyncio.create_task(client.at(CONTEXT).complete(ask("x")))
    await asked.wait()
    waiter.cancel()
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.02, gate.set)
    await client.close()
    assert ledger.get(teacher.key(ask("x"))) is not None


async def test_what_is_worth_retrying_is_retried_and_recorded(ledger: Ledger) -> None:
    price = Price(input=1e6, output=1e6)
    teacher = Scripted(failing(3, usage_unknown=True))
    client = CallClient(teacher, Limits(max_attempts=4, price=price), LocalOwner(ledger))
    assert (await client.at(CONTEXT).complete(ask("x"))).response == "x"
    assert client.counters.retried == 3 and client.counters.cost_usd == 30
    worst = 1 + 16 + 20
    assert failures(ledger) == [("http_500", attempt, worst, worst) for attempt in (1, 2, 3)]
    assert ledger.spent("pipe")[4:] == (30, 3 * worst, 3 * worst)
    await client.close()


async def test_attempts_are_bounded_and_a_row_error_has_one(ledger: Ledger) -> None:
    for times, kind, attempts in ((99, "retryable", 3), (99, "row", 1)):
        teacher = Scripted(failing(times, kind=kind))
        client = CallClient(teacher, Limits(max_attempts=3), LocalOwner(ledger))
        with pytest.raises(TeacherError, match="scripted"):
            await client.at(CONTEXT).complete(ask("x"))
        assert teacher.asked["x"] == attempts and client.counters.failed == 1
        await client.close()


async def test_a_wrong_key_costs_one_request(loopback: Loopback, ledger: Ledger) -> None:
    loopback.key = "right"
    teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m"))
    client = CallClient(teacher, Limits(concurrency=256), LocalOwner(ledger))
    asked = (client.at(CONTEXT).complete(ask(f"q{i}")) for i in range(7_000))
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert {str(error) for error in errors} == {str(errors[0])} and "check api_key" in str(errors[0])
    assert len(loopback.asked) == 1
    assert failures(ledger) == [("unauthorized", 1, 0, 0.0)]
    await client.close()


async def test_a_teacher_that_cannot_start_says_so_to_all(ledger: Ledger) -> None:
    class Missing(Scripted):
        async def start(self) -> None:
            self.started += 1
            raise InputError("no model file x.gguf")

    teacher = Missing()
    client = CallClient(teacher, Limits(), LocalOwner(ledger))
    asked = (client.at(CONTEXT).complete(ask(str(i))) for i in range(50))
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(error) for error in errors} == {InputError} and teacher.started == 1 and not teacher.asked
    await client.close()


async def test_a_teacher_that_breaks_stops_with_its_cause(ledger: Ledger) -> None:
    async def answer(request: Request) -> str:
        raise ZeroDivisionError("by zero")

    client = CallClient(Scripted(answer), Limits(), LocalOwner(ledger))
    with pytest.raises(TeacherError, match="teacher 'r1' broke: ZeroDivisionError: by zero") as caught:
        await client.at(CONTEXT).complete(ask("x"))
    assert caught.value.kind == "fatal"
    await client.close()


async def test_nothing_is_paid_for_that_cannot_be_stored(ledger: Ledger) -> None:
    async def answer(request: Request) -> str:
        await asyncio.sleep(0.05)
        return "4"

    teacher = Scripted(answer)
    client = CallClient(teacher, Limits(concurrency=1), LocalOwner(ledger))
    assert ledger._writer is not None and isinstance(ledger._writer.session, FileSession)
    ledger._writer.session.con.execute("pragma query_only = on")
    errors = await asyncio.gather(*(client.ask(ask(str(i)), CONTEXT) for i in range(20)), return_exceptions=True)
    assert {type(error) for error in errors} == {StoreError} and teacher.asked.total() <= 2
    ledger._writer.session.con.execute("pragma query_only = off")
    await client.close()


async def test_a_timeout_is_a_retryable_failure_that_may_cost(ledger: Ledger) -> None:
    async def answer(request: Request) -> str:
        await asyncio.sleep(60)
        return ""

    client = CallClient(Scripted(answer), Limits(timeout=0.02, max_attempts=2), LocalOwner(ledger))
    with pytest.raises(TeacherError, match=r"no answer within 0\.02 s"):
        await client.at(CONTEXT).complete(ask("x"))
    assert [row[:3] for row in failures(ledger)] == [("timeout", 1, 37), ("timeout", 2, 37)]
    await client.close()


async def test_concurrency_is_never_passed(loopback: Loopback, ledger: Ledger) -> None:
    loopback.latency = 0.005
    teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m"))
    client = CallClient(teacher, Limits(concurrency=7), LocalOwner(ledger))
    await asyncio.gather(*(client.at(CONTEXT).complete(ask(f"q{i}")) for i in range(100)))
    assert loopback.most_at_once == 7
    await client.close()


async def test_requests_and_tokens_a_minute_are_kept(ledger: Ledger) -> None:
    for limits, calls in ((Limits(requests_per_minute=1_200), 30), (Limits(tokens_per_minute=30 * 1_200), 30)):
        client = CallClient(Scripted(), limits, LocalOwner(ledger))
        began = time.monotonic()
        name = repr(limits.requests_per_minute)
        await asyncio.gather(*(client.at(CONTEXT).complete(ask(f"{name}{i}")) for i in range(calls)))
        # 20 a second, less the second's worth that the bucket holds at the start
        assert time.monotonic() - began >= (calls - 21) / 20
        await client.close()


async def test_one_cool_down_holds_all_callers(ledger: Ledger) -> None:
    refused: list[float] = []
    sent: list[float] = []

    async def answer(request: Request) -> str:
        sent.append(time.monotonic())
        await asyncio.sleep(0.001)
        if not refused and len(sent) > 20:
            refused.append(time.monotonic())
            raise TeacherError("slow down", kind="retryable", reason="rate_limit", status=429, retry_after=0.3)
        return "4"

    client = CallClient(Scripted(answer), Limits(concurrency=4), LocalOwner(ledger))
    await asyncio.gather(*(client.at(CONTEXT).complete(ask(f"q{i}")) for i in range(100)))
    assert [at for at in sent if at > refused[0]] == [at for at in sent if at >= refused[0] + 0.3]
    assert len(sent) == 101 and (client.counters.failed, client.counters.retried) == (0, 1)
    await client.close()


@pytest.mark.parametrize("seconds", [0, pytest.param(60, marks=pytest.mark.slow)])
async def test_a_server_that_goes_away_is_waited_for_by_one(loopback: Loopback, ledger: Ledger, seconds: int) -> None:
    loopback.latency = 0.02
    teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m"))
    client = CallClient(teacher, Limits(concurrency=16, max_attempts=6), LocalOwner(ledger))
    asked = [asyncio.create_task(client.at(CONTEXT).complete(ask(f"q{i}"))) for i in range(200)]
    await until(lambda: len(loopback.answered) > 30)
    await asyncio.to_thread(loopback.stop)
    answered_before = len(loopback.answered)
    await until(lambda: client.lane.gate.down_since is not None and client.counters.in_flight <= 1)
    probes = [client.counters.in_flight for _ in range(50) if not await asyncio.sleep(0.005)]
    assert max(probes) <= 1 and client.counters.failed == 0
    await asyncio.sleep(seconds)
    loopback.start()
    await asyncio.gather(*asked)
    assert 0 < answered_before < 200 and client.counters.made == 200
    await client.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.005)


async def test_a_server_that_never_comes_ends_the_run(loopback: Loopback, ledger: Ledger) -> None:
    loopback.stop()
    teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m"))
    client = CallClient(teacher, Limits(patience=0.2), LocalOwner(ledger))
    asked = (client.at(CONTEXT).complete(ask(f"q{i}")) for i in range(50))
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert {getattr(error, "kind", None) for error in errors} == {"fatal"}
    assert "can't be reached" in str(errors[0]) and "check base_url" in str(errors[0])
    await client.close()


async def test_a_budget_is_never_passed_and_every_cent_of_it_is_used(ledger: Ledger) -> None:
    price = Price(input=1e6, output=1e6)  # a token costs a dollar: worst case 38, really 30
    teacher = Scripted()
    budget = Budget(limit_usd=310.0)
    client = CallClient(teacher, Limits(concurrency=50, price=price), LocalOwner(ledger, budget))
    asked = (client.at(CONTEXT).complete(ask(f"{i:02}")) for i in range(50))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    made = [answer for answer in answers if isinstance(answer, Completion)]
    assert len(made) == 10 == teacher.asked.total() and ledger.spent().cost_usd == 300
    refused = next(answer for answer in answers if not isinstance(answer, Completion))
    assert isinstance(refused, BudgetExceeded) and "300.0000 of 310 USD" in str(refused)
    await client.close()

    # Raised, it goes on; what was spent before still counts.
    again = CallClient(teacher, Limits(price=price), LocalOwner(ledger, Budget(360.0, already=ledger.spent("pipe"))))
    asked = (again.at(CONTEXT).complete(ask(f"{i:02}")) for i in range(50))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, Completion) for answer in answers) == 11 and ledger.spent().cost_usd == 330
    await again.close()


async def test_a_budget_in_tokens_and_calls_that_may_have_been_charged(ledger: Ledger) -> None:
    teacher = Scripted(failing(1, usage_unknown=True))
    client = CallClient(teacher, Limits(), LocalOwner(ledger, Budget(limit_tokens=100)))
    assert (await client.at(CONTEXT).complete(ask("x"))).response == "x"  # 37 perhaps lost, then 30
    with pytest.raises(BudgetExceeded, match="67 of 100 tokens"):
        await client.at(CONTEXT).complete(ask("y"))
    await client.close()


async def test_a_budget_needs_a_bound_on_the_answer(ledger: Ledger) -> None:
    client = CallClient(Scripted(), Limits(price=Price(output=1.0)), LocalOwner(ledger, Budget(limit_usd=1.0)))
    with pytest.raises(InputError, match=r"teacher 'r1': a budget is set, but nothing bounds .* `max_tokens`"):
        await client.at(CONTEXT).complete(ask("x", max_tokens=None))
    await client.close()
    free = CallClient(Scripted(), Limits(), LocalOwner(ledger, Budget(limit_usd=1.0)))
    assert (await free.at(CONTEXT).complete(ask("x", max_tokens=None))).response == "x"
    await free.close()


async def test_every_call_ends_answered_or_failed_with_its_cause(loopback: Loopback, ledger: Ledger) -> None:
    loopback.latency = 0.005
    loopback.faults = {"429": 0.10, "500": 0.05, "never": 0.02, "cut": 0.03, "malformed": 0.03}
    teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m"))
    # A busy machine may be late by a second; what is given up must be what the server never answers.
    client = CallClient(teacher, Limits(concurrency=64, timeout=4, max_attempts=3), LocalOwner(ledger))
    requests = [ask(f"q{i}") for i in range(1_000)]
    answers = await asyncio.gather(*(client.ask(request, CONTEXT) for request in requests), return_exceptions=True)
    await client.close()
    for request, answer in zip(requests, answers, strict=True):
        if isinstance(answer, Completion):
            assert answer.response == request.messages[0].content
        else:
            assert isinstance(answer, TeacherError) and answer.kind == "retryable" and answer.reason
    whole = Counter(body["messages"][0]["content"] for body in loopback.answered)
    assert set(whole.values()) == {1}  # nothing answered was asked again
    assert client.counters.made == ledger.spent().calls == len(loopback.answered) > 990
    assert client.counters.made + client.counters.failed == 1_000
    assert len(failures(ledger)) == loopback.given.total() and set(loopback.given) == set(loopback.faults)
