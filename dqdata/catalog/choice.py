"""The parts of a store by its place.

backend = backend_of(StorePlace(Path("catalogs"), data="s3://bucket/prefix"))
"""

from __future__ import annotations

from dqdata.catalog.backend import Backend, Data, Metadata
from dqdata.catalog.folder import FolderData, SqliteMetadata
from dqdata.place import StorePlace


def backend_of(place: StorePlace) -> Backend:
    """The parts that a place names. Raises StoreError for one that needs a package or a variable that isn't there."""
    root = place.path
    metadata: Metadata = SqliteMetadata(root)
    data: Data = FolderData(root)
    if place.metadata:
        from dqdata.catalog.postgres import PostgresMetadata

        metadata = PostgresMetadata(place.metadata, place.profile)
    if place.data:
        from dqdata.catalog.s3 import S3Data

        data = S3Data(place.data)
    return Backend(place, metadata, data)
