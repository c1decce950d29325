"""Asks an OpenAI-compatible endpoint for its models: whether it answers, takes the key and has the model.

>>> ping_endpoint("http://127.0.0.1:8000/v1", "", "m", 5.0)
Ping(works=False, says='http://127.0.0.1:8000/v1: Connection refused', fix='start it, or correct base_url')
"""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.parse
from typing import NamedTuple

ANSWER_BYTES = 4 << 20
ADDRESS = "start it, or correct base_url"


class Ping(NamedTuple):
    """Whether the endpoint can be used, what it said, and what to do if it cannot."""

    works: bool
    says: str
    fix: str = ""


def ping_endpoint(base_url: str, key: str, model: str, timeout: float) -> Ping:
    """A GET of /models. No redirect is followed, because requests follow none, and no proxy is used."""
    parts = urllib.parse.urlsplit(base_url)
    place = f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        connection.request("GET", f"{parts.path.rstrip('/')}/models", headers=headers)
        answer = connection.getresponse()
        body = answer.read(ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        said = getattr(error, "strerror", None) or error or type(error).__name__
        return Ping(False, f"{place}: {said}", "correct base_url" if isinstance(error, ssl.SSLError) else ADDRESS)
    finally:
        connection.close()
    if answer.status in (401, 403):
        return Ping(False, f"{place}: {answer.status}, the key is missing or wrong", "correct api_key")
    if 300 <= answer.status < 400:
        to = answer.headers.get("Location", "nowhere").removesuffix("/models")
        return Ping(False, f"{place} answers {answer.status} and points to {to}", "write that as base_url")
    if answer.status >= 500 and answer.status != 501:
        return Ping(False, f"{place} answers {answer.status} to /models", "see the server's log")
    if answer.status >= 400:
        works = answer.status in (404, 405, 501)  # an endpoint need not list its models
        return Ping(works, f"{place} answers {answer.status} to /models", "" if works else ADDRESS)
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return Ping(False, f"{place} answers, but not in JSON as such an endpoint does", "correct base_url")
    names = _models(said)
    if names and model not in names:
        return Ping(
            False, f"{place} answers, but has no model {model!r} (has: {', '.join(names[:5])})", "correct model"
        )
    return Ping(True, f"{place} answers{', and has ' + model if names else ''}")


def _models(said: object) -> list[str]:
    """Names in a list of models; none where it has another form."""
    data = said.get("data") if isinstance(said, dict) else None
    return [str(one["id"]) for one in data if isinstance(one, dict) and "id" in one] if isinstance(data, list) else []
