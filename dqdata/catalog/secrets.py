"""Keeps secrets out of what a store records: recipes, messages, errors of runs.

>>> without_secrets({"url": "https://me:hunter2@host/v1", "api_key": "abc", "n": 4})
{'url': 'https://***@host/v1', 'api_key': '***', 'n': 4}

The engine hands over no secret on purpose. This is the second lock: an endpoint's error may quote the key it was sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dqdata.masking import HIDDEN, masker

_SECRET_NAME = re.compile(
    r"^(token|secret|password|passwd|authorization|credentials?)$"
    r"|(api|access|auth|secret|private|bearer|hf|hub|client|session)[_-]?(key|token|secret)$|[_-](password|passwd|secret)$",
    re.IGNORECASE,
)


def without_secrets(value: Any, *, record: bool = False) -> Any:
    """A copy with secrets replaced by `***`: values under telling names, and in any text the user in a URL, bearer
    tokens, keys of well-known shapes, the secrets of teachers and of environment variables with telling names.
    record: as `Masker.hide` has it."""
    if isinstance(value, str):
        return masker.hide(value, record=record)
    if isinstance(value, Mapping):
        return {name: _hidden(name, item) or without_secrets(item, record=record) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item, record=record) for item in value]
    return value


def _hidden(name: Any, value: Any) -> str | None:
    """`***` for a secret under a telling name; `{ env = "NAME" }` says only where the secret is, and stays."""
    telling = isinstance(name, str) and _SECRET_NAME.search(name)
    return HIDDEN if telling and isinstance(value, str) and value else None
