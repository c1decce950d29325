"""Store: opens a store, commits versions, records runs and models.

    with Store.open(Path("catalogs")) as store:
        made = store.commit("problems", rows=[file], rejects=[], columns=columns, fingerprint=f, recipe=r, run_id="r1")
        store.query(f"select count(*) from problems@{made.version}").read_all()

Reading is the other half, in `reader`; `commit` describes how a commit is made whole or not at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from dqdata.catalog import commit as protocol
from dqdata.catalog.backend import PENDING, Backend, DataFile
from dqdata.catalog.checks import CHECKS, NO_CHECKS
from dqdata.catalog.choice import backend_of
from dqdata.catalog.contents import data_files
from dqdata.catalog.create import create
from dqdata.catalog.folder import writable
from dqdata.catalog.format import read_facts
from dqdata.catalog.lake import attach, lake_errors
from dqdata.catalog.marks import Mark
from dqdata.catalog.merging import crowded, merge, remove_merged
from dqdata.catalog.metrics import insert_metrics
from dqdata.catalog.migrations import NEWEST, migrate
from dqdata.catalog.reader import Reader
from dqdata.catalog.records import EVALS, FILES, MARKS, MODELS, RUNS, VERSIONS, Measured, Version, values_of
from dqdata.catalog.rights import make_private, refuse_links, tighten
from dqdata.catalog.secrets import without_secrets
from dqdata.columns import REJECTS, Columns
from dqdata.errors import StoreError
from dqdata.files import make_folder
from dqdata.ids import canonical, in_order
from dqdata.place import StorePlace, place_of
from dqdata.refs import REJECTS_SUFFIX, check_name
from dqdata.sql import literal

if TYPE_CHECKING:
    import duckdb


class Store(Reader):
    """A store. Reading needs no lock; commits of all processes happen one after another."""

    def __init__(self, backend: Backend, *, read_only: bool) -> None:
        super().__init__(backend)
        self.read_only = read_only
        self._write_db: duckdb.DuckDBPyConnection | None = None

    @staticmethod
    def exists(place: Path | StorePlace) -> bool:
        """Whether a store was made there. Raises StoreError where that can't be found out."""
        backend = backend_of(place_of(place).absolute())
        with lake_errors(backend.place, "looking for"):
            return backend.exists()

    @classmethod
    def open(cls, place: Path | StorePlace, *, read_only: bool = False, group: bool | None = None) -> Store:
        """The store at this place or in this folder, made if it isn't there and `read_only` is false. group: whether
        its group may read and write it; nobody else but its owner may. None leaves that as it is, and makes a new store
        for its owner alone. Raises StoreError for one that is missing, newer, damaged, locked for long or not writable,
        or that holds a symbolic link."""
        backend = backend_of(place_of(place).absolute())
        store, root = cls(backend, read_only=read_only), backend.root
        with lake_errors(backend.place, "opening"):
            there = backend.exists()
        if read_only:
            if not there:
                hint = "`dqdata run` or `dqdata import` makes one, or give --store PATH"
                raise StoreError(f"no store at {place}: {hint}", code="no-store")
            with lake_errors(backend.place, "opening"):
                store._check_format()
            refuse_links(root)
            store._known()
            return store
        with lake_errors(backend.place, "opening"):
            make_private(root, group)
            refuse_links(root)
            tighten(root)
        if not writable(root):
            raise StoreError(f"the store {root} is read-only for you: give it write permission, or copy it elsewhere")
        if not there:
            with store._locked(), lake_errors(backend.place, "making"):
                if not backend.exists():
                    create(backend)
        with lake_errors(backend.place, "opening"):
            store._check_format()
        store._clean_up()
        make_folder(backend.work)
        store._known()
        return store

    def _check_format(self) -> None:
        """Reads what store.json says, and brings an older store that is opened for writing to the present format."""
        self.facts = read_facts(self.backend, NEWEST)
        if self.facts.format < NEWEST and not self.read_only:
            with self._locked(), lake_errors(self.place, "migrating"):
                self._drop_writer()  # it may have cleaned up after a killed commit
                self.facts = migrate(self.backend, read_facts(self.backend, NEWEST))

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        with self._guard:
            self._drop_writer()
            super().close()
            if not self.read_only and self.path.is_dir():
                tighten(self.path)

    def commit(
        self,
        catalog: str,
        *,
        rows: Sequence[Path],
        rejects: Sequence[Path],
        columns: Columns,
        fingerprint: str,
        recipe: Mapping[str, Any],
        run_id: str,
        partial: bool = False,
        again: bool = False,
        message: str = "",
        checks: Sequence[Mapping[str, Any]] = (),
    ) -> Version:
        """One new version out of finished Parquet files, which stay the caller's; or the whole version that this
        fingerprint made already; with `again`, only one that this run made. Rows come in the order of the files.
        checks: their results, rows of dq_checks less the version; a failed one of severity "error" keeps it from being
        `@latest`. Raises StoreError, with nothing changed, for duplicate keys, columns that differ, a full disk;
        InputError for a name that no catalog may have.
        """
        check_name(catalog)
        key = columns.key
        self._check_writable()
        made_by = run_id if again else None
        if (made := self._made(catalog, fingerprint, made_by)) is not None:
            return made

        with lake_errors(self.place, "checking rows for"):
            counts, reject_counts = protocol.counted(rows), protocol.counted(rejects)
            protocol.check_key(rows, key, catalog)
        record = {
            "catalog": catalog,
            "fingerprint": fingerprint,
            "rows": sum(counts.values()),
            "rejects": sum(reject_counts.values()),
            "partial": partial,
            "run_id": run_id,
            "recipe": in_order(without_secrets(recipe, record=True)),
            "message": without_secrets(message),
        }
        tables = {
            catalog: (columns, {file: count for file, count in counts.items() if count}),
            catalog + REJECTS_SUFFIX: (REJECTS, {file: count for file, count in reject_counts.items() if count}),
        }
        with self._locked():
            if (made := self._made(catalog, fingerprint, made_by)) is not None:
                return made
            self._merge_records()
            version = 1 + max((number for _, number in self.marks().made.get(catalog, ())), default=0)
            self._write(tables, {**record, "version": version, "created_at": datetime.now(UTC)}, checks)
            return self.version(catalog, version)

    def record_run(self, run: Mapping[str, Any]) -> None:
        """Appends to dq_runs; absent columns are null, mappings become JSON."""
        self._check_writable()
        values = values_of(without_secrets(run), RUNS)
        with self._locked():
            self._merge_records()
            with self._transaction() as con:
                self._insert(con, "dq_runs", values)

    def record_model(self, model: Mapping[str, Any], metrics: Sequence[Measured] = ()) -> int:
        """Appends to dq_models, and to dq_metrics in the same commit. Returns the version that the model got: one more
        than the last of that name."""
        self._check_writable()
        name = str(model["name"])
        with self._locked():
            version = max((int(known["version"]) for known in self.models(name)), default=0) + 1
            given = {"created_at": datetime.now(UTC), **without_secrets(model, record=True), "version": version}
            with self._transaction() as con:
                self._insert(con, "dq_models", values_of(given, MODELS))
                insert_metrics(con, self.backend, name, version, metrics)
        return version

    def record_evals(self, answers: str, evals: Sequence[Mapping[str, Any]]) -> None:
        """Appends to dq_evals the scores of the models whose answers are this version (`eval_math500@1`); a model whose
        score is there already is left out."""
        self._check_writable()
        with self._locked():
            known = f"select model from lake.main.dq_evals where answers = {literal(answers)}"
            there = {model for (model,) in self._records(known)[0]}
            missing = [values_of(without_secrets(one), EVALS) for one in evals if one["model"] not in there]
            if missing:
                with self._transaction() as con:
                    for values in missing:
                        self._insert(con, "dq_evals", values)

    def record_checks(self, catalog: str, version: int, checks: Sequence[Mapping[str, Any]]) -> None:
        """Appends an evaluation of a version to dq_checks, which counts from now on; rows of it less the version."""
        self._check_writable()
        with self._locked(), self._transaction() as con:
            self._insert_checks(con, catalog, version, checks or [NO_CHECKS])

    def _insert_checks(
        self, con: duckdb.DuckDBPyConnection, catalog: str, version: int, checks: Sequence[Mapping[str, Any]]
    ) -> None:
        if checks:
            about = {"catalog": catalog, "version": version, "created_at": datetime.now(UTC)}
            self._insert(con, "dq_checks", *(values_of({**without_secrets(one), **about}, CHECKS) for one in checks))

    @contextlib.contextmanager
    def marking(self) -> Iterator[Callable[[Sequence[Mark]], None]]:
        """The function that writes marks on versions, while no other process commits or marks: what is read within the
        block still holds when the marks are written, all or none. Raises StoreError."""
        self._check_writable()

        def write(marks: Sequence[Mark]) -> None:
            now = datetime.now(UTC)
            rows = [values_of({**without_secrets(one._asdict()), "created_at": now}, MARKS) for one in marks]
            if rows:
                with self._transaction() as con:
                    self._insert(con, "dq_marks", *rows)

        with self._locked():
            yield write

    def table_files(self, catalog: str, version: int) -> dict[str, list[DataFile]]:
        """The data files of a version and of its rejects, by table, whether they are there or not."""
        self.version(catalog, version)
        return data_files(self, catalog)[catalog, version]

    def _made(self, catalog: str, fingerprint: str, run_id: str | None) -> Version | None:
        """The newest whole version of a catalog with this fingerprint, of any run or of one; None where there is
        none."""
        found = self.find(fingerprint, catalog=catalog, run_id=run_id)
        return self.version(*found) if found else None

    def _merge_records(self) -> None:
        """Merges the files of the store's own tables where there are many. Call it under the lock."""
        with self._transaction() as con:
            tables = crowded(con, self.backend)
        for table in tables:
            with self._undone_on_failure(table), self._transaction() as con:
                merge(con, self.backend, table)
        if tables:
            with self._transaction() as con:
                remove_merged(con, self.backend)

    def _write(
        self,
        tables: Mapping[str, tuple[Columns, Mapping[Path, int]]],
        record: Mapping[str, Any],
        checks: Sequence[Mapping[str, Any]],
    ) -> None:
        """Links the files in and commits tables and record together; what it linked goes again where that fails."""
        name, version = str(record["catalog"]), int(record["version"])
        with lake_errors(self.place, "committing to"), self._undone_on_failure(name):
            placed = {
                table: self.backend.data.publish(list(files), table, version, self.backend.work)
                for table, (_, files) in tables.items()
            }
            manifest = [
                {"catalog": name, "version": version, **one}
                for table, (_, files) in tables.items()
                for one in protocol.described(table, placed[table], list(files.values()))
            ]
            with self._transaction() as con:
                for table, (columns, _) in tables.items():
                    protocol.add_table(con, table, columns, placed[table])
                self._insert(con, "dq_versions", values_of(record, VERSIONS))
                if manifest:
                    self._insert(con, "dq_files", *(values_of(one, FILES) for one in manifest))
                self._insert_checks(con, name, version, checks)
                about = canonical({"catalog": name, "version": version, "run_id": record["run_id"]})
                con.execute(
                    f"call lake.set_commit_message('dqdata', {literal(f'{name}@{version}')}, "
                    f"extra_info => {literal(about)})"
                )

    @contextlib.contextmanager
    def _undone_on_failure(self, catalog: str) -> Iterator[None]:
        """Marks a commit as under way. When it fails, the metadata says which files it left are nobody's; should even
        that be impossible, the mark stays and the next commit sees to it."""
        protocol.mark_pending(self.backend, catalog)
        try:
            yield
        except BaseException:
            with contextlib.suppress(StoreError):
                self._remove_orphans()
            raise
        self.backend.data.remove_note(PENDING)

    def _remove_orphans(self) -> None:
        with self._transaction() as con:
            protocol.remove_orphans(con, self.backend)
        self.backend.data.remove_note(PENDING)

    def _clean_up(self) -> None:
        """After a commit that was killed; one that is under way is left alone."""
        with lake_errors(self.place, "cleaning up"):
            if self.backend.data.read_note(PENDING) is not None and (held := self.backend.metadata.lock()).acquire(0):
                try:
                    self._remove_orphans()
                finally:
                    held.release()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The one commit lock of the store, held by a process until it ends, however it ends. A mark that is there
        when we get it belongs to a process that was killed."""
        with self._guard, contextlib.ExitStack() as stack:
            with lake_errors(self.place, "locking"):
                held = protocol.acquired(self.backend)
                stack.callback(held.release)
                if self.backend.data.read_note(PENDING) is not None:
                    self._remove_orphans()
            yield

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """All or nothing, on a connection that is thrown away when it fails."""
        with lake_errors(self.place, "writing to"):
            if self._write_db is None:
                # A commit is small statements: sharing them out among threads costs more than they take.
                self._write_db = attach(self.backend, read_only=False, threads=1)
            con = self._write_db
            try:
                con.execute("begin")
                yield con
                con.execute("commit")
            except BaseException:
                self._drop_writer()
                raise

    def _drop_writer(self) -> None:
        """Closing a connection rolls back what it had begun."""
        if self._write_db is not None:
            self._write_db.close()
            self._write_db = None

    def _check_writable(self) -> None:
        if self.read_only:
            raise StoreError(f"the store {self.place} was opened read-only: Store.open(path) opens it for writing")

    def _insert(self, con: duckdb.DuckDBPyConnection, table: str, *rows: Sequence[Any]) -> None:
        """Rows, and the file that DuckLake writes them to on disk before the commit says that they are there."""
        values = ", ".join(f"({', '.join(literal(value) for value in row)})" for row in rows)
        with self.backend.data.written(table):
            con.execute(f"insert into lake.main.{table} values {values}")
