"""Reports all errors in pipelines.toml at once, each with file, table, key and the valid names.

>>> problems = Problems("pipelines.toml")
>>> with problems.noted():
...     validated(PipelineKeys, {"budget_us": 1}, "pipelines.toml [pipelines.p]")
>>> problems.check()
Traceback (most recent call last):
dqdata.errors.ProjectError: pipelines.toml [pipelines.p]: unknown key 'budget_us'; did you mean 'budget_usd'? ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from dqdata.errors import (
    PLUGIN_RAISES,
    DqdataError,
    InputError,
    PluginFault,
    ProjectError,
    ProjectErrors,
    described,
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
            if str(error) not in map(str, self._found):
                self._found.append(error)

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
        code = {"extra_forbidden": "unknown-key", "missing": "missing-key"}.get(found[0]["type"], "invalid-value")
        raise ProjectError(where, "; ".join(_explain(item, model, what, also) for item in found), code=code) from None
    except DqdataError:
        raise
    except PLUGIN_RAISES as error:  # a validator of a plug-in
        raise PluginFault(f"{where}: the checks of its {what}s failed: {described(error)}") from error


def _explain(item: Any, model: type[BaseModel], what: str, also: Iterable[str]) -> str:
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden" and len(item["loc"]) == 1:
        known = [*(field.alias or key for key, field in model.model_fields.items()), *also]
        return f"unknown {what} {name!r}{nearest(name, known)} (known: {', '.join(known)})"
    if item["type"] == "missing":
        return f"{what} {name!r} is missing"
    shown = repr(item["input"])
    field = model.model_fields.get(str(item["loc"][0])) if item["loc"] else None
    # A URL may hold a password, and a key of the wrong shape is a key.
    secret = "://" in shown or (field is not None and "SecretStr" in str(field.annotation))
    given = "" if isinstance(item["input"], Mapping) or secret else f", got {shown}"
    if not name:
        return str(item["msg"]).removeprefix("Value error, ")
    return f"{what} {name!r}: {str(item['msg']).removeprefix('Value error, ')}{given}"


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
