"""What the ledger asks of a database: portable SQL with `?` for values, and transactions that are durable.

    with closing(database_of(Path("catalogs/ledger.sqlite")).open(read_only=True)) as session:
        session.rows(f"select response from calls where ledger_key in {KEYS}", [json.dumps(keys)])

`file` has it in SQLite, `postgres` in a server that many machines share.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import duckdb

    from dqdata.ledger.claims import Claims

T = TypeVar("T")
Row = tuple[Any, ...]

KEYS = "(select value from json_each(?))"
"""Its value is a JSON list of texts. Each database may write this in its own words."""


class Cursor(Protocol):
    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What happens within one transaction."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Cursor: ...


class Session(ABC):
    """An open ledger, for one thread at a time."""

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Raises StoreError."""

    @abstractmethod
    def transact(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once all that it wrote is on disk. Waits for other programs, and for a server that is
        away; then `work` may be called again, and must find out by itself what is there already. Raises StoreError."""

    def tidy(self, written: int, *, last: bool) -> None:
        """Between transactions, after so many rows: time for upkeep that nobody waits for."""
        return

    @abstractmethod
    def close(self) -> None: ...


class Database(ABC):
    """Where a ledger is, whether it is there or not."""

    @abstractmethod
    def exists(self) -> bool:
        """Raises StoreError for a server that can't be reached."""

    @abstractmethod
    def open(self, *, read_only: bool) -> Session:
        """Made where there is none, unless read_only. Raises StoreError: no ledger, newer, damaged, not reachable."""

    @abstractmethod
    def size(self) -> int:
        """Bytes."""

    @abstractmethod
    def damage(self, session: Session) -> list[str]:
        """What the database itself finds wrong with it."""

    @abstractmethod
    def compact(self) -> None:
        """Gives space back after rows were removed."""

    @abstractmethod
    def attached(self, con: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
        """Within the block DuckDB reads its tables as `ledger.calls` and so on. The connection has `extension`."""

    extension: str
    """DuckDB's for it."""

    def claims(self, *, read_only: bool) -> Claims | None:
        """Look-ups and claims of several machines; None where one machine alone reaches the ledger."""
        return None
