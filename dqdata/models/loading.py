"""Loads models from elsewhere: weights as safetensors, without Python code of the model.

>>> loading("v1")
{'revision': 'v1', 'use_safetensors': True, 'trust_remote_code': False}

A pickle runs code when it is read, and so does Python of a model. `trust_remote_code` is always given: where it is not,
transformers asks at the terminal. Chat templates are rendered by transformers in Jinja's sandboxed environment.
"""

from __future__ import annotations

from typing import Any

SAFE = {"use_safetensors": True, "trust_remote_code": False}


def loading(revision: str = "", *, trust_remote_code: bool = False, allow_pickle: bool = False) -> dict[str, Any]:
    """Arguments of `from_pretrained` of a model. allow_pickle, trust_remote_code: what the user's TOML allows."""
    said: dict[str, Any] = {"revision": revision} if revision else {}
    return {**said, "use_safetensors": None if allow_pickle else True, "trust_remote_code": trust_remote_code}


def without_weights(arguments: dict[str, Any]) -> dict[str, Any]:
    """The same for what has no weights: a config or a tokenizer."""
    return {name: value for name, value in arguments.items() if name != "use_safetensors"}
