"""Where a row came from and why it is, or is not, in a catalog: occurrences, ancestors, calls.

found = why(store, "5d1c...")
[(one.version, one.reason) for one in found.occurrences]
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dqdata.catalog.answers import query_errors
from dqdata.catalog.contents import data_files, keys
from dqdata.columns import KEYS, REJECTS
from dqdata.errors import QueryError
from dqdata.history.origins import reached
from dqdata.history.rows import dicts
from dqdata.ledger.choice import has_ledger
from dqdata.masking import masker
from dqdata.refs import REJECTS_SUFFIX
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    from dqdata.catalog import Store

_LONGEST_CHAIN = 100
"""Rewritings of one trace after which a chain of parents is taken for a circle of ids."""


@dataclass(frozen=True)
class Occurrence:
    """A version of a catalog that kept the row, or rejected it: then with step, reason and detail."""

    version: str
    kept: bool
    step: str
    reason: str
    detail: str
    row: dict[str, Any]


@dataclass(frozen=True)
class Why:
    """What the store knows of one id. key: the column whose value it is. occurrences: in the newest versions, catalogs
    by the time of their commit, so the first one is where the row was made. ancestors: rows it was made from, nearest
    first. calls: rows of ledger.calls that made it or an ancestor, with their failed attempts under `failures`."""

    id: str
    key: str
    occurrences: list[Occurrence]
    ancestors: list[Occurrence]
    calls: list[dict[str, Any]]


def why(store: Store, row_id: str, *, within: tuple[str, int] | None = None) -> Why:
    """Looks for a `problem_id`, `trace_id` or `pair_id` in the newest version of each catalog, or in the version
    `within`, and in its rejects; where none of the newest has it, in the newest older version that does. Raises
    QueryError where it occurs in none."""
    places = [within] if within else _newest(store)
    occurrences = [found for place in places for found in _occurrences(store, *place, row_id)]
    if not occurrences and within is None:
        older = _newest_with(store, row_id)
        occurrences = list(_occurrences(store, *older, row_id)) if older else []
    if not occurrences:
        where = f"{within[0]}@{within[1]}" if within else "any version of any catalog"
        raise QueryError(
            f"no row of {where} or its rejects has the id {row_id!r}; "
            + ("leave out --in to look everywhere" if within else "`dqdata show NAME --rejects` lists ids"),
            code="unknown-row",
        )
    row = occurrences[0].row
    key = next((name for name in KEYS if row.get(name) == row_id), "row_key")
    ancestors = list(_ancestors(store, [*_made_from(store, occurrences), *places], row)) if _parents(row) else []
    keys = [one.row.get("ledger_key") for one in (*occurrences, *ancestors)]
    return Why(row_id, key, occurrences, ancestors, _calls(store, [str(one) for one in dict.fromkeys(keys) if one]))


def _newest(store: Store) -> list[tuple[str, int]]:
    newest = {version.catalog: version for version in store.versions()}
    return [(one.catalog, one.version) for one in sorted(newest.values(), key=lambda one: one.snapshot_id)]


def _newest_with(store: Store, row_id: str) -> tuple[str, int] | None:
    """The newest version of any catalog that has the id as a key, in its rows or rejects; None where none has it. Reads
    the files of all versions in one query for each key, as a query for each version would take seconds a thousand."""
    known = [(one.catalog, one.version) for one in reversed(store.versions())]
    files, keyed = data_files(store), keys(store)
    owners: dict[str, dict[str, tuple[str, int]]] = {}
    for at in known:
        for table, parts in files[at].items():
            if parts:
                key = "row_key" if table.endswith(REJECTS_SUFFIX) else keyed[at]
                owners.setdefault(key, {}).update({part.url: at for part in parts})
    found: set[tuple[str, int]] = set()
    wanted = literal(row_id)
    for key, of in owners.items():
        where = f"{quoted(key)} = {wanted}"
        if key == "row_key":
            where += f" or trace_id = {wanted} or (problem_id = {wanted} and trace_id is null)"
        urls = ", ".join(map(literal, of))
        with contextlib.closing(store.cursor()) as con, query_errors(store):
            sql = f"select distinct filename from read_parquet([{urls}], filename = true) where {where}"
            found |= {of[str(name)] for (name,) in con.execute(sql).fetchall()}
    return next((at for at in known if at in found), None)


def _occurrences(store: Store, catalog: str, version: int, row_id: str) -> Iterator[Occurrence]:
    columns = store.schema(catalog, version)
    name, wanted = f"{catalog}@{version}", literal(row_id)
    if columns.key in columns:
        for row in dicts(store, f"select * from {name} where {quoted(columns.key)} = {wanted}"):
            yield Occurrence(name, True, "", "", "", row)
    rejects = f"{catalog}{REJECTS_SUFFIX}@{version}"
    condition = f"row_key = {wanted} or trace_id = {wanted} or (problem_id = {wanted} and trace_id is null)"
    for row in dicts(store, f"select {', '.join(map(quoted, REJECTS))} from {rejects} where {condition}"):
        content = json.loads(row["row"]) if row["row"] else {}
        ids = {key: row[key] for key in ("problem_id", "trace_id") if row[key] is not None}
        yield Occurrence(name, False, row["step"], row["reason"], row["detail"] or "", {**ids, **content})


def _made_from(store: Store, occurrences: list[Occurrence]) -> list[tuple[str, int]]:
    """The versions that hold the row, and those that they were made from, nearest first."""
    known = {f"{one.catalog}@{one.version}": one for one in store.versions()}
    names = dict.fromkeys(name for one in occurrences for name in reversed(reached(known, one.version)))
    return [(known[name].catalog, known[name].version) for name in names if name in known]


def _ancestors(store: Store, places: list[tuple[str, int]], row: dict[str, Any]) -> Iterator[Occurrence]:
    """The rows named by `parent_id`, then by `parent_ids`, each once, nearest first."""
    todo, seen = _parents(row), {str(row.get(key)) for key in KEYS if row.get(key)}
    while todo and len(seen) < _LONGEST_CHAIN:
        parent = todo.pop(0)
        if parent in seen:
            continue
        seen.add(parent)
        found = next((one for place in places for one in _occurrences(store, *place, parent)), None)
        if found is not None:
            yield found
            todo += _parents(found.row)


def _parents(row: dict[str, Any]) -> list[str]:
    one = [row["parent_id"]] if row.get("parent_id") else []
    return [str(parent) for parent in (*one, *(row.get("parent_ids") or ()))]


def _calls(store: Store, keys: list[str]) -> list[dict[str, Any]]:
    if not keys or not has_ledger(store.ledger_place):
        return []
    wanted = ", ".join(map(literal, keys))
    calls = dicts(
        store,
        "select ledger_key, teacher, model, pipeline, step, run_id, sample, finish_reason, input_tokens, "
        "output_tokens, cost_usd, seconds, created_at from ledger.calls "
        f"where ledger_key in ({wanted}) order by created_at",
    )
    failures = dicts(
        store,
        "select ledger_key, attempt, reason, status, message from ledger.failures "
        f"where ledger_key in ({wanted}) and kind <> 'duplicate' order by failure_id",
    )
    for one in failures:  # earlier versions stored the server's words as they came
        one["message"] = masker.hide(str(one["message"]))
    for call in calls:
        call["failures"] = [one for one in failures if one["ledger_key"] == call["ledger_key"]]
    return calls
