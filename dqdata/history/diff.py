"""Compares two versions of a catalog, or two catalogs with the same key: which rows changed, and why.

with Store.open(path, read_only=True) as store:
    found = diff(store, ("traces", 1), ("traces", 2), examples=3)
    found.counts.added, [cause.kind for cause in found.causes]
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dqdata.history import rows
from dqdata.history.causes import Cause, causes
from dqdata.history.rows import Counts, Outcome, Share, Shift, Table

if TYPE_CHECKING:
    from dqdata.catalog import Store, Version
    from dqdata.catalog.reader import Reader


@dataclass(frozen=True)
class Diff:
    """What distinguishes `after` from `before`, both as `name@version`.

    columns_added, columns_removed: name to type; columns_retyped: name to both types. problems: numbers of problems in
    both, only before, only after, where rows are traces or pairs. removed_to: what `after` did with the removed rows;
    added_from: what `before` did with the added ones. examples: rows by added, removed and changed.
    """

    before: str
    after: str
    key: str
    rows_before: int
    rows_after: int
    counts: Counts
    problems: tuple[int, int, int] | None
    causes: list[Cause]
    columns_added: dict[str, str]
    columns_removed: dict[str, str]
    columns_retyped: dict[str, tuple[str, str]]
    removed_to: list[Outcome]
    added_from: list[Outcome]
    shifts: list[Shift]
    shares: list[Share]
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether both versions hold the same rows in the same columns."""
        counts = self.counts
        columns = self.columns_added or self.columns_removed or self.columns_retyped
        return not (counts.added or counts.removed or counts.changed or columns)


MEMORY = 256 << 20
"""Bytes of DuckDB that a comparison of many rows holds; what is more spills to the store's folder of this machine."""


def diff(store: Store, before: tuple[str, int], after: tuple[str, int], *, examples: int = 3) -> Diff:
    """Compares two versions, each given as catalog and number. examples: rows of each kind to quote.

    Raises QueryError for unknown catalogs or versions, and for tables whose rows have different keys.
    """
    one, other = rows.table(store, *before), rows.table(store, *after)
    was, now = store.version(*before), store.version(*after)
    most = max(was.rows, now.rows)
    with store.limited(MEMORY) if rows.joined_bytes(one, other, most) > MEMORY else nullcontext(store) as reader:
        return _compared(reader, one, other, was, now, examples)


def _compared(reader: Reader, one: Table, other: Table, was: Version, now: Version, examples: int) -> Diff:
    key = rows.key_of_both(one, other)
    old, new = one.columns, other.columns
    counts, keys = rows.counts(reader, one, other, examples)
    return Diff(
        before=one.name,
        after=other.name,
        key=key,
        rows_before=was.rows,
        rows_after=now.rows,
        counts=counts,
        problems=rows.problems_of(reader, one, other),
        causes=causes(was.recipe, now.recipe),
        columns_added={name: kind for name, kind in new.items() if name not in old},
        columns_removed={name: kind for name, kind in old.items() if name not in new},
        columns_retyped={name: (old[name], new[name]) for name in new if name in old and old[name] != new[name]},
        removed_to=rows.outcomes(reader, other, one) if counts.removed else [],
        added_from=rows.outcomes(reader, one, other) if counts.added else [],
        shifts=rows.shifts(reader, one, other, max(was.rows, now.rows)),
        shares=rows.shares(reader, one, other),
        examples=rows.examples(reader, one, other, keys) if examples else {},
    )
