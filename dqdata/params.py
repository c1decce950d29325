"""Parameters of plug-ins: the base of every `Params` model, and markers for what a parameter refers to.

class CritiqueParams(Params):
    judge: TeacherName                 # a [teachers.NAME] table: checked and fingerprinted by the plan
    prompt: PromptFile | None = None   # a file: its bytes are part of the fingerprint
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo

from dqdata.masking import masker


class Params(BaseModel):
    """Base of every plug-in's parameters: frozen, and unknown keys are refused by name. TOML has no null, so `false`
    means None where a parameter may be None and is no boolean: `max_length = false`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _switched_off(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        off = {name for name, value in given.items() if value is False and _may_be_none(cls.model_fields.get(name))}
        return {name: None if name in off else value for name, value in given.items()}


class NoParams(Params):
    pass


def _may_be_none(info: FieldInfo | None) -> bool:
    kinds = typing.get_args(info.annotation) if info is not None else ()
    return type(None) in kinds and bool not in kinds


P = TypeVar("P", bound=Params)


@dataclass(frozen=True)
class Marker:
    """What a parameter refers to, so that the plan can check it and fingerprint what is behind it."""

    refers_to: Literal["teacher", "scorer", "embedding", "file", "path", "model", "sql", "catalog"]


@dataclass(frozen=True)
class InOrder:
    """Marks a table of parameters in which the order of the names changes rows: it is part of the fingerprint."""


TeacherName = Annotated[str, Marker("teacher")]
"""Name of a `[teachers.NAME]` table whose model writes."""
ScorerName = Annotated[str, Marker("scorer")]
"""Name of a `[teachers.NAME]` table whose model gives scores for a chat: provider = "reward_model" or "likelihood"."""


def _no_address(name: str) -> str:
    """Refuses the address of an endpoint, which dqdata 0.1 took."""
    if name.startswith(("http:", "https:")):
        parts = urlsplit(name)
        masker.add(parts.password, *(value for _, value in parse_qsl(parts.query)))
        raise ValueError(
            'an endpoint is a teacher: write a table [teachers.NAME] with provider = "openai_embeddings", base_url and '
            'model, and embedding = "teacher:NAME"; vectors that a store of dqdata 0.1 kept are used'
        )
    return name


EmbeddingName = Annotated[str, Marker("embedding"), AfterValidator(_no_address)]
"""`teacher:NAME` for a `[teachers.NAME]` table whose model embeds texts, or the name of a model that runs here."""
PromptFile = Annotated[Path, Marker("file")]
"""A file whose bytes enter the fingerprint; relative to pipelines.toml. Absolute by the time an operator sees it."""
LocalPath = Annotated[Path, Marker("path")]
"""A file or folder of a teacher; relative to pipelines.toml. It need not exist when planning."""
NameOrPath = Annotated[str, Marker("path")]
"""A name, or a file or folder where one is there; relative to pipelines.toml."""
ModelName = Annotated[str, Marker("model")]
"""A model of a teacher that runs here: a name, a file or folder where one is there, or `trained:NAME@version`, which is
the folder of that model by the time the teacher sees it."""
CatalogRef = Annotated[str, Marker("catalog")]
"""A catalog, `name` or `name@3`, whose rows `run.rows` gives; pinned to a version when planning."""
SqlExpression = Annotated[str, Marker("sql")]
"""A DuckDB expression over the columns at this step; the plan binds it before anything runs."""


def markers(info: Any) -> tuple[Any, ...]:
    """Metadata of a pydantic field, looked for inside `X | None` and `list[X]` too."""
    found = list(info.metadata)
    todo = [info.annotation]
    while todo:
        kind = todo.pop()
        if typing.get_origin(kind) is Annotated:
            found += kind.__metadata__
        todo += typing.get_args(kind)
    return tuple(found)


def marked(params: BaseModel, refers_to: str) -> Iterator[Any]:
    """Values of the fields with that marker, also of models inside models."""
    for name, named in _references(type(params)).items():
        value = getattr(params, name)
        values = value if isinstance(value, list | tuple) else (value,)
        if refers_to in named:
            yield from (one for one in values if one is not None)
        for one in values:
            if isinstance(one, BaseModel):
                yield from marked(one, refers_to)


@functools.cache
def _references(kind: type[BaseModel]) -> dict[str, frozenset[str]]:
    """What each field of a model may refer to, by the markers on it."""
    return {
        name: frozenset(marker.refers_to for marker in markers(info) if isinstance(marker, Marker))
        for name, info in kind.model_fields.items()
    }


def orders(params: BaseModel) -> dict[str, list[str]]:
    """The names of each table marked InOrder, where they are in another order than the usual one, which fingerprints
    imply: numbers from the largest, then as in the default, then by name."""
    found = {}
    for name, info in type(params).model_fields.items():
        table = getattr(params, name)
        if isinstance(table, Mapping) and any(isinstance(marker, InOrder) for marker in markers(info)):
            default = list(info.default) if isinstance(info.default, Mapping) else []
            usual = sorted(table, key=functools.partial(_place, table, default))
            if usual != list(table):
                found[name] = list(table)
    return found


def _place(table: Mapping[str, Any], default: Sequence[str], name: str) -> tuple[float, int, str]:
    value = table[name]
    first = -float(value) if isinstance(value, int | float) else 0.0
    return first, default.index(name) if name in default else len(default), name
