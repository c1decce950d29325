"""Marks on versions: tags, notes, licences, and which were dropped. Rows of dq_marks, of which the last of a kind is
valid.

marks = Marks.of(rows)
marks.version("traces", "release")              # 3: the version that the tag names
marks.version("traces", "2026-11-01")           # 2: the newest at the end of that day, in UTC
marks.state("traces", 1)                        # "dropped", "gone" once its files were removed, or ""
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal, NamedTuple

from dqdata.catalog.checks import held_back
from dqdata.errors import InputError, QueryError, nearest
from dqdata.refs import DATE, LATEST, TAG

Kind = Literal["tag", "untag", "note", "license", "drop", "restore", "gone"]
State = Literal["", "dropped", "gone"]
MADE = (
    "select catalog, version, created_at, fingerprint, partial, run_id from lake.main.dq_versions order by snapshot_id"
)
MARKED = "select catalog, version, kind, value from lake.main.dq_marks order by snapshot_id, rowid"
"""Rows that `Marks.of` takes: the versions that were made, and the marks, oldest first."""

_STATES: dict[str, State] = {"drop": "dropped", "restore": "", "gone": "gone"}


class Mark(NamedTuple):
    """value: the tag's name, the text of the note or the licence; empty for the other kinds."""

    catalog: str
    version: int
    kind: Kind
    value: str = ""


@dataclass(frozen=True)
class Marks:
    """tags: version by catalog and tag. notes: text by catalog and version. licenses: stated since a version was made,
    by catalog and version. states: of what is no longer readable.
    made: when the versions of a catalog were made, oldest first."""

    tags: Mapping[tuple[str, str], int] = field(default_factory=dict)
    notes: Mapping[tuple[str, int], str] = field(default_factory=dict)
    states: Mapping[tuple[str, int], State] = field(default_factory=dict)
    made: Mapping[str, Sequence[tuple[datetime, int]]] = field(default_factory=dict)
    licenses: Mapping[tuple[str, int], str] = field(default_factory=dict)
    held: frozenset[tuple[str, int]] = frozenset()
    """Versions that their checks keep from being `@latest`."""

    @classmethod
    def of(
        cls,
        rows: Iterable[Sequence[object]],
        made: Iterable[Sequence[Any]] = (),
        held: frozenset[tuple[str, int]] = frozenset(),
    ) -> Marks:
        """rows: (catalog, version, kind, value) of dq_marks, oldest first. made: catalog, version and time of each
        version, and what else `MADE` asks for, oldest first."""
        tags: dict[tuple[str, str], int] = {}
        notes: dict[tuple[str, int], str] = {}
        licenses: dict[tuple[str, int], str] = {}
        states: dict[tuple[str, int], State] = {}
        for row in rows:
            catalog, version, kind, value = str(row[0]), int(str(row[1])), str(row[2]), str(row[3] or "")
            if kind == "tag":
                tags[catalog, value] = version
            elif kind == "untag":
                tags.pop((catalog, value), None)
            elif kind == "note":
                notes[catalog, version] = value
            elif kind == "license":
                licenses[catalog, version] = value
            else:
                states[catalog, version] = _STATES[kind]
        times: dict[str, list[tuple[datetime, int]]] = {}
        for catalog, version, when, *_ in made:
            times.setdefault(catalog, []).append((when.astimezone(UTC), version))
        return cls(tags, {at: text for at, text in notes.items() if text}, states, times, licenses, held)

    def state(self, catalog: str, version: int) -> State:
        return self.states.get((catalog, version), "")

    def tags_of(self, catalog: str, version: int) -> list[str]:
        return sorted(tag for (name, tag), at in self.tags.items() if (name, at) == (catalog, version))

    def version(self, catalog: str, label: str) -> int:
        """The version that a tag or a date names. Raises QueryError for an unknown tag, and for a date before the first
        version."""
        if DATE.fullmatch(label):
            return self._of_day(catalog, label)
        if (catalog, label) in self.tags:
            return self.tags[catalog, label]
        known = sorted(tag for name, tag in self.tags if name == catalog)
        there = f"; its tags: {', '.join(known)}" if known else "; it has no tags"
        raise QueryError(f"{catalog} has no tag {label!r}{nearest(label, known) or there}", code="unknown-version")

    def _of_day(self, catalog: str, text: str) -> int:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise QueryError(f"{catalog}@{text}: there is no such day", code="unknown-version") from None
        made = [
            one
            for one in self.made.get(catalog, ())
            if not self.state(catalog, one[1]) and (catalog, one[1]) not in self.held
        ]
        fitting = [version for when, version in made if when.date() <= day]
        if not fitting:
            first = f"; its first is of {made[0][0]:%Y-%m-%d}" if made else ""
            raise QueryError(f"{catalog} had no version on {text} (UTC){first}", code="unknown-version")
        return fitting[-1]

    def held_back(self, catalog: str, versions: Sequence[int]) -> QueryError | None:
        """The error for the latest of these versions where checks hold all of them back."""
        if any((catalog, version) not in self.held for version in versions):
            return None
        return QueryError(held_back(catalog, ", ".join(map(str, sorted(versions)))), code="unknown-version")

    def unreadable(self, catalog: str, version: int) -> QueryError | None:
        """The error for a version that was dropped; None for any other."""
        if not (state := self.state(catalog, version)):
            return None
        what = f"{catalog}@{version} was dropped"
        if state == "dropped":
            return QueryError(f"{what}; `dqdata restore {catalog}@{version}` brings it back", code="dropped-version")
        return QueryError(f"{what} and its files were removed by `dqdata gc`", code="dropped-version")


def check_tag(text: str) -> str:
    """The tag in small letters. Raises InputError for a text that no tag may be."""
    tag = text.lower()
    if not re.fullmatch(TAG, tag) or tag == LATEST:
        raise InputError(f"{text!r} is no tag: small letters, digits and _, a letter first, and not {LATEST!r}")
    return tag
