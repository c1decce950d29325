"""Calls and tools as xLAM writes them: parameters by name, with types of Python, instead of a JSON Schema.

>>> definitions_of([{"name": "f", "parameters": {"n": {"type": "int, optional"}}}])[0]["parameters"]["properties"]
{'n': {'type': 'integer'}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TYPES: Mapping[str, str] = {
    "str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "tuple": "array",
    "set": "array", "dict": "object",
}  # fmt: skip
_KNOWN = frozenset({*_TYPES.values(), "null"})


def calls_of(value: Any) -> bool:
    """Whether a value is a list of calls, each with a name and arguments, and not empty."""
    return isinstance(value, list) and bool(value) and all(_is_call(one) for one in value)


def _is_call(value: Any) -> bool:
    return isinstance(value, Mapping) and {"name", "arguments"} <= set(value)


def definitions_of(value: Any) -> Any:
    """The definitions with JSON Schemas as parameters; whatever is no list of definitions stays as it is."""
    if not isinstance(value, list):
        return value
    return [{**one, "parameters": _schema(one.get("parameters"))} if isinstance(one, Mapping) else one for one in value]


def _schema(given: Any) -> Any:
    if not isinstance(given, Mapping) or not all(isinstance(one, Mapping) for one in given.values()):
        return given
    needed = [name for name, one in given.items() if "optional" not in str(one.get("type")) and "default" not in one]
    properties = {name: _property(one) for name, one in given.items()}
    return {"type": "object", "properties": properties, **({"required": needed} if needed else {})}


def _property(given: Mapping[str, Any]) -> dict[str, Any]:
    """A type that JSON Schema has no word for, such as a union, is left out and said in the description."""
    written = str(given.get("type") or "").removesuffix(", optional").strip()
    word = written.partition("[")[0].strip().lower()
    kind = word if word in _KNOWN else _TYPES.get(word)
    rest = {name: value for name, value in given.items() if name != "type"}
    if kind is None and written:
        rest["description"] = f"{rest.get('description') or ''} ({written})".strip()
    return {**({"type": kind} if kind else {}), **rest}
