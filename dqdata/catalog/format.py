"""`store.json`: the number of the store's format, and what else holds for the whole store.

    facts = read_facts(backend)          # Facts(format=4, ids="nfkc", made_by="dqdata 0.2.0")

A number counts the changes of the store's layout and own tables; `migrations` tells them. A store without a number is
one of version 0.1. The scheme of ids is chosen when a store is made and kept: the same problem has one id in all of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from dqdata import __version__
from dqdata.catalog.backend import FACTS, Backend
from dqdata.errors import StoreError
from dqdata.ids import SCHEMES

FIRST = 1
"""The format of version 0.1."""


@dataclass(frozen=True)
class Facts:
    """ids: a name in `dqdata.ids.SCHEMES`."""

    format: int
    ids: str
    made_by: str


def read_facts(backend: Backend, newest: int) -> Facts:
    """What the file says. Raises StoreError for a store newer than the format `newest`, damaged or half made."""
    try:
        found = json.loads(backend.data.read_note(FACTS) or "")
        number = found.get("format", FIRST)
        if type(number) is not int or number < FIRST:
            raise ValueError(f"format is {number!r}, not a number from {FIRST}")
        facts = Facts(number, str(found.get("ids", "nfkc")), str(found.get("made_by", "another dqdata")))
    except (ValueError, AttributeError) as error:
        raise StoreError(
            f"the store {backend.place} is damaged: {FACTS} can't be read ({error}); restore it from a backup"
        ) from error
    if facts.format > newest:
        raise StoreError(
            f"the store {backend.place} was made by a newer dqdata ({facts.made_by}, store format {facts.format}; "
            f"this is dqdata {__version__}, format {newest}): update dqdata"
        )
    if facts.ids not in SCHEMES:
        raise StoreError(
            f"the store {backend.place} was made by {facts.made_by} with ids of the scheme {facts.ids!r}; this is "
            f"dqdata {__version__}, which knows {', '.join(SCHEMES)}: update dqdata"
        )
    if not backend.metadata.exists():
        raise StoreError(
            f"the store {backend.place} is damaged: {_named(backend)} is missing; restore it from a backup, the "
            "data files alone don't say which version they belong to"
        )
    return facts


def write_facts(backend: Backend, facts: Facts) -> None:
    """Whole or not at all, and durable when it returns."""
    backend.data.write_note(FACTS, json.dumps(asdict(facts)) + "\n")


def _named(backend: Backend) -> str:
    """The metadata in a message."""
    file = backend.metadata.file
    return file.name if file else f"the schema {backend.metadata.schema} of its metadata"
