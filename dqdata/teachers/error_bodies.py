"""Reads the message of an error response in any form: JSON of any vendor, HTML of a proxy, plain text.

>>> read('{"error": {"code": "429", "message": "slow down"}}')
ErrorBody(codes=('429',), message='slow down', wait=None)
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_CODES = (
    *("code", "status", "type", "status_code", "statusCode", "error_code", "error_type", "errcode", "err_code"),
    *("http_code", "Code", "reason"),
)
_MESSAGES = (
    *("message", "msg", "error_msg", "error_message", "errmsg", "err_msg", "status_msg", "Message"),
    *("error_description", "description", "detail", "title"),
)
_INSIDE = (
    *("error", "errors", "Error", "fault", "base_resp", "Response", "detail", "details", "message", "metadata", "raw"),
    *("innererror", "cause", "body"),
)
_TEXTS_INSIDE = ("error", "errors", "Error", "raw")
_DEPTH = 6
_MOST = 8
"""Items of a list that are read: every invalid field of a request is one."""
_TITLE = re.compile(r"<(title|h1)\b[^>]*>([^<]{1,300})", re.IGNORECASE)
_AGAIN = re.compile(
    r"(?:try again|retry|wait)(?: \w+)? (?:in|after|for) (?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)(ms|s\b| ?sec))?"
)


class ErrorBody(NamedTuple):
    """codes: what may be a code, a type or a status, outermost first. wait: seconds, where the text names a time after
    which to try again."""

    codes: tuple[str, ...]
    message: str
    wait: float | None

    @property
    def status(self) -> int | None:
        """The first code that is an HTTP status of an error."""
        return next((int(code) for code in self.codes if re.fullmatch(r"[45]\d\d", code)), None)


def read(text: str) -> ErrorBody:
    """Codes and words of a body."""
    data = _parsed(text)
    if not isinstance(data, dict | list):
        return ErrorBody((), _plain(text), _wait(text))
    codes: list[str] = []
    messages: list[str] = []
    _collect(data, codes, messages, _DEPTH)
    message = "; ".join(dict.fromkeys(part for part in (_plain(one) for one in messages) if part))
    return ErrorBody(tuple(dict.fromkeys(codes)), message or _plain(text), _wait(f"{message} {text[:4000]}"))


def is_error(data: Any) -> bool:
    """Whether JSON that came with status 200 is an error and no answer."""
    if isinstance(data, list):
        return bool(data) and is_error(data[0])
    if not isinstance(data, Mapping) or data.get("choices"):
        return False
    if data.get("error") or data.get("errors") or data.get("object") == "error" or data.get("type") == "error":
        return True
    return any(data.get(name) for name in ("base_resp", "error_code", "error_msg", "detail", "code", "Response", "msg"))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _collect(value: Any, codes: list[str], messages: list[str], depth: int) -> None:
    if depth == 0:
        return
    if isinstance(value, list):
        for one in value[:_MOST]:
            _collect(one, codes, messages, depth - 1)
    elif isinstance(value, str):
        inner = _parsed(value) if value.lstrip()[:1] in ("{", "[") else None
        if isinstance(inner, dict | list):
            _collect(inner, codes, messages, depth - 1)
        else:
            messages.append(value)
    elif isinstance(value, dict):
        for name in _CODES:
            code = value.get(name)
            if isinstance(code, str | int) and not isinstance(code, bool) and str(code).strip():
                codes.append(str(code).strip()[:100])
        where = ".".join(map(str, value["loc"])) + ": " if isinstance(value.get("loc"), list) else ""
        messages += [where + value[name] for name in _MESSAGES if isinstance(value.get(name), str)]
        for name in _INSIDE:
            inner = value.get(name)
            if isinstance(inner, dict | list) or (
                isinstance(inner, str) and name in ("error", "errors", "raw", "Error")
            ):
                _collect(inner, codes, messages, depth - 1)


def _plain(text: str) -> str:
    """One line; of an HTML page its title and heading."""
    if re.search(r"<(?:!doctype|html|head|body)\b", text[:2000], re.IGNORECASE):
        found = [" ".join(html.unescape(match[2]).split()) for match in _TITLE.finditer(text)]
        return "an HTML page" + (f": {'; '.join(dict.fromkeys(found[:2]))}" if found else "")
    return " ".join(text.split())


def _wait(text: str) -> float | None:
    if match := re.search(r'"retryDelay":\s*"(\d+(?:\.\d+)?)s"', text):
        return float(match[1])
    match = _AGAIN.search(text.lower())
    if match is None or (match[1] is None and match[2] is None):
        return None
    seconds = float(match[2] or 0) / (1000 if match[3] == "ms" else 1)
    return 60 * int(match[1] or 0) + seconds
