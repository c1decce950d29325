"""Reading a store: versions, schemas and SQL in which `name@3` is a table. Never waits for a writer.

    reader.query("select n.question from problems n anti join problems@1 using (problem_id)").read_all()

DuckDB finds the files: a list of a version's files would miss rows that DuckLake keeps or deletes elsewhere.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dqdata.catalog.answers import query_errors, streamed
from dqdata.catalog.backend import Backend
from dqdata.catalog.checks import CHECKS, HELD, NEWEST_CHECKS
from dqdata.catalog.copies import Copies
from dqdata.catalog.format import Facts
from dqdata.catalog.lake import attach, lake_errors
from dqdata.catalog.marks import MADE, MARKED, Marks
from dqdata.catalog.pins import Pinned, pin
from dqdata.catalog.records import MODELS, Version, version_query
from dqdata.catalog.rights import inside
from dqdata.catalog.snapshots import SnapshotCache
from dqdata.catalog.spill import cursor_of
from dqdata.catalog.views import make_views
from dqdata.columns import Columns, check_names
from dqdata.errors import ColumnError, QueryError, StoreError, nearest
from dqdata.place import LedgerPlace, StorePlace
from dqdata.refs import REJECTS_SUFFIX, Ref, owner
from dqdata.source import TrainedModel
from dqdata.sql import ABOUT, FILES, PURE, check_functions, literal, quoted
from dqdata.types import columns_of, stored_columns, stored_query

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

T = TypeVar("T")

_BATCH_ROWS = 4096
"""Rows of a batch that a query yields: some tens of megabytes of long traces."""

_BUSY_SECONDS = 30.0
"""How long a reader tries again where SQLite is busy: for the moment in which a writer opens or closes the file."""


class Reader:
    """The reading half of a store. Its DuckDB opens with the first question and is shared by cursors."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.facts: Facts
        self.memory: int | None = None
        """Bytes that queries may hold; without it DuckDB takes most of the machine's."""
        self._guard = threading.RLock()
        self._databases: dict[int | None, duckdb.DuckDBPyConnection] = {}  # by their number of threads
        self.copies = Copies()
        self._asked = SnapshotCache()
        self._cached: dict[tuple[str, int], Version] = {}
        self._schemas: dict[tuple[str, int], Columns] = {}
        self._pinned: dict[str, None] = {}
        self._chosen: dict[str, int] = {}
        self._chosen_models: dict[str, int] = {}

    @contextlib.contextmanager
    def limited(self, memory: int) -> Iterator[Reader]:
        """The same store, with a DuckDB of its own that holds at most so many bytes and spills what is more."""
        other = Reader(self.backend)
        other.facts, other.memory = self.facts, memory
        try:
            yield other
        finally:
            other.close()

    @property
    def place(self) -> StorePlace:
        return self.backend.place

    @property
    def path(self) -> Path:
        """The folder of this machine: of the whole store, or of what is not elsewhere."""
        return self.backend.root

    @property
    def id_scheme(self) -> str:
        """How problems of this store are named: a name in `dqdata.ids.SCHEMES`."""
        return self.facts.ids

    @property
    def ledger_place(self) -> LedgerPlace:
        return self.backend.ledger

    @property
    def work(self) -> Path:
        """Where checkpoints are: a folder of this machine."""
        return self.backend.work

    def close(self) -> None:
        with self._guard:
            while self._databases:
                self._databases.popitem()[1].close()
            self.copies.close()

    def versions(self, catalog: str | None = None, *, dropped: bool = False) -> list[Version]:
        """Versions of a catalog, or of all, oldest first. dropped: those too that were dropped. Raises QueryError for
        an unknown catalog."""
        found = self._versions_of(catalog)
        if not dropped and found:
            marks = self.marks()
            found = [one for one in found if not marks.state(one.catalog, one.version)]
        if catalog is not None and not found:
            self._refuse_unknown(catalog)
        return found

    def marks(self) -> Marks:
        """Tags, notes, dropped versions, and when each version was made."""
        return self._overview()[1]

    def resolve(self, ref: Ref) -> int:
        """The number of the version that a reference means. Raises QueryError for an unknown catalog or version, and
        for one that was dropped."""
        name, (known, marks) = owner(ref.name), self._overview()
        if not ref.fixed or ref.label:
            if name not in known:
                self._refuse_unknown(name)
            if not ref.label:
                if name in self._chosen:
                    return self._chosen[name]
                if (held := marks.held_back(name, known[name])) is not None:
                    raise held
                return known[name][-1]
        version = marks.version(name, ref.label) if ref.label else ref.version
        assert version is not None
        if (error := marks.unreadable(name, version)) is not None:
            raise error
        return self.version(name, version).version

    def choose(self, catalog: str, version: int) -> None:
        """For whom this object answers, the bare name and `@latest` mean this version from now on: a recipe that went
        back to what it was matches its own older version, not on the newest."""
        self._chosen[catalog] = version

    def choose_model(self, name: str, version: int) -> None:
        """The same of a model."""
        self._chosen_models[name] = version

    def latest(self, catalog: str) -> int | None:
        """Newest version of a catalog (or of its rejects), or the chosen one; None where there is none."""
        if owner(catalog) in self._chosen:
            return self._chosen[owner(catalog)]
        versions = self._known().get(owner(catalog))
        return versions[-1] if versions and (owner(catalog), versions[-1]) not in self.held() else None

    def version(self, catalog: str, version: int) -> Version:
        """What dq_versions says of it. Raises QueryError for an unknown catalog or version."""
        name = owner(catalog)
        if (name, version) not in self._cached:
            rows = self.rows(version_query(f"catalog = {literal(name)} and version = {int(version)}"))
            if not rows:
                there = ", ".join(str(known.version) for known in self.versions(name, dropped=True))
                raise QueryError(f"{name} has no version {version}; it has {there}", code="unknown-version")
            self._cached[name, version] = Version.of(rows[0])
        return self._cached[name, version]

    def made_with(self, file: str) -> tuple[str, int] | None:
        """The catalog and version to which a data file of this name belongs; None where no manifest has it."""
        (rows,) = self._records(f"select catalog, version from lake.main.dq_files where file = {literal(file)}")
        return (str(rows[0][0]), int(rows[0][1])) if rows else None

    def schema(self, catalog: str, version: int) -> Columns:
        if (catalog, version) not in self._schemas:
            rows = self.rows(f"describe {self.table_at(catalog, version)}")
            self._schemas[catalog, version] = Columns({str(row[0]): str(row[1]) for row in rows})
        return self._schemas[catalog, version]

    def row_count(self, catalog: str, version: int) -> int:
        found = self.version(catalog, version)
        return found.rejects if catalog.endswith(REJECTS_SUFFIX) else found.rows

    def find(
        self, fingerprint: str, *, catalog: str | None = None, run_id: str | None = None
    ) -> tuple[str, int] | None:
        """The (catalog, version) that this recipe made already, whole; None where it hasn't. The newest of several.
        catalog, run_id: of this catalog, of this run alone."""
        (made,) = self._records(MADE)
        rows = [
            (str(name), int(version))
            for name, version, _, same, partial, run in made
            if same == fingerprint and not partial and catalog in (None, name) and run_id in (None, run)
        ]
        if not rows:
            return None
        marks = self.marks()
        found = [at for at in rows if not marks.state(*at)]
        return found[-1] if found else None

    def checks(self, catalog: str, version: int, source: str = "check") -> list[dict[str, Any]]:
        """Results of the newest evaluation of a version, in order; of the source "audit" findings."""
        at = f"catalog = {literal(catalog)} and version = {int(version)} and source = {literal(source)}"
        names = ", ".join(quoted(name) for name in CHECKS)
        (rows,) = self._records(f"select {names} from ({NEWEST_CHECKS}) where {at} and name <> ''")
        return [dict(zip(CHECKS, row, strict=True)) for row in rows]

    def models(self, name: str | None = None) -> list[dict[str, Any]]:
        """Rows of dq_models, oldest first; a chosen one comes last, as the newest would."""
        names = ", ".join(MODELS)
        where = f"name = {literal(name)}" if name is not None else "true"
        sql = f"select {names} from lake.main.dq_models where {where} order by created_at, version"
        models = [dict(zip(MODELS, row, strict=True)) for row in self._records(sql)[0]]
        return sorted(models, key=lambda model: self._chosen_models.get(model["name"]) == model["version"])

    def trained(self, name: str | None = None) -> list[TrainedModel]:
        return [
            TrainedModel(str(model["name"]), int(model["version"]), inside(self.path, str(model["path"])))
            for model in self.models(name)
        ]

    def query_columns(self, sql: str) -> tuple[str, Columns]:
        """The SQL with every catalog pinned, and its columns; reads no rows. Raises QueryError, also for what would
        give other rows next time: random(), now(), files, a sample without a seed."""
        with self._failing(), contextlib.closing(self.cursor()) as con:
            known, marks = self._overview()
            pinned = pin(sql, known, con, for_recipe=True, marks=marks)
            self._check_tables(pinned)
            if pinned.unpinned:
                raise QueryError(f"a recipe can't keep this query: {'; '.join(pinned.unpinned)}")
            make_views(self, con, pinned)
            with query_errors(self):
                described = columns_of(con, pinned.sql, as_table=False)
        try:
            check_names(name for name, _ in described)
            columns = Columns(stored_columns(described))
        except ColumnError as error:
            raise QueryError(f"{error}, in: {sql}") from None
        self._pinned.update(dict.fromkeys(pinned.tables))
        return pinned.sql, columns

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Read-only connection: bare names are the newest versions, and what `query_columns` pinned is there as
        "name@3". Without the ledger: see `query`."""
        with self._failing():
            con = self.cursor()
            con.execute("use lake")
            make_views(self, con, Pinned("", tuple(self._pinned)))
            return con

    def query(self, sql: str, *, repeatable: bool = False, local_files: bool = False) -> pa.RecordBatchReader:
        """The rows of one query, as they come. Bare names mean the newest versions as of now; the ledger is there as
        `ledger` where the query names it. `local_files`: local files and their readers work too; the network never
        does. `repeatable`: the same rows in the same order each time, which costs the second core (threads answer
        joins and groups in any order). Raises QueryError."""
        con, pinned = self.prepared(sql, repeatable, local_files)
        with self._failing():
            try:
                typed = self.typed(con, pinned.sql)
                answer = self._bound(con, typed).to_arrow_reader(_BATCH_ROWS)
            except BaseException:
                con.close()
                raise
        return streamed(answer, con, typed, self)

    def pinned(self, sql: str, *, local_files: bool = False) -> str:
        """The SQL with every catalog in the version that is newest now, for reading the same rows later, and again.
        Reads no rows. Raises QueryError for a query that `query` would refuse."""
        con, pinned = self.prepared(sql, False, local_files)
        with self._failing(), contextlib.closing(con), query_errors(self):
            columns_of(con, pinned.sql)
            return pinned.sql

    def prepared(
        self, sql: str, repeatable: bool = False, local_files: bool = False
    ) -> tuple[duckdb.DuckDBPyConnection, Pinned]:
        """A connection on which the pinned query can be executed."""
        opening = partial(self._attached, local_files=True) if local_files else self.cursor
        with self._failing():
            con = self._patiently(partial(opening, threads=1 if repeatable else None))
            try:
                known, marks = self._overview()
                pinned = pin(sql, known, con, marks=marks)
                check_functions(pinned.functions, PURE | ABOUT | FILES if local_files else PURE | ABOUT)
                self._check_tables(pinned)
                make_views(self, con, pinned)
                con.execute("use lake")
            except BaseException:
                con.close()
                raise
        return con, pinned

    def _versions_of(self, catalog: str | None) -> list[Version]:
        where = "true" if catalog is None else f"catalog = {literal(catalog)}"
        return [Version.of(row) for row in self.rows(version_query(where))]

    def _known(self) -> dict[str, Sequence[int]]:
        """Versions of each catalog that were not dropped, the one that the bare name means last: the chosen one, or the
        newest that its checks do not hold back."""
        return self._overview()[0]

    def _overview(self) -> tuple[dict[str, Sequence[int]], Marks]:
        """What `_known` and `marks` say, as of one moment."""
        marked, made, rows = self._records(MARKED, MADE, HELD)
        held = frozenset((str(name), int(version)) for name, version in rows) - frozenset(self._chosen.items())
        marks = Marks.of(marked, made, held)
        known = {name: [at for _, at in versions if not marks.state(name, at)] for name, versions in marks.made.items()}
        return {name: self._in_order(name, versions, held) for name, versions in known.items() if versions}, marks

    def _in_order(self, name: str, versions: Sequence[int], held: frozenset[tuple[str, int]]) -> Sequence[int]:
        return sorted(versions, key=lambda at: (self._chosen.get(name) == at, (name, at) not in held, at))

    def held(self) -> frozenset[tuple[str, int]]:
        """Versions that their checks keep from being `@latest`, less those that were chosen."""
        return self._overview()[1].held

    def table_at(self, table: str, version: int) -> str:
        """`from ...` of a catalog, or its rejects, at a version."""
        snapshot = self.version(table, version).snapshot_id
        return f"from lake.main.{quoted(table)} at (version => {snapshot})"

    def _check_tables(self, pinned: Pinned) -> None:
        """A plain name that is neither a catalog nor a CTE gets the nearest catalog's name."""
        for name in pinned.unknown:
            self._refuse_unknown(name)

    def _refuse_unknown(self, name: str) -> None:
        known = sorted(self._known())
        there = f" (there are: {', '.join(known)})" if known else f": the store {self.place} is empty"
        raise QueryError(f"no catalog {name!r}{nearest(name, known) or there}", code="unknown-catalog")

    def typed(self, con: duckdb.DuckDBPyConnection, sql: str) -> str:
        """The query with its columns in the types that rows hold."""
        with query_errors(self):
            return stored_query(con, sql)

    def _bound(self, con: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyConnection:
        with query_errors(self):
            return con.execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a small question about the store itself."""
        return self._answers(sql)[0]

    def _records(self, *questions: str) -> list[list[tuple[Any, ...]]]:
        """Rows of questions that read records of the store whole, as of one moment. Not optimized: DuckDB would ask for
        statistics of each column, which takes several times what reading such a table takes."""
        return self._answers(*questions, before="pragma disable_optimizer")

    def _answers(self, *questions: str, before: str = "") -> list[list[tuple[Any, ...]]]:
        def ask() -> list[list[tuple[Any, ...]]]:
            with contextlib.closing(self.cursor()) as con:
                if before:
                    con.execute(before)
                return self._asked.rows(con, *questions)

        return self._patiently(ask)

    def _patiently(self, ask: Callable[[], T]) -> T:
        """The answer, tried again while SQLite is busy."""
        import duckdb

        give_up = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                with self._failing():
                    return ask()
            except StoreError as error:
                busy = isinstance(error.__cause__, duckdb.Error) and "database is locked" in str(error.__cause__)
                if not busy or time.monotonic() > give_up:
                    raise
                time.sleep(0.05)

    def cursor(self, threads: int | None = None) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the lake that all with as many threads share; the caller closes it."""
        with self._guard:
            if threads not in self._databases:
                self._databases[threads] = self._attached(threads)
            return cursor_of(self._databases[threads])

    def _attached(self, threads: int | None = None, local_files: bool = False) -> duckdb.DuckDBPyConnection:
        return attach(
            self.backend,
            self.copies.metadata(self.backend, self.facts),
            read_only=True,
            threads=threads,
            memory=self.memory,
            local_files=local_files,
            ledger=self.ledger_place,
        )

    def _failing(self) -> contextlib.AbstractContextManager[None]:
        return lake_errors(self.place, "reading")
