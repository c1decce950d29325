"""Makes a store and checks that this dqdata can read one.

    create(Layout(Path("catalogs")))         # store.json, metadata.sqlite, data/, work/; a folder in use is left alone

`store.json` is written last: a store without it was never finished, and creating it again finishes it.
"""

from __future__ import annotations

import json

from dqdata import __version__
from dqdata.catalog.lake import Layout, attach, make_metadata
from dqdata.catalog.records import TABLES
from dqdata.errors import StoreError
from dqdata.files import make_file, make_folder
from dqdata.sql import quoted

FORMAT = 1
"""Version of the store's layout and own tables. A store with a higher one is refused."""


def create(layout: Layout) -> None:
    """Makes the store, or finishes one whose creation was interrupted. Call it under the lock."""
    for folder in (layout.data, layout.work):
        make_folder(folder)
    make_metadata(layout.metadata)
    con = attach(layout, read_only=False)
    try:
        con.execute("call lake.set_option('parquet_compression', 'zstd')")
        con.execute("begin")
        for table, columns in TABLES.items():
            types = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
            con.execute(f"create table if not exists lake.main.{table} ({types})")
        con.execute("commit")
    finally:
        con.close()
    new = layout.format.with_suffix(".new")
    make_file(new)
    new.write_text(json.dumps({"format": FORMAT, "made_by": f"dqdata {__version__}"}) + "\n")
    new.replace(layout.format)


def check_format(layout: Layout) -> None:
    """Raises StoreError for a store that is newer, damaged or only half made."""
    try:
        found = json.loads(layout.format.read_text())
        version, made_by = int(found["format"]), str(found.get("made_by", "another dqdata"))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the store {layout.root} is damaged: {layout.format.name} can't be read ({error})") from error
    if version > FORMAT:
        raise StoreError(
            f"the store {layout.root} was made by a newer dqdata ({made_by}, store format {version}; this is dqdata "
            f"{__version__}, format {FORMAT}): update dqdata"
        )
    if not layout.metadata.is_file():
        raise StoreError(
            f"the store {layout.root} is damaged: {layout.metadata.name} is missing; restore it from a backup, the "
            "data files alone don't say which version they belong to"
        )
