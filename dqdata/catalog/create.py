"""Makes a store.

    create(backend_of(StorePlace(Path("catalogs"))))    # notes, metadata, data; a folder in use is left alone

`store.json` is written last: a store without it was never finished, and creating it again finishes it.
"""

from __future__ import annotations

from dqdata import __version__
from dqdata.catalog.backend import Backend
from dqdata.catalog.choice import backend_of
from dqdata.catalog.format import Facts, read_facts, write_facts
from dqdata.catalog.lake import attach
from dqdata.catalog.migrations import NEWEST
from dqdata.catalog.records import make_tables
from dqdata.ids import DEFAULT_SCHEME


def create(backend: Backend) -> None:
    """Makes the store, or finishes one whose creation was interrupted. Call it under the lock."""
    backend.create()
    con = attach(backend, read_only=False)
    try:
        con.execute("call lake.set_option('parquet_compression', 'zstd')")
        con.execute("begin")
        make_tables(con)
        con.execute("commit")
    finally:
        con.close()
    write_facts(backend, Facts(NEWEST, _scheme(backend), f"dqdata {__version__}"))


def _scheme(backend: Backend) -> str:
    """How problems are named: in the store of a profile as in the store that it belongs to."""
    if (place := backend.place.above) is not None and (above := backend_of(place)).exists():
        return read_facts(above, NEWEST).ids
    return DEFAULT_SCHEME
