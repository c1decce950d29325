"""The store as the pages see it: what there is, looked up again where it changed, and rows within limits.

store = OpenStore(Path("catalogs"))
table = store.table("traces@3")
store.rows(f"select * from {table.sql} limit 10")
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dqdata.catalog import Store
from dqdata.catalog.answers import deadline, first_rows, query_error
from dqdata.catalog.values import python_rows
from dqdata.columns import REJECTS, Columns
from dqdata.errors import QueryError, nearest
from dqdata.place import StorePlace
from dqdata.refs import REJECTS_SUFFIX, catalog_ref, owner

if TYPE_CHECKING:
    from dqdata.catalog.marks import Marks
    from dqdata.catalog.records import Version

T = TypeVar("T")

MEMORY = 1 << 30
"""Bytes that all queries of the viewer may hold together."""

PAGE_SECONDS = 30.0
"""How long the queries of a page may take, each."""

EDGES, EDGE = 5000, 10_000
"""How many values of sorted pages are kept, and how many characters one of them may have."""

KEPT = 500
"""How many pictures of columns are kept."""

BOX_SECONDS, BOX_ROWS = 15.0, 500
"""How long a query that a person wrote may take, and how many rows it shows."""


@dataclass(frozen=True)
class State:
    """What the store holds as of one commit. versions: all, oldest first, the dropped ones among them."""

    versions: Sequence[Version]
    marks: Marks

    def newest(self) -> list[Version]:
        """The newest version of each catalog that can be read, by name."""
        readable = [one for one in self.versions if not self.marks.state(one.catalog, one.version)]
        readable.sort(key=lambda one: (one.catalog, one.version) not in self.marks.held)  # held back: only if alone
        return [one for _, one in sorted({one.catalog: one for one in readable}.items())]


@dataclass(frozen=True)
class Table:
    """The rows of a version, or what it rejected. sql: the table in a query over `OpenStore.rows`."""

    version: Version
    rejects: bool
    columns: Columns
    sql: str

    @property
    def catalog(self) -> str:
        return self.version.catalog

    @property
    def name(self) -> str:
        """`traces@3` or `traces__rejects@3`."""
        return f"{self.catalog}{REJECTS_SUFFIX if self.rejects else ''}@{self.version.version}"

    @property
    def version_name(self) -> str:
        return f"{self.catalog}@{self.version.version}"

    @property
    def rejects_name(self) -> str:
        return f"{self.catalog}{REJECTS_SUFFIX}@{self.version.version}"

    @property
    def count(self) -> int:
        return self.version.rejects if self.rejects else self.version.rows

    @property
    def key(self) -> str:
        return "row_key" if self.rejects else self.columns.key


class Edges:
    """Values that rows of recent pages are sorted by, as text; the oldest are forgotten."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, str | None] = OrderedDict()
        self._guard = threading.Lock()

    def __contains__(self, place: Hashable) -> bool:
        return place in self._kept

    def get(self, place: Hashable) -> str | None:
        return self._kept.get(place)

    def put(self, place: Hashable, value: str | None) -> None:
        if value is not None and len(value) > EDGE:
            return
        with self._guard:
            self._kept[place] = value
            while len(self._kept) > EDGES:
                self._kept.popitem(last=False)


class Kept:
    """What was computed over versions, which never change; the oldest is forgotten."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._guard = threading.Lock()

    def of(self, place: Hashable, compute: Callable[[], T]) -> T:
        """What is kept at this place, computed where nothing is."""
        with self._guard:
            if place in self._kept:
                found: T = self._kept[place]
                return found
        made = compute()
        with self._guard:
            self._kept[place] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


class OpenStore:
    """One store, opened for reading as long as the viewer runs. Threads may share it."""

    def __init__(self, place: Path | StorePlace) -> None:
        """Raises StoreError where there is no store."""
        self.reader = Store.open(place, read_only=True)
        self.reader.close()  # its DuckDB opens again with the next question, under the limit
        self.reader.memory = MEMORY
        self.edges, self.pictures = Edges(), Kept()
        self._guard = threading.Lock()
        self._snapshot, self._state = -1, State((), self.reader.marks())

    def close(self) -> None:
        self.reader.close()

    def forget(self) -> None:
        """Drops what was kept to answer faster."""
        self.edges, self.pictures = Edges(), Kept()

    def state(self) -> State:
        """What there is now; read again after a commit of anyone."""
        with contextlib.closing(self.reader.cursor()) as con:
            found = con.execute("select max(snapshot_id) from __ducklake_metadata_lake.ducklake_snapshot").fetchone()
        newest = int(found[0]) if found and found[0] is not None else 0
        with self._guard:
            if newest != self._snapshot:
                self._state = State(self.reader.versions(dropped=True), self.reader.marks())
                self._snapshot = newest
            return self._state

    def table(self, text: str) -> Table:
        """The table that `traces`, `traces@3`, `traces@TAG` or `traces__rejects@3` names. Raises QueryError for one
        that does not exist or was dropped."""
        ref = catalog_ref(text)
        if ref is None:
            raise QueryError(f"{text!r} names no catalog", code="unknown-catalog")
        state, name = self.state(), owner(ref.name)
        numbers = [one.version for one in state.versions if one.catalog == name]
        if not numbers:
            known = {one.catalog for one in state.versions}
            raise QueryError(f"no catalog {name!r}{nearest(name, known)}", code="unknown-catalog")
        readable = [number for number in numbers if not state.marks.state(name, number)]
        readable.sort(key=lambda number: (name, number) not in state.marks.held)
        wanted = state.marks.version(name, ref.label) if ref.label else ref.version or (readable or numbers)[-1]
        if (error := state.marks.unreadable(name, wanted)) is not None:
            raise error
        if wanted not in numbers:
            raise QueryError(f"{name} has no version {wanted}", code="unknown-version")
        version = self.reader.version(name, wanted)
        rejects = ref.name.endswith(REJECTS_SUFFIX)
        columns = REJECTS if rejects else self.reader.schema(name, wanted)
        sql = self.reader.table_at(ref.name, wanted).removeprefix("from ")
        return Table(version, rejects, columns, sql)

    def rows(self, sql: str, *, seconds: float = PAGE_SECONDS) -> list[dict[str, Any]]:
        """The rows of a query that the viewer wrote. Raises QueryError for one that takes too long, or whose values
        from a person don't fit their columns."""
        import duckdb

        try:
            with contextlib.closing(self.reader.cursor()) as con, deadline(con, seconds):
                batches = con.execute(self.reader.typed(con, sql)).to_arrow_table().to_batches()
        except duckdb.Error as error:
            raise query_error(error, self.reader) from error
        return [row for batch in batches for row in python_rows(batch)]

    def box(self, sql: str) -> tuple[list[str], list[dict[str, Any]], bool]:
        """What a query that a person wrote gives: names of columns, rows, and whether there are more. Raises
        QueryError for one that takes too long or does more than read catalogs."""
        found = first_rows(self.reader, sql, rows=BOX_ROWS, seconds=BOX_SECONDS)
        return (
            found.rows.schema.names,
            [row for batch in found.rows.to_batches() for row in python_rows(batch)],
            (found.more),
        )
