"""Finds operators, trainers, teachers and sources through entry points; built-ins come in by the same door.

    >>> load("operators", "length").__name__
    'Length'

Names are read from package metadata; a plug-in is imported only when it is asked for.
"""

from __future__ import annotations

import functools
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from dqdata.errors import PluginError, nearest

Group = Literal["operators", "trainers", "teachers", "sources"]


@functools.cache
def found(group: Group) -> dict[str, EntryPoint]:
    """Entry points of the group by name. Raises PluginError where two distributions claim one name."""
    points: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=f"dqdata.{group}"), key=lambda point: point.name):
        other = points.get(point.name)
        if other is not None and other.value != point.value:
            raise PluginError(
                f"two packages offer {group[:-1]} {point.name!r}: {distribution(other)} ({other.value}) and "
                f"{distribution(point)} ({point.value}); uninstall one"
            )
        points[point.name] = point
    return points


def load(group: Group, name: str) -> Any:
    """The class behind a name. Raises PluginError: unknown, or its import failed (with the cause)."""
    points = found(group)
    if name not in points:
        raise PluginError(
            f"no {group[:-1]} {name!r}{nearest(name, points)} `dqdata ops --group {group}` lists all {len(points)}"
        )
    point = points[name]
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"{group[:-1]} {name!r} of {distribution(point)} can't be imported: {type(error).__name__}: {error}"
        ) from error


def distribution(point: EntryPoint) -> str:
    """`name version` of the package that offers an entry point: part of a step's fingerprint."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"
