"""The batch teacher against a Files and Batches endpoint on loopback, over several runs."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_loopback import BatchLoopback
from pydantic import SecretStr

from dqdata.calls.client import CallClient, CallContext
from dqdata.calls.owner import LocalOwner
from dqdata.errors import Stopped, TeacherError
from dqdata.ledger import Ledger
from dqdata.teacher import Completion, Limits, Message, Request, Sampling
from dqdata.teachers.openai import EndpointParams, OpenAI
from dqdata.teachers.openai_batch import BatchParams, OpenAIBatch

CONTEXT = CallContext("run1", "pipe", "step1", "r1")


@pytest.fixture
def server() -> Iterator[BatchLoopback]:
    loopback = BatchLoopback()
    loopback.start()
    yield loopback
    loopback.stop()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def ask(text: str) -> Request:
    return Request((Message("user", text),), Sampling(max_tokens=9))


def asker(server: BatchLoopback, ledger: Ledger, **params: Any) -> CallClient:
    given = {"gather_seconds": 0.2, "poll_seconds": 0.05, **params}
    teacher = OpenAIBatch(BatchParams(base_url=server.url, model="m", api_key=SecretStr("sk-planted"), **given))
    return CallClient(teacher, Limits(), LocalOwner(ledger))


def begin(asking: CallClient, texts: list[str]) -> list[asyncio.Task[Completion]]:
    return [asyncio.create_task(asking.ask(ask(text), CONTEXT)) for text in texts]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


TEXTS = [f"q{i}" for i in range(10)]


async def test_requests_become_one_batch_and_find_their_answers(server: BatchLoopback, ledger: Ledger) -> None:
    asking = asker(server, ledger)
    asked = begin(asking, TEXTS)
    await until(lambda: len(server.submitted()) == 10)
    server.finish()
    answers = await asyncio.gather(*asked)
    assert [answer.response for answer in answers] == TEXTS  # though the results came in another order
    assert {answer.usage for answer in answers} == {(10, 5, 0, False)}
    assert len(server.batches) <= 2 and server.asked == []
    await asking.close()
    # The same calls are answered for the endpoint asked directly, too.
    direct = OpenAI(EndpointParams(base_url=server.url, model="m"))
    assert ledger.count_present(direct.key(ask(text)) for text in TEXTS) == 10


async def test_files_are_cut_at_their_limits(server: BatchLoopback, ledger: Ledger) -> None:
    asking = asker(server, ledger, max_requests=3)
    asked = begin(asking, TEXTS)
    await until(lambda: len(server.submitted()) == 10)
    assert max(len(server.lines(batch)) for batch in server.batches.values()) == 3
    server.finish()
    await asyncio.gather(*asked)
    await asking.close()
    by_bytes = asker(server, ledger, max_bytes=1_000)
    asked = begin(by_bytes, [text * 100 for text in TEXTS])
    await until(lambda: len(server.submitted()) == 20)
    assert max(len(server.files[batch["input_file_id"]]) for batch in server.batches.values()) <= 1_000
    await by_bytes.close()
    await asyncio.gather(*asked, return_exceptions=True)


async def test_the_next_run_collects_what_this_one_submitted(server: BatchLoopback, ledger: Ledger) -> None:
    first = asker(server, ledger)
    asked = begin(first, TEXTS)
    await until(lambda: len(server.submitted()) == 10)
    first.end(Stopped("Ctrl-C"))
    errors = await asyncio.gather(*asked, return_exceptions=True)
    await first.close()
    assert {type(error) for error in errors} == {Stopped}  # at once: nobody waits a day for Ctrl-C

    server.finish()
    second = asker(server, ledger)
    answers = await asyncio.gather(*begin(second, TEXTS))
    assert [answer.response for answer in answers] == TEXTS and len(server.submitted()) == 10
    await second.close()
    third = asker(server, ledger)
    await asyncio.gather(*begin(third, TEXTS))
    assert third.counters.cached == 10 and len(server.submitted()) == 10
    await third.close()


async def test_a_crash_before_the_batch_id_was_seen_pays_once(server: BatchLoopback, ledger: Ledger) -> None:
    server.lose_answer = True
    asking = asker(server, ledger)
    asked = begin(asking, TEXTS)
    await until(lambda: len(server.submitted()) >= 1)
    for _ in range(40):
        server.finish()
        await asyncio.sleep(0.05)
    answers = await asyncio.gather(*asked)
    assert [answer.response for answer in answers] == TEXTS
    assert max(Counter(server.submitted()).values()) == 1
    await asking.close()


async def test_an_expired_batch_gives_what_it_has_and_the_rest_is_asked_again(
    server: BatchLoopback, ledger: Ledger
) -> None:
    asking = asker(server, ledger)
    asked = begin(asking, TEXTS)
    await until(lambda: len(server.submitted()) == 10)
    server.finish(answered=0 if len(server.batches) > 1 else 6, status="expired")
    await until(lambda: len(server.submitted()) > 10)
    await until(lambda: any(batch["status"] == "in_progress" for batch in server.batches.values()))
    await asyncio.sleep(0.5)
    server.finish()
    while not all(task.done() for task in asked):
        server.finish()
        await asyncio.sleep(0.05)
    assert [task.result().response for task in asked] == TEXTS
    assert max(Counter(server.submitted()).values()) == 2
    await asking.close()


async def test_one_refused_request_fails_alone(server: BatchLoopback, ledger: Ledger) -> None:
    server.answer = lambda body: 400 if body["messages"][-1]["content"] == "q3" else "4"
    asking = asker(server, ledger)
    asked = begin(asking, TEXTS)
    await until(lambda: len(server.submitted()) == 10)
    server.finish()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 1 and isinstance(refused[0], TeacherError) and refused[0].kind == "row"
    await asking.close()


async def test_a_refused_file_stops_everything_with_its_reason(
    server: BatchLoopback, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dqdata")
    server.refuse = ("model_not_found", "no model m for sk-planted")
    asking = asker(server, ledger)
    errors = await asyncio.gather(*begin(asking, TEXTS), return_exceptions=True)
    assert {getattr(error, "kind", "") for error in errors} == {"fatal"}
    assert "refused the batch: model_not_found: no model m for ***" in str(errors[0])
    assert "sk-planted" not in caplog.text
    await asking.close()


async def test_its_usual_limits_fit_a_day_of_waiting(server: BatchLoopback, ledger: Ledger) -> None:
    asking = asker(server, ledger)
    assert (asking.limits.concurrency, asking.limits.timeout) == (20_000, 100_000)
    await asking.close()
