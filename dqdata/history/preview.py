"""What each step of a pipeline did to each of a few rows: the content of `dqdata preview`.

rows = effects(store, "traces__first_5", 1)
rows[0].outcomes[0].ended
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dqdata.history.rows import dicts
from dqdata.masking import masker
from dqdata.refs import REJECTS_SUFFIX

if TYPE_CHECKING:
    from dqdata.catalog import Store

_GROUPS = ("problem_id", "trace_id", "pair_id", "row_key")
"""Columns by which the rows that came of one row are put together: the first one that a row has."""


@dataclass(frozen=True)
class StepEffect:
    """A step, and the columns that it brings and takes away."""

    id: str
    op: str
    added: Sequence[str]
    removed: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """One row that came of a row of the source. ended: the step that rejected it, empty for a kept row. values: its
    columns where it ended."""

    ended: str
    kind: str
    reason: str
    detail: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Previewed:
    """What became of one row of the source."""

    key: str
    outcomes: Sequence[Outcome]


def effects(store: Store, catalog: str, version: int) -> list[Previewed]:
    """Every row of a small version and its rejects, those of one problem together. Raises QueryError for an unknown
    version."""
    found: dict[str, list[Outcome]] = {}
    for row in dicts(store, f"from {catalog}@{version}"):
        found.setdefault(_group(row), []).append(Outcome("", "", "", "", row))
    for one in dicts(store, f"from {catalog}{REJECTS_SUFFIX}@{version}"):
        values = json.loads(one["row"]) if one["row"] else {}
        ids = {name: one[name] for name in ("problem_id", "trace_id") if one[name] is not None}
        detail = masker.hide(str(one["detail"] or ""))
        outcome = Outcome(str(one["step"]), str(one["kind"]), str(one["reason"]), detail, {**ids, **values})
        found.setdefault(_group({**one, **outcome.values}), []).append(outcome)
    return [Previewed(key, outcomes) for key, outcomes in sorted(found.items())]


def _group(row: Mapping[str, Any]) -> str:
    return next((str(row[name]) for name in _GROUPS if row.get(name) is not None), "")
