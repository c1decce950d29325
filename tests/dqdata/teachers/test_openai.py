"""The OpenAI-compatible teacher against a real endpoint on loopback."""

from __future__ import annotations

import json
import logging
import traceback
from typing import Any

import pytest
from loopback import Loopback
from pydantic import SecretStr, ValidationError

from dqdata.errors import TeacherError
from dqdata.teacher import Completion, Message, Request, Sampling
from dqdata.teachers.openai import EndpointParams, OpenAI

SCHEMA = {
    "type": "object",
    "properties": {"rv": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["rv"],
    "additionalProperties": False,
}


def ask(text: str = "2 + 2?", **sampling: Any) -> Request:
    return Request((Message("user", text),), Sampling(**sampling))


async def complete(loopback: Loopback, request: Request, **params: Any) -> Completion:
    teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m", **params))
    try:
        return await teacher.complete(request)
    finally:
        await teacher.close()


async def failure(loopback: Loopback, request: Request | None = None, **params: Any) -> TeacherError:
    with pytest.raises(TeacherError) as caught:
        await complete(loopback, request or ask(), **params)
    return caught.value


async def test_the_body_says_what_was_asked_for_and_nothing_else(loopback: Loopback) -> None:
    await complete(
        loopback,
        ask(max_tokens=7, temperature=0.5, top_p=0.9, seed=3, stop=("END",), top_logprobs=2, extra={"top_k": 20}),
        extra_body={"chat_template_kwargs": {"enable_thinking": True}},
    )
    assert loopback.asked == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "2 + 2?"}],
            "max_tokens": 7,
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": 3,
            "stop": ["END"],
            "logprobs": True,
            "top_logprobs": 2,
            "top_k": 20,
            "chat_template_kwargs": {"enable_thinking": True},
        }
    ]
    await complete(loopback, ask())
    assert loopback.asked[1] == {"model": "m", "messages": [{"role": "user", "content": "2 + 2?"}]}


async def test_samples_of_one_seeded_request_have_different_seeds(loopback: Loopback) -> None:
    for sample, draw in ((0, ""), (1, ""), (0, "votes"), (1, "")):
        await complete(loopback, Request((Message("user", "x"),), Sampling(seed=3), draw=draw, sample=sample))
    seeds = [body["seed"] for body in loopback.asked]
    assert seeds[0] == 3
    assert len(set(seeds)) == 3 and seeds[1] == seeds[3]


@pytest.mark.parametrize(
    ("message", "reasoning", "response"),
    [
        ({"content": "It is 4.", "reasoning_content": "2 and 2"}, "2 and 2", "It is 4."),
        ({"content": "It is 4.", "reasoning": "2 and 2"}, "2 and 2", "It is 4."),
        ({"content": "<think>\n2 and 2\n</think>\n\nIt is 4."}, "2 and 2", "It is 4."),
        ({"content": "2 and 2</think>It is 4."}, "2 and 2", "It is 4."),
        ({"content": "<think>2 and"}, "2 and", ""),
        ({"content": "It is 4."}, None, "It is 4."),
        ({"content": "Write <think> and </think> around it."}, None, "Write <think> and </think> around it."),
        ({"content": None, "reasoning_content": "2 and"}, "2 and", ""),
        (
            {"content": [{"type": "thinking", "thinking": [{"text": "2 and 2"}]}, {"type": "text", "text": "4"}]},
            "2 and 2",
            "4",
        ),
        ({"content": "half \ud83d"}, None, "half ?"),
    ],
)
async def test_reasoning_is_told_from_the_response(
    loopback: Loopback, message: dict[str, Any], reasoning: str | None, response: str
) -> None:
    loopback.answer = lambda body: message
    answer = await complete(loopback, ask())
    assert (answer.reasoning, answer.response) == (reasoning, response)


