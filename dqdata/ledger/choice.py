"""The database of a ledger by its place.

database_of(Path("catalogs/ledger.sqlite")).exists()
"""

from __future__ import annotations

from dqdata.ledger.database import Database
from dqdata.ledger.file import FileLedger
from dqdata.place import LedgerPlace, PostgresPlace


def database_of(place: LedgerPlace) -> Database:
    """Raises StoreError for one that needs a package that isn't there."""
    if isinstance(place, PostgresPlace):
        from dqdata.ledger.postgres import PostgresLedger

        return PostgresLedger(place)
    return FileLedger(place)


def has_ledger(place: LedgerPlace) -> bool:
    """Whether a ledger was made there. Raises StoreError for a server that can't be reached."""
    return database_of(place).exists()


def ledger_bytes(place: LedgerPlace) -> int:
    """0 where there is none."""
    database = database_of(place)
    return database.size() if database.exists() else 0
