"""Where the rows of a version come from, up to what was not in the store before, and under which licences.

for one in origins(store, "traces", 3):
    one.version, one.source, one.license, one.rows       # "problems@1", "files: problems.jsonl", "mit", 1200
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dqdata.errors import DqdataError, InputError
from dqdata.history.lineage import source_name
from dqdata.history.rows import dicts

if TYPE_CHECKING:
    from dqdata.catalog import Store
    from dqdata.catalog.records import Version


class Origin(NamedTuple):
    """A version that brought rows into the store. license: empty where none was stated. compared: steps read it only to
    decide on rows, and none of its own is part of these. rows: of the version whose problem is one of its problems;
    None where that cannot be counted, as in a version that was dropped."""

    version: str
    source: str
    license: str
    compared: bool
    rows: int | None


def origins(store: Store, catalog: str, version: int) -> list[Origin]:
    """Of one version, those of its rows first. Raises QueryError for an unknown one."""
    store.version(catalog, version)
    known = {f"{one.catalog}@{one.version}": one for one in store.versions(dropped=True)}
    stated = store.marks().licenses
    found = []
    for name, compared in reached(known, f"{catalog}@{version}").items():
        one = known.get(name)
        if one is None:
            found.append(Origin(name, "not in this store", "", compared, None))
        elif not one.recipe.get("inputs"):
            license = stated.get((one.catalog, one.version)) or str(one.recipe.get("license") or "")
            rows = None if compared else _rows(store, f"{catalog}@{version}", name)
            found.append(Origin(name, source_name(one.recipe) or "rows of its own", license, compared, rows))
    return sorted(found, key=lambda one: one.compared)


def allow(store: Store, versions: Sequence[str], new: bool, own: str, allowed: Sequence[str], where: str) -> None:
    """Raises InputError where the licence of a source of these versions is not among those allowed. new, own: whether
    there are rows that are new in the store, and their licence."""
    wrong = []
    if new and own not in allowed:
        wrong.append(f"the rows of `from` are under {own or 'no stated licence'}")
    for name in versions:
        catalog, _, number = name.partition("@")
        bound = [one for one in origins(store, catalog, int(number)) if not one.compared]
        wrong += [
            f"{named(one)} is under {one.license or 'no stated licence'}" for one in bound if one.license not in allowed
        ]
    if wrong:
        raise InputError(
            f"{where}: {'; '.join(dict.fromkeys(wrong))}, and `licenses` allows {', '.join(allowed)} alone; leave "
            "those rows out, add the licence, or state it with `dqdata tag NAME@VERSION --license`",
            code="license-conflict",
        )


def named(one: Origin) -> str:
    """Version, source and rows of an origin, for messages."""
    rows = "" if one.rows is None else f", {one.rows:,} {'row' if one.rows == 1 else 'rows'} here"
    return f"{one.version} ({one.source}{rows})"


def reached(known: Mapping[str, Version], name: str) -> dict[str, bool]:
    """Every version that this one was made from, itself among them, and whether it was only compared with."""
    found: dict[str, bool] = {}
    waiting = [(name, False)]
    while waiting:
        at, compared = waiting.pop()
        if at in found and (compared or not found[at]):
            continue
        found[at] = compared
        if at in known:
            waiting += [(read, compared or only) for read, only in _reads(known[at].recipe)]
    return dict(reversed(found.items()))


def _reads(recipe: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    yield from ((name, False) for name in recipe.get("inputs", ()))
    for step in recipe.get("steps", ()):
        yield from ((name, bool(step.get("compares"))) for name in step.get("inputs", ()))


def _rows(store: Store, version: str, origin: str) -> int | None:
    """Rows of a version whose problem is one of an origin's."""
    try:
        [row] = dicts(
            store,
            f"select count(*) as n from {version} where problem_id in (select problem_id from {origin})",
        )
    except DqdataError:  # a version that was dropped, or a table of pairs without problems
        return None
    return int(row["n"])
