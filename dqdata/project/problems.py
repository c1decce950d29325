"""Reports all errors in pipelines.toml at once, each with file, table, key and the valid names.

>>> problems = Problems("pipelines.toml")
>>> with problems.noted():
...     validated(PipelineKeys, {"budget_us": 1}, "pipelines.toml [pipelines.p]")
>>> problems.check()
Traceback (most recent call last):
dqdata.errors.ProjectError: pipelines.toml [pipelines.p]: unknown key 'budget_us'; did you mean 'budget_usd'? ...
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from dqdata.errors import (
    DqdataError,
    InputError,
    PluginFault,
    ProjectError,
    ProjectErrors,
    described,
    from_outside,
    nearest,
)

M = TypeVar("M", bound=BaseModel)


class Problems:
    """What is wrong in a file, so that one mistake hides no other."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[InputError] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Notes an InputError and goes on after the block."""
        try:
            yield
        except InputError as error:
            self.add(error)

    def add(self, error: InputError) -> None:
        """Notes an error, or each of those that it holds, once."""
        for one in error.errors if isinstance(error, ProjectErrors) else (error,):
            if str(one) not in map(str, self._found):
                self._found.append(one)

    @property
    def found(self) -> Sequence[InputError]:
        return tuple(self._found)

    def read(
        self,
        tables: Mapping[str, Any],
        kind: str,
        place: Callable[[str, str], str],
        reader: Callable[[str, dict[str, Any], str], M],
    ) -> dict[str, M]:
        """The tables of one kind that can be read, by name. place: from kind and name to where errors point."""
        bodies: dict[str, Any] = {}
        with self.noted():
            bodies = table_of(tables, kind, self._file)
        found: dict[str, M] = {}
        for name, body in bodies.items():
            with self.noted():
                where = place(kind, name)
                found[name] = reader(name, is_table(body, where), where)
        return found

    def check(self) -> None:
        """Raises ProjectError with everything that was noted."""
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise ProjectErrors(self._file, self._found)


def validated(model: type[M], values: Mapping[str, Any], where: str, what: str = "key", also: Iterable[str] = ()) -> M:
    """The model of these values; what pydantic refuses becomes a ProjectError with the valid names, the nearest first.
    also: names that the table may have beside those of the model."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        found = error.errors()
        said = [*_unknown(found, model, what, also), *(_explain(one, model, what) for one in found if not _extra(one))]
        code = {"extra_forbidden": "unknown-key", "missing": "missing-key"}.get(found[0]["type"], "invalid-value")
        raise ProjectError(where, "; ".join(said), code="unknown-key" if any(map(_extra, found)) else code) from None
    except DqdataError:
        raise
    except BaseException as error:  # a validator of a plug-in
        if from_outside(error):
            raise
        raise PluginFault(f"{where}: the checks of its {what}s failed: {described(error)}") from error


def _extra(item: Any) -> bool:
    return bool(item["type"] == "extra_forbidden")


def _unknown(found: Iterable[Any], model: type[BaseModel], what: str, also: Iterable[str]) -> Iterator[str]:
    """Unknown keys of one table together, with the nearest for each and all that it may have."""
    tables: dict[tuple[str | int, ...], list[str | int]] = {}
    for item in filter(_extra, found):
        tables.setdefault(item["loc"][:-1], []).append(item["loc"][-1])
    for place, keys in tables.items():
        owner = _owner(model, place)
        known = [] if owner is None else [field.alias or key for key, field in owner.model_fields.items()]
        known += () if place else also
        named = ((".".join(map(str, (*place, key))), nearest(str(key), known)) for key in keys)
        listed = ", ".join(f"{name!r}{like}" for name, like in named)
        yield f"unknown {what} {listed}" + (f" (known: {', '.join(known)})" if known else "")


_SHAPES = dict.fromkeys(("dict_type", "model_type", "mapping_type"), "must be a table, such as { key = value }") | (
    dict.fromkeys(("tuple_type", "list_type", "set_type"), "must be a list, such as [ ... ], or [[...]] for tables")
)
"""pydantic's words for Python's types, in those of TOML."""


def _explain(item: Any, model: type[BaseModel], what: str) -> str:
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] == "missing":
        return f"{what} {name!r} is missing"
    shown = repr(item["input"])
    field = model.model_fields.get(str(item["loc"][0])) if item["loc"] else None
    # A URL may hold a password, and a key of the wrong shape is a key.
    secret = "://" in shown or (field is not None and "SecretStr" in str(field.annotation))
    given = "" if isinstance(item["input"], Mapping) or secret else f", got {shown}"
    if not name:
        return str(item["msg"]).removeprefix("Value error, ")
    said = _SHAPES.get(item["type"]) or str(item["msg"]).removeprefix("Value error, ")
    return f"{what} {name!r}: {said}{given}"


def _owner(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel] | None:
    """The model of the table at a path of keys and places in a model's values; None where several may be there."""
    here, names_follow = [model], False
    for part in path:
        fields = [one.model_fields[str(part)] for one in here if str(part) in one.model_fields]
        if names_follow or isinstance(part, int):
            names_follow = False
        elif fields:
            found = [kind for field in fields for kind in kinds_in(field.annotation)]
            here = [kind for kind in found if issubclass(kind, BaseModel)]
            names_follow = any(_is_table_of_tables(field.annotation) for field in fields)
        elif named := [one for one in here if one.__name__ == part]:  # of a union
            here = named
    return here[0] if len(here) == 1 else None


def _is_table_of_tables(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return True
    return any(_is_table_of_tables(inner) for inner in typing.get_args(annotation))


def kinds_in(annotation: Any) -> Iterator[type]:
    """Classes that an annotation names, inside `X | None`, `list[X]` and the like."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from kinds_in(inner)


def check_known(given: Iterable[str], known: Sequence[str], where: str, what: str = "key") -> None:
    """Raises ProjectError for the names that are none of the known ones, all of them, with the nearest for each."""
    if unknown := [name for name in given if name not in known]:
        listed = ", ".join(f"{name!r}{nearest(name, known)}" for name in unknown)
        raise ProjectError(where, f"unknown {what} {listed} (known: {', '.join(known)})", code="unknown-key")


def table_of(tables: Mapping[str, Any], name: str, file: str) -> dict[str, Any]:
    """The table of this name, empty where there is none. Raises ProjectError where it is no table."""
    return is_table(tables.get(name, {}), f"{file} [{name}]")


def is_table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProjectError(where, f"must be a table, got {value!r}", code="invalid-value")
    return dict(value)