async def test_other_tags_and_a_template_that_opens_them(loopback: Loopback) -> None:
    loopback.answer = lambda body: "<thought>a</thought>b"
    answer = await complete(loopback, ask(), reasoning_tags=("<thought>", "</thought>"))
    assert (answer.reasoning, answer.response) == ("a", "b")
    loopback.answer = lambda body: "thinking that never en"
    answer = await complete(loopback, ask(), reasoning_prefilled=True)
    assert (answer.reasoning, answer.response) == ("thinking that never en", "")


async def test_a_stored_answer_is_split_by_todays_tags() -> None:
    stored = await _plain("<thought>a</thought>b")
    teacher = OpenAI(EndpointParams(model="m", reasoning_tags=("<thought>", "</thought>")))
    assert (teacher.present(stored).reasoning, teacher.present(stored).response) == ("a", "b")


async def _plain(text: str) -> Completion:
    from dqdata.teacher import Usage

    return Completion(text, "stop", Usage(1, 1))


async def test_usage_is_kept_or_marked_as_a_guess(loopback: Loopback) -> None:
    loopback.finish_reason = "length"
    loopback.usage = {"prompt_tokens": 90, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 64}}
    answer = await complete(loopback, ask())
    assert answer.usage == (90, 8, 64, False)
    assert (answer.finish_reason, answer.model) == ("length", "m") and answer.seconds > 0
    loopback.usage = None
    guessed = (await complete(loopback, ask("word " * 80))).usage
    assert guessed.estimated and 80 <= guessed.input <= 160 and guessed.output > 50


@pytest.mark.parametrize(
    ("status", "said", "kind", "reason"),
    [
        (400, "This model's maximum context length is 4096 tokens", "row", "context_too_long"),
        (400, "Unknown parameter top_q", "row", "bad_request"),
        (400, "blocked by our content filter", "row", "content_filter"),
        (413, "too large", "row", "context_too_long"),
        (422, "no", "row", "bad_request"),
        (401, "who are you", "fatal", "unauthorized"),
        (402, "pay", "fatal", "no_money"),
        (403, "no", "fatal", "forbidden"),
        (404, "The model `m` does not exist", "fatal", "not_found"),
        (408, "slow", "retryable", "http_408"),
        (429, "slow down", "retryable", "rate_limit"),
        (429, "You exceeded your current quota, check billing details", "fatal", "no_money"),
        (500, "oops", "retryable", "http_500"),
        (503, "busy", "retryable", "overloaded"),
        (307, "elsewhere", "fatal", "redirect"),
    ],
)
async def test_each_status_has_its_kind(loopback: Loopback, status: int, said: str, kind: str, reason: str) -> None:
    loopback.answer = lambda body: _refused(status, said)
    error = await failure(loopback)
    assert (error.kind, error.reason, error.status) == (kind, reason, status)
    assert said in str(error) and not error.usage_unknown


def _refused(status: int, said: str) -> Exception:
    from aiohttp import web

    made = type("Refused", (web.HTTPException,), {"status_code": status})
    refused: Exception = made(text=json.dumps({"error": {"message": said}}), headers={"Location": "http://x.test/"})
    return refused


async def test_retry_after_is_read_as_seconds_and_as_a_date(loopback: Loopback) -> None:
    loopback.faults, loopback.retry_after = {"429": 1.0}, "7.5"
    assert (await failure(loopback)).retry_after == 7.5
    loopback.retry_after = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert (await failure(loopback)).retry_after == 0.0
    loopback.retry_after = "soon"
    assert (await failure(loopback)).retry_after is None


@pytest.mark.parametrize("fault", ["malformed", "cut"])
async def test_an_answer_that_is_not_whole_may_have_been_charged(loopback: Loopback, fault: str) -> None:
    loopback.faults = {fault: 1.0}
    error = await failure(loopback)
    assert (error.kind, error.reason, error.usage_unknown) == ("retryable", fault, True)


@pytest.mark.parametrize("body", ["", "null", "[]", "{}", '{"choices": []}', '{"choices": [{"message": 3}]}'])
async def test_json_that_is_no_answer_is_malformed(loopback: Loopback, body: str) -> None:
    from aiohttp import web

    loopback.answer = lambda _: web.HTTPOk(text=body)
    assert (await failure(loopback)).reason == "malformed"


