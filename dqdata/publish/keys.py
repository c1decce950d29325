"""Finds rows with keys of services in them, which must not be published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dqdata.columns import Columns
from dqdata.errors import DataError
from dqdata.history.rows import dicts
from dqdata.sql import literal, quoted

if TYPE_CHECKING:
    from dqdata.catalog import Store

SHAPES = (
    r"\bsk-(?:proj-|ant-|or-)?[A-Za-z0-9_-]{20,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}|"
    r"\bhf_[A-Za-z0-9]{30,}|\bAIza[0-9A-Za-z_-]{35}|\bxox[baprs]-[A-Za-z0-9-]{10,}|"
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----|"
    r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"
)
EXAMPLES = 3


def refuse_keys(store: Store, version: str, columns: Columns) -> None:
    """Raises DataError that names rows and columns with something of the shape of a key, never the key."""
    texts = [name for name, kind in columns.items() if "VARCHAR" in kind or kind == "JSON"]
    if not texts:
        return
    key = quoted(columns.key) if columns.key in columns else "''"
    tests = {name: f"regexp_matches({quoted(name)}::varchar, {literal(SHAPES)})" for name in texts}
    [total] = dicts(store, f"select count(*) as n from {version} where {' or '.join(tests.values())}")
    if not total["n"]:
        return
    named = ", ".join(f"case when {test} then {literal(name)} end" for name, test in tests.items())
    rows = dicts(
        store,
        f"select {key}::varchar as k, concat_ws(', ', {named}) as c from {version} where {' or '.join(tests.values())} "
        f"order by k limit {EXAMPLES}",
    )
    examples = "; ".join(f"{row['k']} ({row['c']})" for row in rows)
    raise DataError(
        f"{version}: {total['n']:,} rows hold what looks like a key of a service, such as {examples}; drop them with "
        '{ op = "pii", kinds = ["key"] } and a filter, and publish the version without them',
        code="key-in-rows",
    )
