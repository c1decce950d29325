"""`store.json`: the number of the store's format, and what else holds for the whole store.

    facts = read_facts(layout)           # Facts(format=4, ids="nfkc", made_by="dqdata 0.2.0")

A number counts the changes of the store's layout and own tables; `migrations` tells them. A store without a number is
one of version 0.1. The scheme of ids is chosen when a store is made and kept: the same problem has one id in all of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from dqdata import __version__
from dqdata.catalog.lake import Layout
from dqdata.errors import StoreError
from dqdata.files import make_file, whole_file
from dqdata.ids import SCHEMES

FIRST = 1
"""The format of version 0.1."""


@dataclass(frozen=True)
class Facts:
    """ids: a name in `dqdata.ids.SCHEMES`."""

    format: int
    ids: str
    made_by: str


def read_facts(layout: Layout, newest: int) -> Facts:
    """What the file says. Raises StoreError for a store newer than the format `newest`, damaged or half made."""
    try:
        found = json.loads(layout.format.read_text(encoding="utf-8"))
        number = found.get("format", FIRST)
        if type(number) is not int or number < FIRST:
            raise ValueError(f"format is {number!r}, not a number from {FIRST}")
        facts = Facts(number, str(found.get("ids", "nfkc")), str(found.get("made_by", "another dqdata")))
    except (ValueError, AttributeError) as error:
        raise StoreError(
            f"the store {layout.root} is damaged: {layout.format.name} can't be read ({error}); restore it "
            "from a backup"
        ) from error
    if facts.format > newest:
        raise StoreError(
            f"the store {layout.root} was made by a newer dqdata ({facts.made_by}, store format {facts.format}; "
            f"this is dqdata {__version__}, format {newest}): update dqdata"
        )
    if facts.ids not in SCHEMES:
        raise StoreError(
            f"the store {layout.root} was made by {facts.made_by} with ids of the scheme {facts.ids!r}; this is dqdata "
            f"{__version__}, which knows {', '.join(SCHEMES)}: update dqdata"
        )
    if not layout.metadata.is_file():
        raise StoreError(
            f"the store {layout.root} is damaged: {layout.metadata.name} is missing; restore it from a backup, the "
            "data files alone don't say which version they belong to"
        )
    return facts


def write_facts(layout: Layout, facts: Facts) -> None:
    """Whole or not at all, and on disk when it returns."""
    with whole_file(layout.format) as unfinished:
        make_file(unfinished)
        unfinished.write_text(json.dumps(asdict(facts)) + "\n", encoding="utf-8")
