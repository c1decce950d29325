"""How a version of a catalog is named: NAME, NAME@3, NAME@TAG, NAME@2026-11-01."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dqdata.errors import QueryError
from dqdata.refs import catalog_ref

if TYPE_CHECKING:
    from dqdata.catalog import Store

KINDS = "{0}, {0}@3, {0}@latest, {0}@TAG or {0}@2026-11-01"
"""How a version is named."""


def one_version(store: Store, text: str) -> tuple[str, int]:
    """The catalog and version that NAME or NAME@VERSION means. Raises QueryError for anything else."""
    named = catalog_ref(text)
    if named is None:
        raise QueryError(
            f"{text!r} is no version of a catalog: {KINDS.format('NAME')}",
            code="unknown-catalog",
        )
    return named.name, store.resolve(named)
