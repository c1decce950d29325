"""What an HTTP status and its body mean for a call: try again, give up the row, or stop everything.

>>> refusal(401, b'{"error": {"message": "bad key"}}', {}, "https://api.example.com/v1").kind
'fatal'
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from dqdata.errors import TeacherError
from dqdata.masking import masker

_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|too many (input )?tokens"
    r"|(prompt|input|request).{0,40}too (long|large)"
    r"|exceeds?.{0,40}(context|max_model_len|token limit)|max_tokens.{0,60}(exceed|too large)",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content.?(filter|policy|management)|safety|moderation|inappropriate", re.IGNORECASE)
_NO_MONEY = re.compile(r"insufficient.?(quota|balance|funds|credit)|billing|exceeded your current quota", re.IGNORECASE)

_FATAL: dict[int, tuple[str, str]] = {
    401: ("unauthorized", "the API key is missing or wrong: check api_key of the teacher"),
    402: ("no_money", "the account has no credit left"),
    403: ("forbidden", "this key may not use the model: check the account's rights"),
    404: ("not_found", "no such model or path: check model and base_url of the teacher"),
    405: ("not_found", "no chat endpoint there: check base_url of the teacher, it usually ends in /v1"),
}


def refusal(status: int, body: bytes, headers: Mapping[str, str], where: str) -> TeacherError:
    """The error of an answer that isn't 200. `where` is a URL without credentials. Secrets are hidden in the whole
    body, before a part of it is shown."""
    code, said = _said(masker.hide_body(body))
    text = f"{where} answered {status}: {said}" if said else f"{where} answered {status}"
    kind: Literal["retryable", "row", "fatal"] = "row"
    reason, advice, wait = "bad_request", "", None
    if status in _FATAL:
        (reason, advice), kind = _FATAL[status], "fatal"
    elif 300 <= status < 400:
        reason, kind = "redirect", "fatal"
        advice = (
            f"it points to {masker.hide(headers.get('Location', 'nowhere'))[:300]}: write the final address in base_url"
        )
    elif status == 429 and _NO_MONEY.search(f"{code} {said}"):
        reason, kind, advice = "no_money", "fatal", "the account's quota is used up"
    elif status in (408, 409, 425, 429) or status >= 500:
        reason = {429: "rate_limit", 503: "overloaded", 529: "overloaded"}.get(status, f"http_{status}")
        kind, wait = "retryable", retry_after(headers)
    elif _TOO_LONG.search(f"{code} {said}") or status == 413:
        reason = "context_too_long"
    elif _FILTERED.search(f"{code} {said}"):
        reason = "content_filter"
    return TeacherError(
        f"{text} ({advice})" if advice else text, kind=kind, reason=reason, status=status, retry_after=wait
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the endpoint asks to wait: `retry-after-ms`, or `Retry-After` as seconds or as a date."""
    exact = headers.get("retry-after-ms")
    said = headers.get("Retry-After")
    try:
        if exact is not None:
            return max(0.0, float(exact) / 1000)
        if said is None:
            return None
        if re.fullmatch(r"\s*[\d.]+\s*", said):
            return float(said)
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _said(text: str) -> tuple[str, str]:
    """(code, message) of an error body, whatever its form; the message on one line, cut to 300 characters."""
    code = ""
    try:
        data: Any = json.loads(text)
    except ValueError:
        data = None
    if isinstance(data, dict):
        inner = data.get("error", data)
        if isinstance(inner, dict):
            code = str(inner.get("code") or inner.get("type") or "")
            text = str(inner.get("message") or inner.get("detail") or text)
        else:
            text = str(inner)
    elif "<html" in text.lower():
        title = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        text = title[1] if title else "an HTML page"
    # Parsing may have put together what the escapes of the body kept apart.
    return masker.hide(code)[:100], masker.hide(" ".join(text.split()))[:300]
