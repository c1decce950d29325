"""Finds operators, trainers, teachers and sources through entry points, built-ins included.

    >>> load("operators", "length").__name__
    'Length'

Names are read from package metadata; a plug-in is imported only when it is asked for.
"""

from __future__ import annotations

import functools
import inspect
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, get_args

from dqdata.errors import PluginError, described, from_outside, nearest
from dqdata.ids import digest

Group = Literal["operators", "trainers", "teachers", "sources", "services"]
GROUPS: tuple[Group, ...] = get_args(Group)


def found(group: Group) -> dict[str, EntryPoint]:
    """Entry points of the group by name. Where two distributions claim one name the first is listed, and `load`
    refuses the name."""
    return {name: points[0] for name, points in claims(group).items()}


@functools.cache
def claims(group: Group) -> dict[str, list[EntryPoint]]:
    """Different entry points by name, in order of name."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=f"dqdata.{group}"), key=lambda point: (point.name, point.value)):
        others = found.setdefault(point.name, [])
        if point.value not in [other.value for other in others]:
            others.append(point)
    return found


def load(group: Group, name: str) -> Any:
    """The class behind a name. Raises PluginError if it is unknown, claimed by two packages, or fails to import."""
    known = claims(group)
    if name not in known:
        like = nearest(name, known) or ";"
        raise PluginError(
            f"no {group[:-1]} {name!r}{like} `dqdata ops --group {group}` lists all {len(known)}",
            code="unknown-plugin",
        )
    point, *others = known[name]
    if others:
        offers = " and ".join(f"{distribution(one)} ({one.value})" for one in (point, *others))
        raise PluginError(f"two packages offer {group[:-1]} {name!r}: {offers}; uninstall one")
    try:
        return point.load()
    except BaseException as error:
        if from_outside(error):
            raise
        raise PluginError(
            f"{group[:-1]} {name!r} of {distribution(point)} can't be imported: {described(error)}",
            code="import-failed",
        ) from error


def distribution(point: EntryPoint) -> str:
    """`name version` of the package that offers an entry point: part of a step's fingerprint."""
    return _named(point.dist) if point.dist else "unknown distribution"


@functools.cache
def _named(dist: Distribution) -> str:
    """Read once: its metadata is parsed for each question."""
    return f"{dist.name} {dist.version}"


@functools.cache
def source_hash(plugin: type) -> str:
    """Hash of a plug-in's source: of its module, or, where its package is installed editable, of every module of the
    package. So a step is made anew when its code changes, although no version did. Empty if there is no source."""
    file = inspect.getsourcefile(plugin)
    if file is None:
        return ""
    package = plugin.__module__.partition(".")[0]
    files = _package_files(Path(file), plugin.__module__.count(".")) if package in _editable() else [Path(file)]
    return digest("source", *(source.read_text(encoding="utf-8", errors="replace") for source in files))


def _package_files(file: Path, depth: int) -> list[Path]:
    """The sources of the package that a module is in. depth: packages around it; a module of no package is alone."""
    around = depth if file.name == "__init__.py" else depth - 1
    return sorted(file.parents[around].rglob("*.py")) if around >= 0 else [file]


@functools.cache
def _editable() -> frozenset[str]:
    """Top-level packages of the distributions that offer plug-ins and are installed editable."""
    points = [point for group in GROUPS for points in claims(group).values() for point in points]
    return frozenset(
        point.module.partition(".")[0]
        for point in points
        if point.dist is not None and '"editable": true' in (point.dist.read_text("direct_url.json") or "")
    )
