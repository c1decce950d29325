"""Names: of catalogs, of the tables beside them, and quoting for SQL.

>>> check_name("slow_thinking"), quoted("slow_thinking@3")
('slow_thinking', '"slow_thinking@3"')
"""

from __future__ import annotations

import re
from datetime import datetime

from dqdata.errors import InputError

REJECTS_SUFFIX = "__rejects"
RECORDS = ("dq_versions", "dq_runs", "dq_models", "dq_metrics")
"""Tables of the store's own; they have no versions."""

_CATALOG = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TAKEN = frozenset({"lake", "ledger", "main", "memory", "system", "temp", "information_schema", "pg_catalog"})
"""What a query already means by these names: databases and schemas."""

RESERVED = frozenset(
    re.findall(
        r"\w+",
        """all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
        default deferrable desc describe distinct do else end except false fetch for foreign from group having in
        initially intersect into lambda lateral leading limit not null offset on only or order pivot pivot_longer
        pivot_wider placing primary qualify references returning select show some summarize symmetric table then to
        trailing true union unique unpivot using variadic when where window with""",
    )
)
"""Words that DuckDB keeps for itself (`duckdb_keywords()`): `from order` could never name a catalog."""


def check_name(name: str) -> str:
    """The name, if a catalog may have it. Raises InputError that says why not."""
    if not _CATALOG.fullmatch(name):
        raise InputError(f"{name!r} is no name for a catalog: small letters, digits and _, at most 63, a letter first")
    if name.endswith(REJECTS_SUFFIX) or name.startswith("dq_"):
        raise InputError(f"{name!r} is no name for a catalog: dq_... and ...{REJECTS_SUFFIX} are the store's own")
    if name in RESERVED or name in _TAKEN:
        raise InputError(f"{name!r} is no name for a catalog: it already means something else in SQL")
    return name


def owner(table: str) -> str:
    """The catalog that a table belongs to: `p` for `p` and for `p__rejects`."""
    return table.removesuffix(REJECTS_SUFFIX)


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | int | float | datetime | None) -> str:
    """The value written in SQL. Values bound to `?` make DuckDB import numpy and pandas, which takes half a second."""
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float):
        return f"'{value}'::DOUBLE"
    if isinstance(value, datetime):
        return f"TIMESTAMPTZ '{value.isoformat()}'"
    return "'" + value.replace("\0", "").replace("'", "''") + "'"
