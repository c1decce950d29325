"""Endpoints that refuse, stall or fail in odd forms: no storm, no endless wait, no run lost to one prompt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from loopback import Loopback

from dqdata.calls.client import CallClient, CallContext
from dqdata.calls.owner import LocalOwner
from dqdata.errors import TeacherError
from dqdata.ledger import Ledger
from dqdata.teacher import Completion, Limits, Message, Request
from dqdata.teachers.openai import EndpointParams, OpenAI

CONTEXT = CallContext("run1", "pipe", "step1", "r1")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def ask(text: str) -> Request:
    return Request((Message("user", text),))


def says(status: int, body: Any, **headers: str) -> Exception:
    made = type("Said", (web.HTTPException,), {"status_code": status})
    text = body if isinstance(body, str) else json.dumps(body)
    refused: Exception = made(text=text, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return refused


async def answers(
    loopback: Loopback, ledger: Ledger, texts: list[str], **limits: Any
) -> list[Completion | BaseException]:
    teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m"))
    client = CallClient(teacher, Limits(**limits), LocalOwner(ledger))
    try:
        asked = (client.at(CONTEXT).complete(ask(text)) for text in texts)
        return await asyncio.gather(*asked, return_exceptions=True)
    finally:
        await client.close()


def refusing(bad: Callable[[str], bool], status: int, body: Any) -> Callable[[dict[str, Any]], Any]:
    def answer(asked: dict[str, Any]) -> Any:
        return says(status, body) if bad(asked["messages"][-1]["content"]) else "It is 4."

    return answer


TEXTS = [f"q{i}" for i in range(20)]


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Your input was flagged", "code": 403}},
        {"error": {"message": "Forbidden"}},
        "",
        "<html><title>Attention Required! | Cloudflare</title><h1>Sorry, you have been blocked</h1></html>",
        {"code": 403, "msg": "输入内容违规"},
        {"detail": "blocked by guardrail"},
    ],
)
@pytest.mark.parametrize("first", [True, False])
async def test_one_prompt_refused_with_403_is_one_row(
    loopback: Loopback, ledger: Ledger, body: Any, first: bool
) -> None:
    loopback.answer = refusing(lambda text: text == ("q0" if first else "q9"), 403, body)
    found = await answers(loopback, ledger, TEXTS)
    [refused] = [answer for answer in found if isinstance(answer, BaseException)]
    assert isinstance(refused, TeacherError) and (refused.kind, refused.status) == ("row", 403)
    assert len(loopback.asked) == 20 and ledger.spent().calls == 19


@pytest.mark.parametrize(
    ("status", "body", "most"),
    [
        (401, {"error": {"message": "who are you"}}, 1),
        (403, {"error": {"message": "Your API key has no permission"}}, 1),
        (400, [{"error": {"message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]}}], 1),
        (200, {"error": {"message": "no", "code": "invalid_api_key"}}, 1),
        (403, {"error": {"message": "Forbidden"}}, 10),
    ],
)
async def test_a_wrong_key_ends_the_run(loopback: Loopback, ledger: Ledger, status: int, body: Any, most: int) -> None:
    loopback.answer = refusing(lambda text: True, status, body)
    found = await answers(loopback, ledger, [f"q{i}" for i in range(500)])
    assert isinstance(found[-1], TeacherError) and found[-1].kind == "fatal"
    assert len(loopback.asked) <= most


async def test_a_key_revoked_in_mid_run_ends_it_though_the_server_says_only_forbidden(
    loopback: Loopback, ledger: Ledger
) -> None:
    loopback.answer = refusing(lambda text: int(text[1:]) >= 50, 403, "")
    found = await answers(loopback, ledger, [f"q{i}" for i in range(400)])
    assert isinstance(found[-1], TeacherError) and found[-1].kind == "fatal" and len(loopback.asked) < 150


@pytest.mark.parametrize(
    "retry_after", ["0", "0.0", "-1", "0.001", "Wed, 21 Oct 2015 07:28:00 GMT", "999999999", "soon", "1e300", None]
)
async def test_429_for_ever_is_no_storm_and_ends_after_patience(
    loopback: Loopback, ledger: Ledger, retry_after: str | None
) -> None:
    headers = {} if retry_after is None else {"Retry_After": retry_after}
    loopback.answer = lambda body: says(429, {"error": {"message": "the pool is drained"}}, **headers)
    found = await answers(loopback, ledger, [f"q{i}" for i in range(200)], concurrency=64, patience=2)
    assert {getattr(error, "kind", None) for error in found} == {"fatal"}
    assert "the pool is drained" in str(found[0]) and "(`patience`)" in str(found[0])
    assert len(loopback.asked) < 64 + 20  # those that were in flight together, then one at a time


async def test_an_absurd_wait_is_not_waited_for(loopback: Loopback, ledger: Ledger) -> None:
    def answer(body: dict[str, Any]) -> Any:
        return says(429, "later", Retry_After="31536000") if len(loopback.asked) == 1 else "It is 4."

    loopback.answer = answer
    [found] = await asyncio.wait_for(answers(loopback, ledger, ["q"]), 60)
    assert isinstance(found, Completion) and len(loopback.asked) == 2


async def test_an_endpoint_that_has_room_again_is_used_again(loopback: Loopback, ledger: Ledger) -> None:
    def answer(body: dict[str, Any]) -> Any:
        return says(503, {"error": "busy"}, Retry_After="0") if len(loopback.asked) <= 40 else "It is 4."

    loopback.answer = answer
    found = await asyncio.wait_for(answers(loopback, ledger, [f"q{i}" for i in range(300)], concurrency=40), 100)
    assert len(found) == 300 and all(isinstance(answer, Completion) for answer in found)


SSE = 'data: {"model": "m", "choices": [{"delta": {"reasoning_content": "2 and"}}]}\n\n'
OVER = 'data: {"choices": [{"delta": {"content": "It is 4."}, "finish_reason": "stop"}]}\n\n'
COUNTED = 'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}\n\ndata: [DONE]\n\n'


async def test_a_streamed_answer_is_read(loopback: Loopback, ledger: Ledger) -> None:
    whole = ": keep-alive\n\n" + SSE + SSE.replace("2 and", " 2") + OVER + COUNTED
    loopback.answer = lambda body: says(200, whole, Content_Type="text/event-stream")
    [found] = await answers(loopback, ledger, ["q"])
    assert isinstance(found, Completion) and found.usage == (7, 3, 0, False)
    assert (found.reasoning, found.response, found.finish_reason) == ("2 and 2", "It is 4.", "stop")


@pytest.mark.parametrize(
    ("stream", "kind", "reason", "unknown"),
    [
        ('data: {"error": {"message": "slow", "code": "rate_limit_exceeded"}}\n\n', "retryable", "rate_limit", False),
        (SSE + 'data: {"error": {"message": "died", "code": 500}}\n\n', "retryable", "http_500", True),
        (SSE + 'event: error\ndata: {"type": "error", "message": "blocked", "code": "content_filter"}\n\n',
         "row", "content_filter", True),
        ('data: {"object": "error", "code": "invalid_api_key"}\n\n', "fatal", "unauthorized", False),
        (SSE, "retryable", "cut", True),
        (SSE + 'data: {"choices": [{"del', "retryable", "malformed", True),
        (SSE + "data: <html>\n\n", "retryable", "malformed", True),
    ],
)  # fmt: skip
async def test_errors_inside_a_stream(loopback: Loopback, stream: str, kind: str, reason: str, unknown: bool) -> None:
    loopback.answer = lambda body: says(200, stream, Content_Type="text/event-stream")
    teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m"))
    with pytest.raises(TeacherError) as caught:
        await teacher.complete(ask("q"))
    await teacher.close()
    assert (caught.value.kind, caught.value.reason, caught.value.usage_unknown) == (kind, reason, unknown)


@pytest.mark.parametrize(
    ("body", "reason", "words"),
    [
        ("<html><head><title>Hotel Wi-Fi: sign in</title></head></html>", "malformed", "Hotel Wi-Fi: sign in"),
        ("upstream request timeout", "malformed", "upstream request timeout"),
        ("[" * 200_000, "malformed", "[[["),
        ({"choices": [{"error": {"code": 502, "message": "host died"}}]}, "http_502", "host died"),
        ({"base_resp": {"status_code": 1013, "status_msg": "unknown internal error"}}, "http_502", "internal error"),
        ({"error": "the model is loading"}, "http_502", "the model is loading"),
    ],
)  # fmt: skip
async def test_what_stands_in_a_200_that_is_no_answer(
    loopback: Loopback, ledger: Ledger, body: Any, reason: str, words: str
) -> None:
    loopback.answer = lambda _: says(200, body)
    [found] = await answers(loopback, ledger, ["q"], max_attempts=2, patience=0)
    assert isinstance(found, TeacherError) and words in str(found)
    assert found.reason in (reason, "overloaded")