async def test_an_error_inside_a_200(loopback: Loopback) -> None:
    from aiohttp import web

    loopback.answer = lambda _: web.HTTPOk(text='{"error": {"code": 429, "message": "slow down"}}')
    assert (await failure(loopback)).reason == "rate_limit"


async def test_nobody_listens(loopback: Loopback) -> None:
    loopback.stop()
    error = await failure(loopback)
    assert (error.kind, error.reason, error.usage_unknown) == ("retryable", "unreachable", False)
    assert "127.0.0.1" in str(error)


async def test_a_schema_goes_to_the_endpoint_and_is_checked(loopback: Loopback) -> None:
    request = Request((Message("user", "grade"),), schema=SCHEMA)
    loopback.answer = lambda body: '```json\n{"rv": 7}\n```'
    answer = await complete(loopback, request)
    assert (answer.response, answer.finish_reason) == ('{"rv": 7}', "stop")
    said = loopback.asked[0]["response_format"]["json_schema"]
    assert said["schema"] == SCHEMA and said["strict"]
    for wrong in ('{"rv": 42}', "seven", '{"rv": 7, "cd": 1}', "{}"):
        loopback.answer = lambda body, wrong=wrong: wrong  # type: ignore[misc]
        assert (await complete(loopback, request)).finish_reason == "schema_violation"


async def test_an_endpoint_without_schemas_is_asked_in_words(loopback: Loopback) -> None:
    request = Request((Message("user", "grade"),), schema=SCHEMA)

    def answer(body: dict[str, Any]) -> Any:
        return _refused(400, "response_format is not supported") if "response_format" in body else '{"rv": 1}'

    loopback.answer = answer
    teacher = OpenAI(EndpointParams(base_url=loopback.url, model="m"))
    assert [(await teacher.complete(request)).response for _ in range(2)] == ['{"rv": 1}'] * 2
    await teacher.close()
    assert len(loopback.asked) == 3  # it learned from the first refusal
    assert '"maximum": 9' in loopback.asked[2]["messages"][-1]["content"]
    assert (await failure(loopback, request, structured="json_schema")).kind == "row"


async def test_the_key_is_shown_nowhere(loopback: Loopback, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    planted = "sk-planted-7f3a"
    loopback.key = "another"
    params = EndpointParams(
        base_url=loopback.url + f"?token={planted}",
        model="m",
        api_key=SecretStr(planted),
        headers={"X-Extra": SecretStr(planted)},
    )
    teacher = OpenAI(params)
    seen = [repr(params), str(params), repr(teacher), params.public_url, teacher.revision]
    for step in ("refused", "cut", "down"):
        loopback.faults = {"cut": 1.0} if step == "cut" else {}
        loopback.key = None if step == "cut" else "another"
        if step == "down":
            loopback.stop()
        try:
            await teacher.complete(ask())
        except TeacherError as error:
            seen += [str(error), repr(error), repr(error.__cause__), repr(error.__context__)]
            seen += traceback.format_exception(error)
    await teacher.close()
    assert len(seen) > 15 and planted not in "\n".join([*seen, caplog.text])


def test_an_address_must_be_one() -> None:
    with pytest.raises(ValidationError, match="must hold no user or password") as caught:
        EndpointParams(base_url="https://user:hunter2@x.test/v1", model="m")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ValidationError, match=r"https://api\.example\.com/v1"):
        EndpointParams(base_url="api.example.com", model="m")
    assert EndpointParams(base_url="https://x.test/v1/chat/completions/", model="m").base_url == "https://x.test/v1"


def test_extra_body_is_another_model_for_the_ledger() -> None:
    plain = OpenAI(EndpointParams(model="m", revision="2026-01"))
    other = OpenAI(EndpointParams(model="m", revision="2026-01", extra_body={"top_k": 1}))
    moved = OpenAI(EndpointParams(model="m", revision="2026-01", base_url="http://else.test/v1"))
    assert plain.key(ask()) == moved.key(ask()) != other.key(ask())
