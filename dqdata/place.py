"""Where a store is, in plain values: what `[store]` of a project says, and what a process on another machine is given.

StorePlace(Path("catalogs"))                                                 # all of it in one folder
StorePlace(Path("catalogs"), metadata="postgres:dbname=traces", data="s3://bucket/prefix")
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dqdata.errors import InputError

PROFILES = "profiles"


@dataclass(frozen=True)
class StorePlace:
    """path: a folder of this machine, for checkpoints and models in any case, and for what has no URL. metadata: empty,
    or `postgres:` with a connection string of libpq (`postgres:host=db dbname=traces`, `postgresql://db/traces`).
    data: empty, or `s3://BUCKET/PREFIX`. Passwords and keys come from the environment and are refused here."""

    path: Path
    metadata: str = ""
    data: str = ""

    def __post_init__(self) -> None:
        if self.metadata and not re.match(r"postgres(ql)?:", self.metadata):
            raise InputError(f"[store] metadata = {_shown(self.metadata)}: only `postgres:...` and a folder are known")
        if re.search(r"password\s*=", self.metadata, re.IGNORECASE) or urlsplit(self.metadata).password:
            raise InputError("[store] metadata holds a password: set PGPASSWORD, or use a ~/.pgpass file")
        if self.data and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w!.*'()=-]+)*/?", self.data):
            raise InputError(f"[store] data = {_shown(self.data)} is no `s3://BUCKET/PREFIX`")

    @property
    def profile(self) -> str:
        """The profile whose store this is: it lies in `profiles/NAME` of another, and shares its ledger."""
        return self.path.name if self.path.parent.name == PROFILES else ""

    @property
    def ledger(self) -> Path:
        """The store of a profile shares the ledger of the one that it belongs to: nothing is paid twice."""
        above = self.above
        return (above.path if above else self.path) / "ledger.sqlite"

    @property
    def work(self) -> Path:
        """Checkpoints: where the data files are in a folder, on the same file system, so that a commit links them."""
        return self.path / "work"

    @property
    def appended(self) -> Path:
        """What runs in append mode take over from the run before, by catalog."""
        return self.path / "append"

    @property
    def above(self) -> StorePlace | None:
        """The store that this one of a profile belongs to."""
        if not self.profile:
            return None
        data = self.data.removesuffix(f"/{PROFILES}/{self.profile}")
        return StorePlace(self.path.parent.parent, self.metadata, data)

    def of_profile(self, name: str) -> StorePlace:
        """The store of a profile of the project that has this one."""
        data = f"{self.data.rstrip('/')}/{PROFILES}/{name}" if self.data else ""
        return StorePlace(self.path / PROFILES / name, self.metadata, data)

    def absolute(self) -> StorePlace:
        return StorePlace(self.path.absolute(), self.metadata, self.data)

    def __str__(self) -> str:
        """As messages name it."""
        return self.data or str(self.path)


def place_of(store: Path | StorePlace) -> StorePlace:
    """The place of a store that may be given as its folder."""
    return store if isinstance(store, StorePlace) else StorePlace(Path(store))


def _shown(url: str) -> str:
    """A URL in a message, without what may be a secret in it."""
    return repr(re.sub(r"//[^/@]*@", "//***@", url))
