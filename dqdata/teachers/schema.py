"""Does a JSON value satisfy a JSON schema? The part of the language that structured answers use.

>>> problem({"type": "object", "properties": {"rv": {"type": "integer", "maximum": 9}}}, {"rv": 42})
'rv: 42 is above 9'
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def problem(schema: Mapping[str, Any], value: Any) -> str | None:
    """What is wrong with the value, or None. Keywords that aren't known here are not checked."""
    return next(_problems(schema, value, schema, ""), None)


def _problems(schema: Any, value: Any, root: Mapping[str, Any], at: str) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        if schema is False:
            yield f"{at or 'answer'}: nothing is allowed here"
        return
    where = at or "answer"
    if "$ref" in schema:
        yield from _problems(_resolve(str(schema["$ref"]), root), value, root, at)
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{where}: {value!r:.80} is not of type {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r:.80} is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{where}: {value!r:.80} is not {schema['const']!r}"
    for name, several in (("anyOf", schema.get("anyOf")), ("oneOf", schema.get("oneOf"))):
        if several and all(next(_problems(option, value, root, at), None) for option in several):
            yield f"{where}: {value!r:.80} fits no option of {name}"
    for option in schema.get("allOf", ()):
        yield from _problems(option, value, root, at)
    if isinstance(value, dict):
        yield from _object(schema, value, root, at)
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{where}: {len(value)} items"
        for index, item in enumerate(value if "items" in schema else ()):
            yield from _problems(schema["items"], item, root, f"{where}[{index}]")
    elif isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield f"{where}: {len(value)} characters"
        if "pattern" in schema and re.search(schema["pattern"], value) is None:
            yield f"{where}: {value!r:.80} doesn't match {schema['pattern']!r}"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if "minimum" in schema and value < schema["minimum"]:
            yield f"{where}: {value} is below {schema['minimum']}"
        if "maximum" in schema and value > schema["maximum"]:
            yield f"{where}: {value} is above {schema['maximum']}"


def _object(schema: Mapping[str, Any], value: dict[str, Any], root: Mapping[str, Any], at: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at or 'answer'}: {name!r} is missing"
    for name, item in value.items():
        inner = f"{at}.{name}" if at else name
        if name in known:
            yield from _problems(known[name], item, root, inner)
        elif schema.get("additionalProperties", True) is False:
            yield f"{inner}: not in the schema"
        elif isinstance(schema.get("additionalProperties"), Mapping):
            yield from _problems(schema["additionalProperties"], item, root, inner)


def _is(value: Any, kind: Any) -> bool:
    if isinstance(kind, list):
        return any(_is(value, one) for one in kind)
    if isinstance(value, bool):
        return bool(kind == "boolean")
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return kind not in _TYPES or isinstance(value, _TYPES[kind])


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
    return found
