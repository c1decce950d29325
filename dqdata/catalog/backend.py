"""What a store is made of: metadata, data files, a lock and a ledger, each wherever it may be.

    placed = backend.data.publish(finished, "problems", 4, backend.work)

`folder` has metadata in a SQLite file and data in a folder, `postgres` and `s3` what is elsewhere; `choice` picks them.
No other module knows where anything of a store is; on this machine are only checkpoints (`work`), what DuckDB spills,
and models.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dqdata.files import make_folder
from dqdata.place import LedgerPlace, StorePlace

if TYPE_CHECKING:
    import duckdb

FACTS = "store.json"
"""The note that a finished store has."""

PENDING = "commit.pending"
"""The note that exists while a commit is under way; a commit that was killed leaves it behind."""


class Lock(Protocol):
    """The one lock of a store; it is free again when the process that holds it has ended, however that was."""

    def acquire(self, timeout: float) -> bool:
        """Whether it was acquired within so many seconds."""
        ...

    def release(self) -> None:
        """Also ends waiting for it."""
        ...


class Metadata(ABC):
    """The database that DuckLake keeps its metadata in."""

    extension: str
    """DuckDB's for it."""
    schema: str
    """In which DuckLake's tables are."""

    @property
    def file(self) -> Path | None:
        """The SQLite file, None where the metadata are elsewhere. Only a file is copied: to read it if it cannot be
        written to, and before a migration."""
        return None

    @abstractmethod
    def exists(self) -> bool: ...

    @abstractmethod
    def create(self) -> None:
        """Makes an empty database, or leaves the one that is there."""

    @abstractmethod
    def address(self) -> str:
        """What DuckLake attaches."""

    @abstractmethod
    def lock(self) -> Lock: ...


class DataFile(ABC):
    """One Parquet file of a version."""

    name: str

    @property
    @abstractmethod
    def url(self) -> str:
        """What DuckDB reads it by."""

    @abstractmethod
    def exists(self) -> bool: ...

    @abstractmethod
    def size(self) -> int:
        """Bytes."""

    @abstractmethod
    def digest(self) -> str:
        """32 hex digits of BLAKE2b over its bytes, read now. Raises OSError."""

    @abstractmethod
    def rows(self) -> int:
        """From its footer. Raises FileNotFoundError, OSError, pyarrow's errors."""

    @abstractmethod
    def fetched(self, folder: Path) -> Path:
        """The file on this machine: itself, or a copy in the folder. Raises OSError."""

    @abstractmethod
    def remove(self) -> None:
        """One that is gone already is no error."""


@dataclass(frozen=True)
class Published:
    """A file as it was when it was placed."""

    file: DataFile
    bytes: int
    blake2b: str


class Data(ABC):
    """The files of all versions, and two notes on the store: `FACTS` and `PENDING`."""

    url: str
    """Its root, with a slash at the end: DuckLake's DATA_PATH. Files of a table are in `main/TABLE/` below it."""
    extensions: tuple[str, ...] = ()
    """Of DuckDB, to read and write it."""

    @property
    def folder(self) -> Path | None:
        """The folder on this machine, None where the files are elsewhere."""
        return None

    @abstractmethod
    def create(self) -> None: ...

    @abstractmethod
    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Gives a connection what it needs to reach the files."""

    @abstractmethod
    def file(self, table: str, name: str) -> DataFile: ...

    @abstractmethod
    def files(self) -> list[DataFile]:
        """All that are there, whether a version refers to them or not."""

    @abstractmethod
    def tables(self) -> list[str]:
        """Names of tables that have files."""

    @abstractmethod
    def publish(self, files: Sequence[Path], table: str, version: int, work: Path) -> list[Published]:
        """The files under new unique names in a table's folder, durable when it returns; all gone again when it raises.
        work: the store's own folder, where nobody writes to a finished file again."""

    @abstractmethod
    def place(self, table: str, file: Path) -> None:
        """A copy of the file under its own name in a table's folder: whole or not at all, durable when it returns."""

    @abstractmethod
    def written(self, table: str) -> AbstractContextManager[None]:
        """What DuckDB itself writes for this table within the block is durable when it ends."""

    @abstractmethod
    def read_note(self, name: str) -> str | None:
        """None where there is none. Raises OSError."""

    @abstractmethod
    def write_note(self, name: str, text: str) -> None:
        """Whole or not at all, and durable when it returns."""

    @abstractmethod
    def remove_note(self, name: str) -> None: ...


@dataclass(frozen=True)
class Backend:
    place: StorePlace
    metadata: Metadata
    data: Data

    @property
    def root(self) -> Path:
        return self.place.path

    @property
    def work(self) -> Path:
        return self.place.work

    @property
    def appended(self) -> Path:
        return self.place.appended

    @property
    def spill(self) -> Path:
        return self.root / "spill"

    @property
    def ledger(self) -> LedgerPlace:
        return self.place.ledger

    def exists(self) -> bool:
        """Whether a store was made here; a folder of that name may be there for other reasons."""
        return self.data.read_note(FACTS) is not None

    def create(self) -> None:
        make_folder(self.work)
        self.data.create()
        self.metadata.create()
