"""Upkeep of a store: drops versions and brings them back, removes the files of dropped ones, and verifies files.

    drop(store, [("traces", 1), ("traces", 2)]) # unreadable from now on; nothing is removed yet
    restore(store, [("traces", 2)])
    collect(store, dry_run=True)                # what `gc` would remove: versions, files, bytes
    verify(store)                               # files that are missing or have other content than when committed

A version that was dropped is marked so; its number is never given again. `collect` first marks versions as gone, in one
transaction, and then removes their files. A process killed in between leaves files that the next `collect` finds: the
metadata of a version lists its files for ever, and each file belongs to one version.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dqdata.catalog.contents import data_files, manifests
from dqdata.catalog.marks import Mark, check_tag
from dqdata.errors import InputError, QueryError
from dqdata.licenses import checked
from dqdata.refs import REJECTS_SUFFIX

if TYPE_CHECKING:
    from dqdata.catalog.backend import DataFile
    from dqdata.catalog.store import Store


@dataclass(frozen=True)
class Garbage:
    """A dropped version whose files are, or were, removed."""

    catalog: str
    version: int
    files: int
    bytes: int


@dataclass(frozen=True)
class Fault:
    """A data file that is not as it was committed. problem: `missing`, `changed` or `unreadable`."""

    catalog: str
    version: int
    file: str
    problem: str


@dataclass(frozen=True)
class Verified:
    """versions, files, bytes: what was read. unknown: versions without checksums, made by an earlier dqdata, of which
    presence and number of rows were looked at alone."""

    versions: int
    files: int
    bytes: int
    unknown: tuple[str, ...]
    faults: tuple[Fault, ...]


def tag(store: Store, catalog: str, version: int, name: str, *, move: bool = False) -> None:
    """Names a version. Raises InputError for a tag that another version has, unless `move`."""
    name = check_tag(name)
    with store.marking() as write:
        marks = store.marks()
        if (error := marks.unreadable(catalog, version)) is not None:
            raise error
        has = marks.tags.get((catalog, name))
        if has not in (None, version) and not move:
            raise InputError(f"{catalog}@{has} has the tag {name!r}; --move gives it to version {version}")
        if has != version:
            write([Mark(catalog, version, "tag", name)])


def untag(store: Store, catalog: str, name: str) -> int:
    """Removes a tag, and returns the version that had it. Raises QueryError for an unknown one."""
    with store.marking() as write:
        version = store.marks().version(catalog, check_tag(name))
        write([Mark(catalog, version, "untag", check_tag(name))])
        return version


def note(store: Store, catalog: str, version: int, text: str) -> None:
    """Keeps a note on a version, instead of the one before; an empty text removes it."""
    with store.marking() as write:
        if (error := store.marks().unreadable(catalog, version)) is not None:
            raise error
        write([Mark(catalog, version, "note", text)])


def state_license(store: Store, catalog: str, version: int, name: str) -> None:
    """Records the licence of the rows that a version brought into the store, instead of the one before. Raises
    InputError for a version whose rows come from other catalogs, where their licences are recorded."""
    name = checked(name)
    with store.marking() as write:
        marks = store.marks()
        if (error := marks.unreadable(catalog, version)) is not None:
            raise error
        recipe = store.version(catalog, version).recipe
        if inputs := recipe.get("inputs"):
            raise InputError(
                f"{catalog}@{version} comes from {', '.join(inputs)}: state the licence of what they come from, as "
                f"`dqdata lineage {catalog}@{version}` shows it"
            )
        if (marks.licenses.get((catalog, version)) or recipe.get("license")) != name:
            write([Mark(catalog, version, "license", name)])


def drop(store: Store, versions: Sequence[tuple[str, int]]) -> None:
    """Makes versions unreadable. Raises InputError for one that has a tag, QueryError for one that is dropped already;
    nothing is changed then."""
    with store.marking() as write:
        marks = store.marks()
        for catalog, version in versions:
            store.version(catalog, version)
            if (error := marks.unreadable(catalog, version)) is not None:
                raise error
            if tags := marks.tags_of(catalog, version):
                raise InputError(
                    f"{catalog}@{version} has the tag {tags[0]!r}: `dqdata tag {catalog} --delete {tags[0]}` first"
                )
        write([Mark(*at, "drop") for at in versions])


def restore(store: Store, versions: Sequence[tuple[str, int]]) -> None:
    """Brings dropped versions back. Raises QueryError for one that was not dropped, or whose files are gone; nothing is
    changed then."""
    with store.marking() as write:
        marks = store.marks()
        for catalog, version in versions:
            store.version(catalog, version)
            state = marks.state(catalog, version)
            if state == "gone":
                raise QueryError(str(marks.unreadable(catalog, version)), code="dropped-version")
            if not state:
                raise QueryError(f"{catalog}@{version} was not dropped", code="unknown-version")
        write([Mark(*at, "restore") for at in versions])


def collect(store: Store, *, dry_run: bool) -> list[Garbage]:
    """Removes the files of dropped versions, and what a killed `collect` left. dry_run: only reports."""
    with store.marking() as write:
        hidden = sorted(at for at, state in store.marks().states.items() if state)
        made = data_files(store) if hidden else {}
        on_disk = {file.name for file in store.backend.data.files()} if hidden else set()
        files = {at: [file for table in made[at].values() for file in table if file.name in on_disk] for at in hidden}
        found = [Garbage(*at, len(there), sum(file.size() for file in there)) for at, there in files.items() if there]
        if not dry_run:
            states = store.marks().states
            write([Mark(*at, "gone") for at in hidden if states[at] == "dropped"])
            _forget_appended(store, {one.catalog for one in found})
            for there in files.values():
                for file in there:
                    file.remove()
        return found


def _forget_appended(store: Store, catalogs: Collection[str]) -> None:
    """What the next run in append mode would take over has rows of the versions before it. It costs time to make again,
    and no request."""
    for catalog in catalogs:
        shutil.rmtree(store.place.appended / catalog, ignore_errors=True)


def verify(store: Store, catalog: str | None = None, version: int | None = None) -> Verified:
    """Reads every data file of the readable versions of a catalog, or of all, and compares it with the manifest."""
    faults: list[Fault] = []
    unknown: list[str] = []
    files = size = 0
    versions = [one for one in store.versions(catalog) if version in (None, one.version)]
    recorded, made = manifests(store, catalog), data_files(store, catalog)
    for one in versions:
        manifest = {row["file"]: row for row in recorded.get((one.catalog, one.version), ())}
        tables = made[one.catalog, one.version]
        there = {file.name: file for table in tables.values() for file in table}
        if not manifest and there:
            unknown.append(f"{one.catalog}@{one.version}")
            rows = {one.catalog: one.rows, one.catalog + REJECTS_SUFFIX: one.rejects}
            problems = {name: _counted(paths, rows[name]) for name, paths in tables.items()}
            faults += [Fault(one.catalog, one.version, *fault) for found in problems.values() for fault in found]
        for name in sorted({*there, *manifest}):
            file = there.get(name)
            if file is None or not file.exists():
                if manifest:
                    faults.append(Fault(one.catalog, one.version, name, "missing"))
                continue
            files, size = files + 1, size + file.size()
            if name in manifest and (problem := _compared(file, manifest[name]["blake2b"])):
                faults.append(Fault(one.catalog, one.version, name, problem))
    return Verified(len(versions), files, size, tuple(unknown), tuple(faults))


def _compared(file: DataFile, wanted: str) -> str:
    try:
        return "" if file.digest() == wanted else "changed"
    except OSError:
        return "unreadable"


def _counted(files: Sequence[DataFile], wanted: int) -> list[tuple[str, str]]:
    """Faults of a table whose files have no checksums: (file, problem)."""
    import pyarrow as pa

    rows, faults = 0, []
    for file in files:
        try:
            rows += file.rows()
        except FileNotFoundError:
            faults.append((file.name, "missing"))
        except (OSError, pa.ArrowException):
            faults.append((file.name, "unreadable"))
    if not faults and rows != wanted:
        faults.append((", ".join(file.name for file in files), "changed"))
    return faults
