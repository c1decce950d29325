"""Asks an OpenAI-compatible endpoint for its models: whether it answers, takes the key and has the model.

>>> ping_endpoint("http://127.0.0.1:8000/v1", "", "m", 5.0)
(False, 'http://127.0.0.1:8000/v1: Connection refused')
"""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.parse

ANSWER_BYTES = 4 << 20


def ping_endpoint(base_url: str, key: str, model: str, timeout: float) -> tuple[bool, str]:
    """Whether a GET of /models works, and what it said. No redirect is followed, and no proxy is used."""
    parts = urllib.parse.urlsplit(base_url)
    place = f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        connection.request("GET", f"{parts.path.rstrip('/')}/models", headers=headers)
        answer = connection.getresponse()
        body = answer.read(ANSWER_BYTES)
    except (OSError, http.client.HTTPException, ssl.SSLError) as error:
        return False, f"{place}: {getattr(error, 'strerror', None) or error or type(error).__name__}"
    finally:
        connection.close()
    if answer.status in (401, 403):
        return False, f"{place}: {answer.status}, the key is missing or wrong"
    if answer.status >= 400:
        return answer.status in (404, 405, 501), f"{place} answers {answer.status} to /models"
    names = _models(body)
    if names and model not in names:
        return False, f"{place} answers, but has no model {model!r} (has: {', '.join(names[:5])})"
    return True, f"{place} answers{', and has ' + model if names else ''}"


def _models(body: bytes) -> list[str]:
    try:
        data = json.loads(body)["data"]
        return [str(one["id"]) for one in data]
    except (ValueError, KeyError, TypeError):
        return []
