"""Which columns a plug-in reads and makes, found by asking it to plan over tables that grow until it is content.

>>> columns_used(load("operators", "verify_math"))
Used(reads=('response', 'answer'), makes={'extracted': 'VARCHAR', 'verdict': 'VARCHAR', ...}, removes=())
>>> columns_trained(load("trainers", "dpo"))
('prompt', 'chosen', 'rejected')
"""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from dqdata.columns import VOCABULARY, Columns
from dqdata.errors import DqdataError, PluginFault, boundary
from dqdata.operator import Operator
from dqdata.params import markers
from dqdata.schema import Schema
from dqdata.trainer import Trainer

T = TypeVar("T")

TRIES = 20
PLACEHOLDERS: dict[str, Any] = {"sql": "true", "teacher": "teacher", "scorer": "scorer", "catalog": "catalog"}


class Used(NamedTuple):
    reads: tuple[str, ...]
    makes: Mapping[str, str]
    removes: tuple[str, ...]


def columns_used(kind: type[Operator[Any]]) -> Used | None:
    """With the parameters of the example in its module's docstring, else with the defaults, over traces, else over
    problems. None for an operator whose columns depend on more than that. Raises PluginFault."""
    for keys in (("problem_id", "trace_id"), ("problem_id",)):
        for given in (_of_example(kind), _required(kind.Params)):
            if (used := _used(kind, given, keys)) is not None:
                return used
    return None


def columns_trained(kind: type[Trainer[Any]]) -> tuple[str, ...] | None:
    """Columns that the rows of a trainer's split `train` need, with the parameters of the example in its module's
    docstring, else with the defaults. None where they depend on more. Raises PluginFault."""
    given = {**_required(kind.Params), **_of_trainer(kind)}

    def plan(have: Columns) -> None:
        kind(kind.Params.model_validate(given)).needs("train", have)

    planned = _planned(plan, {"problem_id": "VARCHAR"}, "trainer", kind.__name__)
    return planned.reads if planned is not None else None


def _used(kind: type[Operator[Any]], given: Mapping[str, Any], keys: tuple[str, ...]) -> Used | None:
    def plan(have: Columns) -> Columns:
        operator = kind(kind.Params.model_validate(given))
        schema = Schema(
            {name: Columns({**have, **dict.fromkeys(_names(given), "VARCHAR")}) for name in operator.catalogs()},
            dict.fromkeys(operator.scorers(), operator.reads_scores or ("score",)),
        )
        return operator.columns(have, schema)

    planned = _planned(plan, dict.fromkeys(keys, "VARCHAR"), "operator", kind.name)
    if planned is None:
        return None
    have, after = planned.have, planned.result
    makes = {name: type_ for name, type_ in after.items() if have.get(name) != type_}
    return Used(planned.reads, makes, tuple(name for name in have if name not in after))


class _Planned(NamedTuple, Generic[T]):
    """have: the table that was enough. reads: its columns that were asked for."""

    result: T
    have: Mapping[str, str]
    reads: tuple[str, ...]


def _planned(plan: Callable[[Columns], T], have: Mapping[str, str], kind: str, name: str) -> _Planned[T] | None:
    """The plan over the smallest table that it takes, begun with `have`. None where the parameters are refused, and
    where it asks for what no column can give."""
    have, reads = dict(have), list[str]()
    for _ in range(TRIES):
        try:
            with boundary(kind, name):
                result = plan(Columns(have))
        except PluginFault as error:
            if isinstance(error.__cause__, ValidationError):
                return None
            raise
        except DqdataError as error:
            wanted = _wanted(str(error), have)
            if wanted is None:
                return None
            have[wanted[0]] = wanted[1]
            reads += [] if wanted[0] in reads else [wanted[0]]
        else:
            return _Planned(result, have, tuple(reads))
    return None


def _of_example(kind: type[Operator[Any]]) -> dict[str, Any]:
    """Parameters of the first `{ op = "NAME", ... }` of the module's docstring; files that it names are left out."""
    text = sys.modules[kind.__module__].__doc__ or ""
    given = next(_inline_tables(text, f'op = "{kind.name}"'), {})
    fields = kind.Params.model_fields
    files = {name for name, info in fields.items() if any(getattr(m, "refers_to", "") == "file" for m in markers(info))}
    return {**_required(kind.Params), **{k: v for k, v in given.items() if k not in ("op", "id", *files)}}


def _of_trainer(kind: type[Trainer[Any]]) -> dict[str, Any]:
    """Parameters of the first `[trainers.NAME]` of the module's docstring."""
    text = inspect.getdoc(sys.modules[kind.__module__]) or ""
    for block in text.split("\n\n"):
        with contextlib.suppress(tomllib.TOMLDecodeError):
            for table in tomllib.loads(inspect.cleandoc(block)).get("trainers", {}).values():
                return {key: value for key, value in table.items() if key in kind.Params.model_fields}
    return {}


def _inline_tables(text: str, start: str) -> Iterator[dict[str, Any]]:
    """The TOML inline tables of a text that begin with `{ START`."""
    for found in re.finditer(rf"\{{\s*{re.escape(start)}", text):
        for end in (match.end() for match in re.finditer(r"\}", text[found.start() :])):
            one = " ".join(text[found.start() : found.start() + end].split())
            with contextlib.suppress(tomllib.TOMLDecodeError):
                yield tomllib.loads(f"x = {one}")["x"]
                break


def _names(given: Mapping[str, Any]) -> list[str]:
    """Texts among the parameters, which may name columns of a catalog."""
    texts = [one for value in given.values() for one in (value if isinstance(value, list) else [value])]
    return [text for text in texts if isinstance(text, str) and re.fullmatch(r"[a-z_]+", text)]


def _required(model: type[BaseModel]) -> dict[str, Any]:
    """Something for each parameter without a default."""
    made: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if info.is_required():
            refers = next((mark.refers_to for mark in markers(info) if hasattr(mark, "refers_to")), "")
            literal = typing.get_args(info.annotation) if typing.get_origin(info.annotation) is typing.Literal else ()
            plain: dict[Any, Any] = {int: 1, float: 0.5, bool: True}
            made[name] = PLACEHOLDERS.get(refers) or (literal[0] if literal else plain.get(info.annotation, "question"))
    return made


def _wanted(message: str, have: Mapping[str, str]) -> tuple[str, str] | None:
    """The column that a message asks for, with a type that it takes."""
    named = re.search(r"needs column '(\w+)'(?: as (?:a number such as )?([A-Z][A-Z0-9_\[\]]*))?", message)
    if named is None:
        named = re.search(r"\{\{(\w+)\}\}, which is no column()", message)
    if named is None:
        text = message.partition("(have")[0]
        words = [*re.findall(r"'(\w+)'", text), *(word for word in re.findall(r"\w+", text) if word in VOCABULARY)]
        fresh = next((word for word in words if word not in have), None)
        return (fresh, VOCABULARY[fresh].type if fresh in VOCABULARY else "VARCHAR") if fresh else None
    known = VOCABULARY.get(named[1])
    usual = known.type if known and named[1] not in have else ""
    kind = usual or named[2] or (known.type if known else "VARCHAR")
    return None if have.get(named[1]) == kind else (named[1], kind)
