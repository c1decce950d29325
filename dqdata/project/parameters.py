"""Describes the parameters of a plug-in from its `Params` model; the string below a field is its description.

>>> for one in described(GenerateParams):
...     print(one.name, one.type, one.default, one.meaning)
teacher teacher teacher unset
n integer 1 Samples of a problem, from each teacher that is called.
"""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretStr

from dqdata.params import Marker, markers

PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", Path: "path", SecretStr: "secret", Any: "any"}
UNIONS = (typing.Union, types.UnionType)


class Parameter(NamedTuple):
    """One field; type and default as TOML has them, default empty where it is required, meaning where there is none."""

    name: str
    type: str
    default: str
    meaning: str


def described(model: type[BaseModel]) -> Iterator[Parameter]:
    """Required ones first, then those of the model itself, then those of its bases."""
    order: list[str] = []
    for base in model.__mro__:
        if issubclass(base, BaseModel) and base is not BaseModel:
            order += [name for name in base.__annotations__ if name in model.model_fields and name not in order]
    for name in sorted(order, key=lambda name: not model.model_fields[name].is_required()):
        info = model.model_fields[name]
        refers = [mark.refers_to for mark in markers(info) if isinstance(mark, Marker)]
        default = "" if info.is_required() else _default(info.get_default(call_default_factory=True))
        yield Parameter(
            info.alias or name, _type(info.annotation, *refers), default, " ".join((info.description or "").split())
        )


def _type(annotation: Any, *refers: str) -> str:
    """What TOML writes there; a name of a teacher or the like is called by what it names."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(inner[0], *refers)
    if origin in UNIONS:
        return " or ".join(dict.fromkeys(_type(one, *refers) for one in inner if one is not type(None)))
    if origin is typing.Literal:
        return " or ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in inner)
    if origin in (tuple, list):
        kinds = dict.fromkeys(_type(one, *refers) for one in inner if one is not Ellipsis)
        return f"[{', '.join(kinds)}]"
    if inspect.isclass(origin or annotation) and issubclass(origin or annotation, Mapping | BaseModel):
        return "table"
    if refers and annotation in (str, Path):
        return refers[0]
    return PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(value: Any) -> str:
    return "unset" if value is None else json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
