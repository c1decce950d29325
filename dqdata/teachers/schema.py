"""Validates a JSON value against a JSON Schema.

>>> problem({"type": "object", "properties": {"rv": {"type": "integer", "maximum": 9}}}, {"rv": 42})
'answer.rv must be smaller than or equal to 9'
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from dqdata.errors import DataError
from dqdata.ids import canonical


def problem(schema: Mapping[str, Any], value: Any) -> str | None:
    """What is wrong with the value, or None. Raises DataError where the schema itself is wrong."""
    from fastjsonschema import JsonSchemaValueException

    try:
        _validator(canonical(schema))(value)
    except JsonSchemaValueException as error:
        return str(error.message)
    return None


@functools.lru_cache(maxsize=256)
def _validator(schema: str) -> Callable[[Any], Any]:
    """The compiled schema: the same few are used for every answer of a run."""
    import fastjsonschema

    read = json.loads(schema)
    try:
        made = fastjsonschema.compile(read, use_default=False)
    except fastjsonschema.JsonSchemaDefinitionException as error:
        raise DataError(f"not a JSON schema: {error}; it begins {schema[:80]}") from error
    return functools.partial(made, name_prefix="answer")
