"""Makes a store.

    create(Layout(Path("catalogs")))         # store.json, metadata.sqlite, data/, work/; a folder in use is left alone

`store.json` is written last: a store without it was never finished, and creating it again finishes it.
"""

from __future__ import annotations

from dqdata import __version__
from dqdata.catalog.format import Facts, read_facts, write_facts
from dqdata.catalog.lake import Layout, attach, make_metadata
from dqdata.catalog.migrations import NEWEST
from dqdata.catalog.records import make_tables
from dqdata.files import make_folder
from dqdata.ids import DEFAULT_SCHEME


def create(layout: Layout) -> None:
    """Makes the store, or finishes one whose creation was interrupted. Call it under the lock."""
    for folder in (layout.data, layout.work):
        make_folder(folder)
    make_metadata(layout.metadata)
    con = attach(layout, read_only=False)
    try:
        con.execute("call lake.set_option('parquet_compression', 'zstd')")
        con.execute("begin")
        make_tables(con)
        con.execute("commit")
    finally:
        con.close()
    write_facts(layout, Facts(NEWEST, _scheme(layout), f"dqdata {__version__}"))


def _scheme(layout: Layout) -> str:
    """How problems are named: in the store of a profile as in the store that it belongs to."""
    above = layout.root.parent
    if above.name == "profiles" and Layout(above.parent).format.is_file():
        return read_facts(Layout(above.parent), NEWEST).ids
    return DEFAULT_SCHEME
