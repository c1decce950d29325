"""Options and helpers that the commands share."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast

import click

from dqdata.cli import completion
from dqdata.cli.completion import PROFILE
from dqdata.cli.lines import Fitted, echo, standard
from dqdata.json_text import json_text

if TYPE_CHECKING:
    from dqdata.api.catalogs import Catalogs
    from dqdata.api.project import Project
    from dqdata.catalog import Store

F = TypeVar("F", bound=Callable[..., Any])


def project_option(function: F) -> F:
    """--project and --profile; `open_project` knows the profile from the context."""
    profile = click.option(
        "--profile",
        expose_value=False,
        shell_complete=completion.profiles,
        callback=lambda context, _, value: context.meta.__setitem__(PROFILE, value or ""),
        help="Lay [profiles.NAME] over the project; its catalogs have a store of their own.",
    )
    return click.option(
        "-p",
        "--project",
        type=click.Path(path_type=Path),
        help="The pipelines.toml; by default the nearest one in this folder or above.",
    )(profile(function))


def store_option(function: F) -> F:
    return click.option(
        "--store", type=click.Path(path_type=Path), help="Folder of the catalogs; by default that of the project."
    )(function)


def json_option(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout and nothing else there.")(
        function
    )


class Finite(click.FloatRange):
    """A number of a range that is neither infinite nor none at all."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return float(number)


def open_project(path: Path | None) -> Project:
    """The project that --project names, with the profile that --profile names."""
    from dqdata.api.project import open

    return open(path, profile=click.get_current_context().meta.get(PROFILE, ""))


def open_catalogs(project: Path | None, store: Path | None) -> Catalogs:
    """The store that --store names, else the project's, for reading."""
    from dqdata.api.catalogs import open_store

    return open_store(store) if store is not None else open_project(project)


def open_store(project: Path | None, store: Path | None, *, read_only: bool = False) -> Store:
    """The store itself, for commands that ask it for more than rows."""
    from dqdata.catalog import Store

    return Store.open(open_catalogs(project, store).place, read_only=read_only)


def print_json(value: Any) -> None:
    unicode = (standard().encoding or "utf-8").lower().replace("-", "").startswith("utf")
    text = json_text(value)
    echo(text if unicode else "".join(sign if sign.isascii() else json.dumps(sign)[1:-1] for sign in text))


def usd(cost: float | None, digits: int = 2) -> str:
    """A cost with so many digits, more where it would look like none."""
    if cost is None:
        return "cost unknown"
    text = f"${cost:,.{digits}f}"
    if not cost or text.strip("$0.,"):
        return text
    return f"${cost:.6f}" if cost >= 1e-6 else "less than $0.000001"


def progress_out(quiet: bool) -> TextIO | None:
    """Where progress is drawn: stderr, so that stdout holds results alone."""
    if quiet:
        return None
    return cast(TextIO, Fitted(sys.stderr)) if sys.stderr.isatty() else sys.stderr


def finite(value: object) -> object:
    """Values as JSON has them: a quantile of no values is null."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and value != value else value
