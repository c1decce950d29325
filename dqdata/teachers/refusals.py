"""Decides what an endpoint's error means for a call: retry, fail the row, or end the run.

>>> refusal(401, b'{"error": {"message": "bad key"}}', {}, "https://api.example.com/v1").kind
'fatal'

The status decides, and codes and words of the body where a status means several things: 403 is a wrong key, a region,
or one prompt that is blocked for its content; 429 is a limit per minute or an empty account; 200 may hold any error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from dqdata.errors import TeacherError
from dqdata.masking import masker
from dqdata.teachers.error_bodies import ErrorBody, read
from dqdata.teachers.retry_after import retry_after

FORBIDDEN: Final = "forbidden"
"""Reason of a 403 that names neither the key nor the prompt: fatal, unless this key has been answered before."""

Kind = Literal["retryable", "row", "fatal"]


class _Meaning(NamedTuple):
    kind: Kind
    reason: str
    status: int
    """The status that other endpoints give for the same; it replaces the one that an answer with status 200 lacks."""
    advice: str = ""


_FILTERED = _Meaning("row", "content_filter", 400)
_TOO_LONG = _Meaning("row", "context_too_long", 400)
_BAD = _Meaning("row", "bad_request", 400)
_RATE = _Meaning("retryable", "rate_limit", 429)
_OVERLOADED = _Meaning("retryable", "overloaded", 503)
_BROKEN = _Meaning("retryable", "http_500", 500)
_MONEY = _Meaning("fatal", "no_money", 402, "the account has no credit or quota left")
_KEY = _Meaning("fatal", "unauthorized", 401, "the API key is missing or wrong: check api_key of the teacher")
_ACCESS = _Meaning("fatal", "no_access", 403, "this key may not use the model: check the account's rights")
_FORBIDDEN = _Meaning("fatal", FORBIDDEN, 403, "this key may not use the model: check the account's rights")
_MODEL = _Meaning("fatal", "not_found", 404, "no such model or path: check model and base_url of the teacher")
_PATH = _Meaning(
    "fatal", "not_found", 405, "no chat endpoint there: check base_url of the teacher, it usually ends in /v1"
)

_CODES: Sequence[tuple[str, _Meaning]] = (
    (r"content_?(?:filter|polic|moderat|block)|data_?inspection|responsible_?ai|moderation", _FILTERED),
    (r"safety|sensitive|flagged|(?:input|prompt)_?blocked|harmful|prohibited_?content", _FILTERED),
    (r"context_?(?:length|window|size)|(?:prompt|input)_?too_?long|string_?above_?max|request_?too_?large", _TOO_LONG),
    (r"exceed_?context|max_?tokens_?exceeded", _TOO_LONG),
    (r"insufficient_?(?:user_?)?(?:quota|balance|fund|credit)|arrear|overdue", _MONEY),
    (r"billing_?(?:hard|not)|payment_?required", _MONEY),
    (r"(?:invalid|incorrect|expired|missing|wrong)_?(?:api_?)?(?:key|token|auth)(?![a-z])", _KEY),
    (r"api_?key_?(?:invalid|expired|missing)|unauthenticated|unauthori[sz]ed|authentication", _KEY),
    (r"rate_?limit|too_?many_?requests|resource_?exhausted|throttl|request_?limit|[tr]pm_?limit|slow_?down", _RATE),
    (r"overload|unavailable|over_?capacity|capacity_?exceeded|no_?available", _OVERLOADED),
    (r"server_?busy|model_?loading", _OVERLOADED),
    (r"permission_?denied|permission_?error|access_?denied|account_?(?:disabled|suspended|deactivated)", _ACCESS),
    (r"unsupported_?(?:country|region)|not_?(?:authorized|entitled)", _ACCESS),
    (r"(?:model|deployment)_?not_?(?:found|exist|supported)|(?:invalid|unknown)_?model(?![a-z])", _MODEL),
    (r"^not_?found(?:_?error)?$", _MODEL),
    (r"server_?error|internal_?error|^internal$|timeout|deadline|bad_?gateway|upstream|engine", _BROKEN),
    (r"invalid|bad_?request|validation|unsupported|missing|value_?error", _BAD),
)
_BY_CODE = tuple((re.compile(pattern), meaning) for pattern, meaning in _CODES)

_CONTENT = re.compile(
    r"content.?(?:filter|polic|management|moderat)|moderation|inappropriate|usage polic|acceptable use|guardrail"
    r"|responsible ai|safety (?:system|filter|setting|polic|check|reason|guideline)|(?:for|of|by) safety|unsafe|harmful"
    r"|(?:content|prompt|input|message|text|request)[^.]{0,60}"
    r"(?:violat|flagged|blocked|rejected|prohibited|disallowed|not allowed|sensitive|offensive)"
    r"|(?:violat|flagged|blocked|rejected|prohibited|disallowed|sensitive|offensive)[^.]{0,60}"
    r"(?:content|prompt|input|message|text|policy|policies)"
    r"|(?:内容|输入|提示|文本).{0,20}(?:敏感|违规|不当|安全|审核|风险)|(?:敏感|违规|不安全)",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"context.?(?:length|window|size)|maximum context|too many (?:input )?tokens"
    r"|(?:prompt|input|request).{0,40}too (?:long|large)|maximum (?:input|sequence|model) length"
    r"|exceeds?.{0,40}(?:context|max_model_len|token limit)|max_tokens.{0,60}(?:exceed|too large)"
    r"|(?:inputs?|prompt).{0,20}tokens.{0,60}(?:must be|at most|<=|exceed|greater)|longer than the model",
    re.IGNORECASE,
)
_NO_MONEY = re.compile(
    r"insufficient.?(?:quota|balance|funds|credit)|billing|exceeded your current quota|out of credits|余额不足|欠费"
    r"|credit balance is too low|negative balance",
    re.IGNORECASE,
)
_WRONG_KEY = re.compile(
    r"(?:invalid|incorrect|wrong|missing|expired|no|bad|valid)\b.{0,20}"
    r"\b(?:api.?key|api.?token|access.?token|credentials?)"
    r"|api.?(?:key|token)\b.{0,40}(?:not valid|invalid|incorrect|wrong|expired|missing|not found|revoked|disabled)"
    r"|unauthori[sz]ed|not authenticated|authentication|unauthenticated",
    re.IGNORECASE,
)
_NO_ACCESS = re.compile(
    r"permission|(?:account|organi[sz]ation|project|user|key|subscription|team|token).{0,60}"
    r"(?:not|no|disabled|suspended|deactivated|banned|blocked|restricted|denied)"
    r"|(?:not|no|without|lacks?|denied).{0,40}access|access.{0,30}(?:denied|model)|country|region|territor|\bip\b"
    r"|not (?:authorized|entitled|enabled|subscribed)|terms of service",
    re.IGNORECASE,
)
_MANY = re.compile(
    r"rate.?limit|too many requests|slow down|(?:requests|tokens) per (?:second|minute|day)|频率|限流", re.I
)
_BUSY = re.compile(
    r"overload|over capacity|at capacity|temporarily|try again|server (?:is )?busy|service unavailable|繁忙"
    r"|no (?:healthy|available) (?:upstream|servers?|workers?|instances?|channels?)|is (?:currently )?loading",
    re.IGNORECASE,
)
_RETRIED = frozenset((408, 409, 420, 423, 424, 425, 429, 498, 499))
"""Statuses below 500 that pass: among them Groq's 498 (capacity) and nginx's 499."""


def refusal(status: int, body: bytes, headers: Mapping[str, str], where: str) -> TeacherError:
    """The error of an answer that is none. status: 200 where the error is in the body alone. `where` is a URL without
    credentials. Secrets are hidden in the whole body, before a part of it is shown."""
    said = read(masker.hide_body(body))
    # Parsing may have put together what the escapes of the body kept apart.
    said = ErrorBody(tuple(masker.hide(code) for code in said.codes), masker.hide(said.message), said.wait)
    asked = retry_after(headers)
    meaning = _of_success(said) if status < 300 else _of_status(status, said, asked)
    if 300 <= status < 400:
        to = masker.hide(headers.get("Location", "nowhere"))[:300]
        meaning = meaning._replace(advice=f"it points to {to}: write the final address in base_url")
    answered = f"{where} answered {status}" if status >= 300 else f"{where} answered with an error"
    text = f"{answered}: {_shown(said)}".removesuffix(": ")
    return TeacherError(
        f"{text} ({meaning.advice})" if meaning.advice else text,
        kind=meaning.kind,
        reason=meaning.reason,
        status=meaning.status if status < 300 else status,
        retry_after=(asked if asked is not None else said.wait) if meaning.kind == "retryable" else None,
    )


def _shown(said: ErrorBody) -> str:
    """The server's own words, and its codes where they aren't among them, on one line."""
    words = said.message[:300]
    codes = [code for code in said.codes[:3] if code.lower() not in words.lower() and not code.isdigit()]
    return f"{words} [{', '.join(codes)}]" if codes else words


def _of_status(status: int, said: ErrorBody, asked: float | None) -> _Meaning:
    by_code = _by_code(said)
    if by_code in (_MONEY, _KEY) and status != 404:
        return by_code
    if by_code in (_FILTERED, _TOO_LONG) and (status in (400, 403, 413, 422, 451) or status >= 500):
        return by_code
    if 300 <= status < 400:
        return _Meaning("fatal", "redirect", status)
    if status == 401:
        return _KEY
    if status == 402:
        return _MONEY
    if status == 403:
        return _of_403(said, by_code)
    if status == 404:
        return _MODEL
    if status == 405:
        return _PATH
    if status == 429:
        # Google says the same words of a quota per minute, and when to come back.
        waits = said.wait is not None or bool(asked) or by_code is _RATE
        return _MONEY if _NO_MONEY.search(said.message) and not waits else _RATE
    if status in _RETRIED or status >= 500:
        return _Meaning("retryable", {503: "overloaded", 529: "overloaded"}.get(status, f"http_{status}"), status)
    return _of_bad_request(status, said, by_code)


def _of_403(said: ErrorBody, by_code: _Meaning | None) -> _Meaning:
    if by_code is _RATE or _MANY.search(said.message):
        return _RATE
    about_the_key = re.search(r"\b(?:api.?key|account|organi[sz]ation|billing)\b", said.message, re.IGNORECASE)
    if _CONTENT.search(said.message) and not about_the_key:
        return _FILTERED
    if _NO_MONEY.search(said.message):
        return _MONEY
    if _WRONG_KEY.search(said.message):
        return _KEY
    if by_code in (_ACCESS, _MODEL) or _NO_ACCESS.search(said.message):
        return _ACCESS
    return _TOO_LONG if _LENGTH.search(said.message) else _FORBIDDEN


def _of_bad_request(status: int, said: ErrorBody, by_code: _Meaning | None) -> _Meaning:
    """400, 422 and their like: the row's own fault, unless a code says otherwise. Words alone may repeat the prompt."""
    if by_code in (_RATE, _OVERLOADED, _MODEL, _ACCESS) and status in (400, 422):
        return by_code
    if status == 413 or _LENGTH.search(said.message):
        return _TOO_LONG
    if status == 451 or _CONTENT.search(said.message):
        return _FILTERED
    if re.search(r"\bapi.?key not valid|\b(?:invalid|incorrect) api.?key", said.message[:200], re.IGNORECASE):
        return _KEY
    return _BAD


def _of_success(said: ErrorBody) -> _Meaning:
    """An error that came with status 200: by the status that it names, else by its code, else by its words."""
    by_code = _by_code(said)
    if said.status is not None:
        return _of_status(said.status, said, None)._replace(status=said.status)
    if by_code not in (None, _BAD, _BROKEN):
        return by_code
    for pattern, meaning in (
        (_MANY, _RATE),
        (_LENGTH, _TOO_LONG),
        (_WRONG_KEY, _KEY),
        (_NO_MONEY, _MONEY),
        (_CONTENT, _FILTERED),
        (_BUSY, _OVERLOADED),
    ):
        if pattern.search(said.message):
            return meaning
    return by_code or _Meaning("retryable", "http_502", 502)


def _by_code(said: ErrorBody) -> _Meaning | None:
    """What the codes mean, in the table's order, so that a precise inner code goes before a general outer one."""
    codes = [re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code).lower()) for code in said.codes]
    return next((meaning for pattern, meaning in _BY_CODE for code in codes if pattern.search(code)), None)
