"""Interprets refusals of the Batches API: of one line, of a whole file, of a batch that no longer exists."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from dqdata.errors import TeacherError
from dqdata.masking import masker
from dqdata.teachers.error_bodies import is_error
from dqdata.teachers.refusals import FORBIDDEN, refusal


class Invalid(NamedTuple):
    """Why an endpoint refused a file. error: of kind "fatal" where no request can work, "retryable" where too much is
    waiting there already, "row" where some line is at fault. lines: what is wrong with each line, by its place from 0,
    where the endpoint names lines."""

    error: TeacherError
    lines: dict[int, str]


def invalid(errors: Any, where: str) -> Invalid:
    """Reads the `errors` of a batch with status "failed"."""
    found = [
        (str(one.code or ""), str(one.message or ""), one.line)
        for one in (errors.data if errors and errors.data else ())
    ]
    text = "; ".join(f"{code}: {message}" for code, message, _ in found[:3]) or "no reason given"
    message = f"{where} refused the batch: {masker.hide(text)[:1000]}"
    lines = {
        line - 1: f"{where} refused this line of its batch: {masker.hide(f'{code}: {said}')[:300]}"
        for code, said, line in found
        if isinstance(line, int) and line > 0
    }
    kinds = {refusal(400, _body(code, said), {}, where).kind for code, said, _ in found}
    kind = "fatal" if "fatal" in kinds or not found else "row"
    if kind == "row" and any("limit" in code for code, _, _ in found):
        return Invalid(TeacherError(message, kind="retryable", reason="batch_limit"), {})
    return Invalid(TeacherError(message, kind=kind, reason="batch_refused"), lines)  # type: ignore[arg-type]


def answer_of(result: dict[str, Any], where: str) -> Any:
    """The answer in one line of results. Raises TeacherError where it is a refusal.

    It is never fatal: the key was right when the batch was submitted, and a line that ended the run would be read again
    by the next one, without end. Nor is it a reason for others to wait: the batch is over.
    """
    response = result.get("response")
    status = _status(response.get("status_code")) if isinstance(response, dict) else None
    if status is None:
        raise _unanswered(result.get("error"), where)
    body = response.get("body") if isinstance(response, dict) else None
    if 200 <= status < 300 and not is_error(body):
        return body
    raise _of_a_line(refusal(status, json.dumps(body).encode(), {}, where))


def _unanswered(error: Any, where: str) -> TeacherError:
    code = error.get("code") if isinstance(error, dict) else error
    if isinstance(error, dict):
        found = refusal(200, json.dumps({"error": error}).encode(), {}, where)
        if found.kind == "row":
            return found
    reason = masker.hide(str(code or "batch_error"))[:100]
    return TeacherError(f"not answered in its batch: {reason}", kind="retryable", reason=reason)


def _of_a_line(found: TeacherError) -> TeacherError:
    if found.kind == "row":
        return found
    kind = "row" if found.reason == FORBIDDEN else "retryable"
    return TeacherError(str(found), kind=kind, reason=found.reason)  # type: ignore[arg-type]


def _status(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _body(code: str, message: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()
