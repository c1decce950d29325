"""Bad lines and refused files in the Batches API: one of them never holds up the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_loopback import BatchLoopback

from dqdata.calls.client import CallClient, CallContext
from dqdata.calls.owner import LocalOwner
from dqdata.errors import TeacherError
from dqdata.ledger import Ledger
from dqdata.teacher import Completion, Limits, Message, Request
from dqdata.teachers.openai_batch import MOST_REFUSED, BatchParams, OpenAIBatch

CONTEXT = CallContext("run1", "pipe", "step1", "r1")
TEXTS = [f"q{i}" for i in range(12)]
BAD = "q7"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dqdata.calls.client.random.random", lambda: -0.98)


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


async def run(
    server: BatchLoopback, ledger: Ledger, texts: list[str] = TEXTS, attempts: int = 2
) -> dict[str, Completion | BaseException]:
    teacher = OpenAIBatch(BatchParams(base_url=server.url, model="m", gather_seconds=0.1, poll_seconds=0.02))
    client = CallClient(teacher, Limits(max_attempts=attempts), LocalOwner(ledger))
    requests = [Request((Message("user", text),)) for text in texts]
    asked = [asyncio.create_task(client.ask(request, CONTEXT)) for request in requests]
    async with asyncio.timeout(100):
        while not all(task.done() for task in asked):
            server.finish()
            await asyncio.sleep(0.02)
    await client.close()
    return dict(zip(texts, await asyncio.gather(*asked, return_exceptions=True), strict=True))


def is_bad(line: dict[str, Any]) -> bool:
    return bool(line["body"]["messages"][-1]["content"] == BAD)


def refused_alone(found: dict[str, Completion | BaseException]) -> TeacherError:
    error = found.pop(BAD)
    assert isinstance(error, TeacherError)
    assert found and all(isinstance(answer, Completion) for answer in found.values())
    return error


def response(status: Any, body: Any) -> dict[str, Any]:
    return {"response": {"status_code": status, "body": body}, "error": None}


LINES: dict[str, tuple[Any, str, str]] = {
    "403 for its content": (response(403, {"error": {"message": "input flagged"}}), "row", "content_filter"),
    "403 that says nothing": (response(403, None), "row", "forbidden"),
    "status as text": (response("400", {"error": {"message": "no"}}), "row", "bad_request"),
    "401 in one line": (response(401, {"error": {"message": "key expired meanwhile"}}), "retryable", "unauthorized"),
    "an error in a 200": (response(200, {"error": {"code": "content_filter"}}), "row", "content_filter"),
    "no body": (response(200, None), "retryable", "malformed"),
    "nonsense": (response("?", []), "retryable", "batch_error"),
    "nothing": ({}, "retryable", "batch_error"),
    "a text": ({"response": "oops"}, "retryable", "batch_error"),
    "DashScope": ({"response": None, "error": {"code": "DataInspectionFailed"}}, "row", "content_filter"),
    "a server's error": (response(500, {"error": {"message": "died"}}), "retryable", "http_500"),
    "too many": (response(429, {"error": {"message": "slow"}}), "retryable", "rate_limit"),
}  # fmt: skip


@pytest.mark.parametrize(("result", "kind", "reason"), LINES.values(), ids=LINES.keys())
async def test_a_bad_line_fails_alone_and_holds_up_no_later_run(
    server: BatchLoopback, ledger: Ledger, result: dict[str, Any], kind: str, reason: str
) -> None:
    server.answer = lambda body: result if is_bad({"body": body}) else "It is 4."
    error = refused_alone(await run(server, ledger))
    assert (error.kind, error.reason) == (kind, reason)
    server.answer = lambda body: "It is 4."
    submitted = len(server.submitted())
    again = await run(server, ledger, attempts=4)
    assert again and all(isinstance(answer, Completion) for answer in again.values())
    assert set(server.submitted()[submitted:]) <= {BAD}  # nothing is paid for twice


async def test_a_batch_whose_lines_are_all_answered_or_refused_is_not_read_again(
    server: BatchLoopback, ledger: Ledger
) -> None:
    server.answer = lambda body: 400 if is_bad({"body": body}) else "It is 4."
    await run(server, ledger)
    open_before = ledger.rows("select count(*) from batches where status = 'submitted'", ())
    await run(server, ledger, ["another"])
    assert open_before[0][0] > 0
    assert ledger.rows("select distinct status from batches where batch_id in ('batch_0', 'batch_1')", ()) == [
        ("collected",)
    ]


async def test_a_line_that_validation_names_fails_and_the_rest_is_submitted_again(
    server: BatchLoopback, ledger: Ledger
) -> None:
    def look(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        bad = [place for place, line in enumerate(lines, 1) if is_bad(line)]
        return [{"code": "invalid_request", "message": "top_q?", "line": place} for place in bad]

    server.look = look
    error = refused_alone(await run(server, ledger))
    assert (error.kind, error.reason) == ("row", "bad_request") and "top_q?" in str(error)


@pytest.mark.parametrize("where", ["validation", "upload"])
async def test_a_bad_line_that_nobody_names_is_found_by_halving(
    server: BatchLoopback, ledger: Ledger, where: str
) -> None:
    if where == "validation":
        error = {"code": "invalid_file", "message": "cannot parse"}
        server.look = lambda lines: [error] if any(map(is_bad, lines)) else []
    else:
        server.upload = lambda lines: 400 if any(map(is_bad, lines)) else 200
    refused = refused_alone(await run(server, ledger))
    assert refused.kind == "row" and len(server.batches) < 20


@pytest.mark.parametrize("code", ["invalid_file", "billing_hard_limit_reached", "invalid_api_key"])
async def test_a_fault_of_every_line_ends_the_run_with_the_servers_words(
    server: BatchLoopback, ledger: Ledger, code: str
) -> None:
    server.look = lambda lines: [{"code": code, "message": "nothing works here"}]
    found = await run(server, ledger, [f"q{i}" for i in range(200)])
    errors = [error for error in found.values() if isinstance(error, TeacherError)]
    assert len(errors) == 200 and errors[-1].kind == "fatal" and "nothing works here" in str(errors[-1])
    assert len(server.batches) <= 2 * MOST_REFUSED


async def test_an_endpoint_with_too_much_waiting_is_given_the_file_again(server: BatchLoopback, ledger: Ledger) -> None:
    error = {"code": "token_limit_exceeded", "message": "enqueued token limit reached"}
    server.look = lambda lines: [error] if len(server.batches) < 6 else []
    found = await run(server, ledger)
    assert found and all(isinstance(answer, Completion) for answer in found.values())
