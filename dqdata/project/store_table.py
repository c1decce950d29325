"""`[store]` of a project: where its catalogs are."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, StrictBool, field_validator, model_validator

from dqdata.errors import InputError
from dqdata.params import Params
from dqdata.place import StorePlace


class StoreTable(Params):
    """`[store]`: where the catalogs are."""

    path: str = Field("catalogs", min_length=1)
    """Folder of the catalogs on a disk, relative to pipelines.toml; checkpoints and models are in it in any case."""
    metadata: str = ""
    """Where DuckLake's metadata are: `postgres:` with a connection string, by default a file in the folder."""
    data: str = ""
    """Where the files of versions are: `s3://BUCKET/PREFIX`, by default the folder."""
    ledger: str = ""
    """Where calls to teachers are recorded: `postgres:` with a connection string, by default a file in the folder."""
    group: StrictBool = False
    """Whether the group of the folder may read and write it, and not its owner alone."""

    @field_validator("path")
    @classmethod
    def _on_a_disk(cls, path: str) -> str:
        if "://" in path:
            raise ValueError("a store is a folder on a disk, and this is an address: name a folder, such as 'catalogs'")
        return path

    @model_validator(mode="after")
    def _has_a_place(self) -> StoreTable:
        try:
            self.place(Path())
        except InputError as error:
            raise ValueError(str(error)) from None
        return self

    def place(self, root: Path, profile: str = "") -> StorePlace:
        """root: the folder of the project."""
        place = StorePlace(root / self.path, self.metadata, self.data, self.ledger)
        return place.of_profile(profile) if profile else place
