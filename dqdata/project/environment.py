"""Values of pipelines.toml that come from the environment: `{ env = "NAME" }`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from dqdata.masking import masker


def resolved(value: Any, missing: list[str]) -> Any:
    """`{ env = "NAME" }` anywhere becomes a secret; names that aren't set are added to `missing`."""
    if isinstance(value, Mapping):
        if set(value) == {"env"} and isinstance(value["env"], str):
            if value["env"] not in os.environ:
                missing.append(value["env"])
            masker.add_variable(value["env"])
            return SecretStr(os.environ.get(value["env"], ""))
        return {key: resolved(inner, missing) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolved(inner, missing) for inner in value]
    return value
