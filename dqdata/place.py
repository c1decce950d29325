"""Where a store is, in plain values: what `[store]` of a project says, and what a process on another machine is given.

StorePlace(Path("catalogs"))                                                 # all of it in one folder
StorePlace(Path("catalogs"), metadata="postgres:dbname=traces", data="s3://bucket/prefix")
ledger_at("postgres:dbname=traces")          # PostgresPlace; a path for anything else
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from dqdata.errors import InputError

PROFILES = "profiles"
CONNECT_SECONDS = 10
LEDGER_SCHEMA = "dqdata_ledger"
"""Of a database that a ledger is in."""


@dataclass(frozen=True)
class PostgresPlace:
    """A database of Postgres: `postgres:` with a connection string of libpq. key: of `[store]`, for messages."""

    url: str
    key: str = field(default="ledger", compare=False)

    def __post_init__(self) -> None:
        if not re.match(r"postgres(ql)?:", self.url):
            raise InputError(f"[store] {self.key} = {_shown(self.url)}: only `postgres:...` and a folder are known")
        if re.search(r"password\s*=", self.url, re.IGNORECASE) or urlsplit(self.url).password:
            raise InputError(f"[store] {self.key} holds a password: set PGPASSWORD, or use a ~/.pgpass file")

    @property
    def connection(self) -> str:
        """The connection string of libpq, with a limit on the time to connect: a host may answer nothing at all."""
        given = re.sub(r"^postgres(ql)?:(?!//)", "", self.url)
        if "connect_timeout" in given:
            return given
        limit = f"connect_timeout={CONNECT_SECONDS}"
        if re.match(r"postgres(ql)?://", given):
            return f"{given}{'&' if '?' in given else '?'}{limit}"
        return f"{given} {limit}"

    def __str__(self) -> str:
        return self.url


LedgerPlace = Path | PostgresPlace
"""Where a ledger is: a SQLite file, or a schema of a Postgres database."""


def ledger_at(text: str | LedgerPlace) -> LedgerPlace:
    """The ledger that a text names: a URL, or a file; a place as it is."""
    if isinstance(text, PostgresPlace):
        return text
    is_url = isinstance(text, str) and re.match(r"postgres(ql)?:", text)
    return PostgresPlace(str(text)) if is_url else Path(text)


@dataclass(frozen=True)
class StorePlace:
    """path: a folder of this machine, for checkpoints and models in any case, and for what has no URL. metadata: empty,
    or `postgres:` with a connection string of libpq (`postgres:host=db dbname=traces`, `postgresql://db/traces`).
    data: empty, or `s3://BUCKET/PREFIX`. ledger_url: empty, or `postgres:` as for metadata. Passwords and keys come
    from the environment and are refused here."""

    path: Path
    metadata: str = ""
    data: str = ""
    ledger_url: str = ""

    def __post_init__(self) -> None:
        for key, url in (("metadata", self.metadata), ("ledger", self.ledger_url)):
            if url:
                PostgresPlace(url, key)
        if self.data and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w!.*'()=-]+)*/?", self.data):
            raise InputError(f"[store] data = {_shown(self.data)} is no `s3://BUCKET/PREFIX`")

    @property
    def profile(self) -> str:
        """The profile whose store this is: it lies in `profiles/NAME` of another, and shares its ledger."""
        return self.path.name if self.path.parent.name == PROFILES else ""

    @property
    def ledger(self) -> LedgerPlace:
        """The store of a profile shares the ledger of the one that it belongs to: nothing is paid twice."""
        return PostgresPlace(self.ledger_url) if self.ledger_url else self.shared.absolute() / "ledger.sqlite"

    @property
    def shared(self) -> Path:
        """The folder on this machine that stores of profiles share with the one that they belong to."""
        return self.above.path if self.above else self.path

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
        return StorePlace(self.path.parent.parent, self.metadata, data, self.ledger_url)

    def of_profile(self, name: str) -> StorePlace:
        """The store of a profile of the project that has this one."""
        data = f"{self.data.rstrip('/')}/{PROFILES}/{name}" if self.data else ""
        return StorePlace(self.path / PROFILES / name, self.metadata, data, self.ledger_url)

    def absolute(self) -> StorePlace:
        return replace(self, path=self.path.absolute())

    def __str__(self) -> str:
        """As messages name it."""
        return self.data or str(self.path)


def place_of(store: Path | StorePlace) -> StorePlace:
    """The place of a store that may be given as its folder."""
    return store if isinstance(store, StorePlace) else StorePlace(Path(store))


def _shown(url: str) -> str:
    """A URL in a message, without what may be a secret in it."""
    return repr(re.sub(r"//[^/@]*@", "//***@", url))
