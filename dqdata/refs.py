"""References to catalogs and trained models: `problems`, `problems@3`, `problems@latest`, `trained:slow_sft@2`.

A catalog's version may also be a day, `problems@2026-11-01` (the newest at its end, in UTC), or a tag,
`problems@release`.

>>> catalog_ref("slow_thinking@3")
Ref(name='slow_thinking', version=3, label='')
>>> catalog_ref("slow_thinking@release").label
'release'
>>> model_ref("trained:slow_sft@latest")
Ref(name='slow_sft', version=None, label='')
>>> as_query("problems@3"), as_query("select id from problems")
('select * from problems@3', 'select id from problems')
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dqdata.errors import InputError

LATEST = "latest"
REJECTS_SUFFIX = "__rejects"
FIRST_SUFFIX = "__first_"
"""`p__first_20` is the catalog of a run of p over the first 20 rows of its source."""
RECORDS = ("dq_versions", "dq_runs", "dq_models", "dq_metrics", "dq_evals", "dq_marks", "dq_files", "dq_checks")
"""Tables of the store's own; they have no versions."""
COSTS = "dq_costs"
"""A view over them and the ledger."""
DIFFICULTY = "dq_difficulty"
"""A view over all catalogs that have pass rates."""
TRAINED = "trained:"
DATE = re.compile(r"\d{4}-\d\d-\d\d")
TAG = r"[A-Za-z][A-Za-z0-9_]{0,62}"
VERSION = rf"({DATE.pattern}|\d+|{TAG})"
"""What may follow the @ of a reference to a catalog."""

_CATALOG_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_CATALOG = re.compile(rf"([A-Za-z_][A-Za-z0-9_]*)(?:@{VERSION})?", re.IGNORECASE)
_MODEL = re.compile(rf"{TRAINED}([A-Za-z0-9_-]+)(?:@(\d+|{LATEST}))?")
_TAKEN = frozenset({"lake", "ledger", "main", "memory", "system", "temp", "information_schema", "pg_catalog"})
"""Databases and schemas: what a query already means by these names."""

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

_JOINS = frozenset(
    """anti asof at authorization binary by collation concurrently cross freeze full glob ilike inner is isnull join
    left like natural notnull outer overlaps positional right semi similar tablesample unpack verbose""".split()
)
"""Words that name a table only in quotes; older stores have catalogs of these names, as in `from "left"`."""


class Ref(NamedTuple):
    """A catalog or model, and a version of it. label: a day or a tag, in small letters, where the version is named by
    one. Without version and label it is the latest."""

    name: str
    version: int | None
    label: str = ""

    @property
    def fixed(self) -> bool:
        """Whether it means one version, and not whichever is the latest."""
        return self.version is not None or bool(self.label)

    @classmethod
    def matched(cls, found: re.Match[str]) -> Ref:
        """From a match whose groups are a name and what follows its @, if anything."""
        said = (found[2] or LATEST).lower()
        if said == LATEST:
            return cls(found[1], None)
        return cls(found[1], int(said)) if said.isdecimal() else cls(found[1], None, said)


def catalog_ref(text: str) -> Ref | None:
    """The reference that the whole text is, blanks around it aside; None for SQL and anything else."""
    found = _CATALOG.fullmatch(text.strip())
    return Ref.matched(found) if found else None


def model_ref(text: str) -> Ref | None:
    """The trained model that the whole text names; None for folders, files and hub names."""
    found = _MODEL.fullmatch(text)
    return Ref.matched(found) if found else None


def models_in(text: str) -> list[Ref]:
    """Every trained model that a text mentions, in order."""
    return [Ref.matched(found) for found in _MODEL.finditer(text)]


def as_query(text: str) -> str:
    """The rows of a catalog as SQL, where the text names one; other text, which is SQL already, as it is."""
    ref = catalog_ref(text)
    return f"select * from {_in_quotes(text.strip())}" if ref else text


def _in_quotes(name: str) -> str:
    return f'"{name}"' if name.lower() in _JOINS else name


def check_name(name: str) -> str:
    """The name, if a catalog may have it. Raises InputError that says why not."""
    if not _CATALOG_NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name for a catalog: small letters, digits and _, at most 63, a letter first")
    if name.endswith(REJECTS_SUFFIX) or name.startswith("dq_"):
        raise InputError(f"{name!r} is no name for a catalog: dq_... and ...{REJECTS_SUFFIX} are the store's own")
    if name in RESERVED or name in _TAKEN or name in _JOINS:
        raise InputError(f"{name!r} is no name for a catalog: it means something else in SQL; {name}_rows would do")
    return name


def owner(table: str) -> str:
    """The catalog that a table belongs to: `p` for `p` and for `p__rejects`."""
    return table.removesuffix(REJECTS_SUFFIX)
