"""Keeps secrets out of what the store writes down: recipes, messages, errors of runs.

>>> without_secrets({"url": "https://me:hunter2@host/v1", "api_key": "abc", "n": 4})
{'url': 'https://***@host/v1', 'api_key': '***', 'n': 4}

The engine hands over no secret on purpose. This is the second lock: an endpoint's error may quote the key it was sent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"^(token|secret|password|passwd|authorization|credentials?)$"
    r"|(api|access|auth|secret|private|bearer|hf|hub|client|session)[_-]?(key|token|secret)$|[_-](password|passwd|secret)$",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)

_USER_IN_URL = re.compile(r"(?<=://)[^/\s@\"']+@")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}")
_KNOWN_SHAPES = re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|\bhf_[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}")
_SHORTEST = 8
"""Shorter values of environment variables, such as `1` or `none`, would blank out ordinary text."""


def without_secrets(value: Any) -> Any:
    """A copy with secrets replaced by `***`: values under telling names, and in any text the user in a URL, bearer
    tokens, keys of well-known shapes and the values of environment variables with telling names."""
    return _clean(value, _from_environment())


def _clean(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        value = _USER_IN_URL.sub(f"{HIDDEN}@", value)
        return _KNOWN_SHAPES.sub(HIDDEN, _BEARER.sub(rf"\1{HIDDEN}", value))
    if isinstance(value, Mapping):
        return {name: _hidden(name, item) or _clean(item, secrets) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item, secrets) for item in value]
    return value


def _hidden(name: Any, value: Any) -> str | None:
    """`***` for a secret under a telling name; `{ env = "NAME" }` says only where the secret is, and stays."""
    telling = isinstance(name, str) and _SECRET_NAME.search(name)
    return HIDDEN if telling and isinstance(value, str) and value else None


def _from_environment() -> list[str]:
    found = {value for name, value in os.environ.items() if _SECRET_VARIABLE.search(name) and len(value) >= _SHORTEST}
    return sorted(found, key=len, reverse=True)
