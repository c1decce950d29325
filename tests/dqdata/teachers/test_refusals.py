# ruff: noqa: E501 - a table of bodies as they are sent
"""Errors in the forms in which vendors and proxies send them."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any

import pytest

from dqdata.teachers.error_bodies import read
from dqdata.teachers.refusals import refusal
from dqdata.teachers.retry_after import retry_after

URL = "https://api.test/v1"


def error(message: str = "", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


CASES: dict[str, tuple[int, Any, str, str]] = {
    # 403: a prompt, a key, a region, a limit
    "OpenRouter moderation": (403, error("requires moderation and your input was flagged", code=403), "row", "content_filter"),
    "OpenRouter terms": (403, error("The request is prohibited due to a violation of provider Terms Of Service."), "row", "content_filter"),
    "plain": (403, error("This prompt was blocked by our policy"), "row", "content_filter"),
    "by code alone": (403, error("no", code="content_policy_violation"), "row", "content_filter"),
    "Chinese": (403, {"code": 403, "msg": "输入内容包含敏感信息"}, "row", "content_filter"),
    "wrong key": (403, error("Incorrect API key provided: sk-..."), "fatal", "unauthorized"),
    "Google": (403, [error("Method doesn't allow unregistered callers", status="PERMISSION_DENIED")], "fatal", "no_access"),
    "no access to the model": (403, error("Project `p` does not have access to model `m`", code="model_not_found"), "fatal", "no_access"),
    "region": (403, error("Country, region, or territory not supported"), "fatal", "no_access"),
    "gateway without money": (403, error("quota", type="new_api_error", code="insufficient_user_quota"), "fatal", "no_money"),
    "too many": (403, error("You have exceeded a secondary rate limit"), "retryable", "rate_limit"),
    "says nothing": (403, "", "fatal", "forbidden"),
    "firewall page": (403, "<html><title>Attention Required! | Cloudflare</title><h1>Sorry, you have been blocked</h1>", "fatal", "forbidden"),
    # 400: what only the code tells
    "Azure filter": (400, error("The response was filtered", code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}), "row", "content_filter"),
    "DashScope filter": (400, {"code": "DataInspectionFailed", "message": "Input data may contain inappropriate content."}, "row", "content_filter"),
    "DashScope arrears": (400, {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."}, "fatal", "no_money"),
    "DashScope throttling": (400, {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded"}, "retryable", "rate_limit"),
    "Gemini key": (400, [error("API key not valid. Please pass a valid API key.", code=400, status="INVALID_ARGUMENT", details=[{"reason": "API_KEY_INVALID"}])], "fatal", "unauthorized"),
    "DeepSeek model": (400, error("Model Not Exist", code="model_not_found"), "fatal", "not_found"),
    "Anthropic credit": (400, {"type": "error", "error": {"type": "billing_not_active", "message": "Your credit balance is too low"}}, "fatal", "no_money"),
    "vLLM context": (400, {"object": "error", "message": "This model's maximum context length is 512 tokens.", "type": "BadRequestError", "code": 400}, "row", "context_too_long"),
    "TGI context": (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 2048", "error_type": "validation"}, "row", "context_too_long"),
    "FastAPI": (422, {"detail": [{"loc": ["body", "top_q"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden", "input": "unauthorized prompt"}]}, "row", "bad_request"),
    "Mistral": (422, {"object": "error", "message": {"detail": [{"loc": ["body"], "msg": "bad role"}]}, "type": "invalid_request_error"}, "row", "bad_request"),
    # limits and failures that pass
    "OpenAI rate": (429, error("Rate limit reached. Try again in 1.2s. Visit account/billing to add credits", code="rate_limit_exceeded"), "retryable", "rate_limit"),
    "OpenAI quota": (429, error("You exceeded your current quota, check your plan and billing details", code="insufficient_quota"), "fatal", "no_money"),
    "Google quota a minute": (429, [error("You exceeded your current quota, check billing", status="RESOURCE_EXHAUSTED", details=[{"retryDelay": "37s"}])], "retryable", "rate_limit"),
    "Groq capacity": (498, error("flex tier capacity exceeded"), "retryable", "http_498"),
    "proxy page": (502, "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head>", "retryable", "http_502"),
    "Anthropic overload": (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "retryable", "overloaded"),
    "gateway hides money": (500, error("oops", code="insufficient_quota"), "fatal", "no_money"),
    "no JSON at all": (500, "upstream connect error", "retryable", "http_500"),
    # errors with status 200
    "named as text": (200, error("slow", code="429"), "retryable", "rate_limit"),
    "named as a word": (200, error("slow", code="rate_limit_exceeded"), "retryable", "rate_limit"),
    "named as a number": (200, error("no", code=401), "fatal", "unauthorized"),
    "word for a key": (200, error("no", code="invalid_api_key"), "fatal", "unauthorized"),
    "words alone": (200, {"error": "model is overloaded, try again"}, "retryable", "overloaded"),
    "filtered": (200, error("blocked", code="content_filter"), "row", "content_filter"),
    "MiniMax": (200, {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, "retryable", "rate_limit"),
    "Baidu": (200, {"error_code": 336003, "error_msg": "the prompt is too long"}, "row", "context_too_long"),
    "Tencent": (200, {"Response": {"Error": {"Code": "AuthFailure.UnauthorizedOperation", "Message": "no"}}}, "fatal", "unauthorized"),
    "unknown": (200, error("something happened"), "retryable", "http_502"),
}  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind", "reason"), CASES.values(), ids=CASES.keys())
def test_what_an_error_means(status: int, body: Any, kind: str, reason: str) -> None:
    raw = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    found = refusal(status, raw.encode(), {}, URL)
    assert (found.kind, found.reason) == (kind, reason), str(found)
    assert found.status is not None and found.status >= 400


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (error("Provider returned error", metadata={"raw": '{"error": {"message": "the real cause"}}'}), "the real cause"),
        ({"detail": "Not authenticated by proxy"}, "Not authenticated by proxy"),
        ({"errors": [{"message": "first"}, {"message": "second"}]}, "first; second"),
        ({"fault": {"faultstring": "x", "detail": {"errorcode": "y"}, "message": "Apigee says no"}}, "Apigee says no"),
        ("<html><head><title>Sign in &amp; go</title></head><body><h1>Corporate proxy</h1>", "Sign in & go; Corporate proxy"),
        ({"detail": [{"loc": ["body", "n"], "msg": "too many"}]}, "body.n: too many"),
        ("  plain\n words ", "plain words"),
        ("[" * 100_000, "[[["),
    ],
)  # fmt: skip
def test_the_servers_own_words_stand_in_the_error(body: Any, words: str) -> None:
    raw = body if isinstance(body, str) else json.dumps(body)
    assert words in str(refusal(500, raw.encode(), {}, URL))


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ('{"error": {"message": "Please try again in 1.2s."}}', 1.2),
        ('{"error": {"message": "Please try again in 6m0s."}}', 360),
        ('{"error": {"message": "Please try again in 20ms."}}', 0.02),
        ('{"error": {"message": "Please retry in 37.5s.", "details": [{"retryDelay": "38s"}]}}', 38),
        ('{"error": {"message": "Please try again later."}}', None),
    ],
)
def test_a_time_in_the_text_is_a_wait(text: str, wait: float | None) -> None:
    assert read(text).wait == wait
    assert refusal(429, text.encode(), {}, URL).retry_after == wait
    assert refusal(429, text.encode(), {"Retry-After": "7"}, URL).retry_after == 7


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7.5", 7.5),
        (" 5 ", 5),
        ("30s", 30),
        ("0", 0),
        ("-5", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00", 0),
        ("2015-10-21T07:28:00Z", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("999999999", None),
        ("1e300", None),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("1.2.3", None),
        ("", None),
    ],
)
def test_every_form_of_retry_after(header: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": header}) == seconds


def test_a_date_is_compared_with_the_servers_clock() -> None:
    headers = {"Date": formatdate(1_000_000_000, usegmt=True), "Retry-After": formatdate(1_000_000_042, usegmt=True)}
    assert retry_after(headers) == 42
    assert retry_after({"retry-after-ms": "1500", "Retry-After": "2"}) == 1.5
