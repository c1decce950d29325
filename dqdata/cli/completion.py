"""Names for the shell's completion: pipelines, trainers, catalogs, plug-ins, codes.

    eval "$(_DQDATA_COMPLETE=bash_source dqdata)"        # or zsh_source; _DQDATA_COMPLETE=fish_source dqdata | source

Whatever goes wrong gives no names: a shell that completes shows no errors.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

PROFILE = "dqdata.profile"
"""Where the context keeps what --profile says."""
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completer(names: Callable[[click.Context], Iterable[str]]) -> Completer:
    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found: list[str] = []
        with contextlib.suppress(Exception):
            found = sorted({name for name in names(context) if name.startswith(incomplete)})
        return [CompletionItem(name) for name in found]

    return complete


def _tables(context: click.Context) -> dict[str, Any]:
    """The project's TOML, valid or not."""
    from dqdata.project.reading import find_project, project_file

    given = context.params.get("project")
    return tomllib.loads((project_file(given) if given else find_project(Path.cwd())).read_text(encoding="utf-8"))


def _catalogs(context: click.Context) -> Iterable[str]:
    from dqdata.catalog.choice import backend_of
    from dqdata.place import StorePlace
    from dqdata.project.reading import find_project, project_file

    tables = _tables(context)
    given = context.params.get("project")
    root = (project_file(given) if given else find_project(Path.cwd())).parent
    if store := context.params.get("store"):
        place = StorePlace(Path(store))
    else:
        keys = {"path": "catalogs", **tables.get("store", {})}
        place = StorePlace(root / keys["path"], keys.get("metadata", ""), keys.get("data", ""))
        if profile := context.meta.get(PROFILE):
            place = place.of_profile(profile)
    return [name for name in backend_of(place).data.tables() if not name.startswith("dq_")]


def _formats(_: click.Context) -> Iterable[str]:
    from dqdata.exchange.formats import NAMES

    return NAMES


def _plugins(context: click.Context) -> Iterable[str]:
    from dqdata.plugins import GROUPS, found

    group = context.params.get("group")
    return [name for one in GROUPS if group in (None, one) for name in found(one)]


def _operators(context: click.Context) -> Iterable[str]:
    from dqdata.plugins import found

    return found("operators")


def _benchmarks() -> Iterable[str]:
    from dqdata.benchmarks import BENCHMARKS

    return BENCHMARKS


def _codes(context: click.Context) -> Iterable[str]:
    from dqdata.codes import CODES

    return CODES


pipelines = _completer(lambda context: _tables(context).get("pipelines", {}))
trainers = _completer(lambda context: _tables(context).get("trainers", {}))
pipelines_and_trainers = _completer(
    lambda context: [*_tables(context).get("pipelines", {}), *_tables(context).get("trainers", {})]
)
evaluations = _completer(lambda context: [*_tables(context).get("evaluations", {}), *_benchmarks()])
profiles = _completer(lambda context: _tables(context).get("profiles", {}))
catalogs = _completer(_catalogs)
formats = _completer(_formats)
plugins = _completer(_plugins)
operators = _completer(_operators)
codes = _completer(_codes)
