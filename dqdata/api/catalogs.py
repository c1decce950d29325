"""A store as its readers see it: catalogs by name and version, and SQL over them.

catalogs = dqdata.open_store("catalogs")
catalogs.catalog("slow_thinking@3").polars()
catalogs.sql("select verdict, count(*) from slow_thinking group by all")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dqdata.aio import awaitable, outside_loop
from dqdata.api.exports import Exports
from dqdata.api.ledger import CallLedger
from dqdata.api.reports import Reports
from dqdata.api.rows import Rows
from dqdata.api.versions import KINDS, one_version
from dqdata.errors import InputError, ProjectError, QueryError
from dqdata.licenses import checked
from dqdata.place import StorePlace, place_of
from dqdata.refs import REJECTS_SUFFIX, catalog_ref, check_name, owner
from dqdata.sql import quoted

if TYPE_CHECKING:
    from dqdata.catalog import Store, Version
    from dqdata.catalog.marks import Marks
    from dqdata.catalog.upkeep import Garbage, Verified
    from dqdata.columns import Columns
    from dqdata.engine.result import RunResult
    from dqdata.history.diff import Diff
    from dqdata.history.lineage import Node
    from dqdata.history.scores import Board
    from dqdata.history.why import Why
    from dqdata.sources.chat_files import Mapped


class Catalog(Rows):
    """The rows of one version of a catalog, or of what it rejected. Versions never change."""

    def __init__(self, store: StorePlace, name: str, info: Version, columns: Columns) -> None:
        super().__init__(store, f"select * from {quoted(f'{name}@{info.version}')}")
        self.name, self.info, self.columns = name, info, columns

    @property
    def version(self) -> int:
        return self.info.version

    @property
    def recipe(self) -> dict[str, Any]:
        """How the version was made: source, steps with their parameters and prompts, versions of libraries."""
        return dict(self.info.recipe)

    @property
    def rejects(self) -> Catalog:
        """The rows that the run dropped or failed, each with its step and reason."""
        from dqdata.columns import REJECTS

        return Catalog(self.store, owner(self.name) + REJECTS_SUFFIX, self.info, REJECTS)

    def __len__(self) -> int:
        return self.info.rejects if self.name.endswith(REJECTS_SUFFIX) else self.info.rows

    def __repr__(self) -> str:
        return f"<Catalog {self.name}@{self.version}, {len(self):,} rows: {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        return self._shown(f"<p>{self.name}@{self.version}, {len(self):,} rows</p>")


class Catalogs(Exports, Reports):
    """One store. Each method sees what was committed when it was called."""

    def __init__(self, place: StorePlace, *, group: bool | None = None, profile: str = "") -> None:
        """group: whether the store is for its group too; None leaves that as it is. profile: what runs are recorded
        with."""
        self.place, self._group, self._profile = place, group, profile
        self.ledger = CallLedger(place)

    def sql(self, query: str, *, local_files: bool = False) -> Rows:
        """The rows of a query over catalogs: `name` is the newest version, `name@3` the third, `name__rejects` what was
        rejected; dq_versions, dq_runs, dq_models, dq_metrics and ledger.calls are there too. local_files: the query may
        read local files as well; the network never. Raises QueryError, StoreError."""
        from dqdata.catalog import Store

        with Store.open(self.place, read_only=True) as store:
            return Rows(self.place, store.pinned(query, local_files=local_files), local_files=local_files)

    def catalog(self, name: str) -> Catalog:
        """A version of a catalog: `problems`, `problems@latest`, `problems@3`, `problems__rejects@3`. Raises QueryError
        for one that does not exist."""
        from dqdata.catalog import Store

        ref = catalog_ref(name)
        if ref is None:
            raise QueryError(f"{name!r} names no catalog: write {KINDS.format('name')}; `sql` takes queries")
        with Store.open(self.place, read_only=True) as store:
            info = store.version(ref.name, store.resolve(ref))
            return Catalog(self.place, ref.name, info, store.schema(ref.name, info.version))

    def versions(self, catalog: str | None = None, *, dropped: bool = False) -> Sequence[Version]:
        """Versions of a catalog, or of all, oldest first. dropped: those too that were dropped. Raises QueryError for
        an unknown catalog."""
        from dqdata.catalog import Store

        with Store.open(self.place, read_only=True) as store:
            return store.versions(catalog, dropped=dropped)

    def marks(self) -> Marks:
        """Tags, notes and dropped versions of the store."""
        from dqdata.catalog import Store

        with Store.open(self.place, read_only=True) as store:
            return store.marks()

    def diff(self, before: str, after: str | None = None, *, examples: int = 3) -> Diff:
        """Compares two versions: rows added, removed and changed, and the causes in their recipes.

        before, after: `NAME@3`, or `NAME` for the newest. With `before` alone: `NAME` compares the last two versions,
        `NAME@3` the third with the newest. examples: rows of each kind to quote. Raises QueryError for unknown
        versions, and for catalogs whose rows have different keys.
        """
        from dqdata.catalog import Store
        from dqdata.history.diff import diff

        with Store.open(self.place, read_only=True) as store:
            return diff(store, *_two_versions(store, before, after), examples=examples)

    def lineage(self, version: str) -> Node:
        """What a version (`NAME@3`, or `NAME` for the newest) was made from, and what was made from it. Raises
        QueryError for an unknown version."""
        from dqdata.catalog import Store
        from dqdata.history.lineage import lineage

        with Store.open(self.place, read_only=True) as store:
            return lineage(store, *one_version(store, version))

    def why(self, row_id: str, *, within: str | None = None) -> Why:
        """Where the row with this problem_id, trace_id or pair_id came from, which catalogs kept it and which steps
        rejected it. within: a version to look in, instead of the newest of all catalogs. Raises QueryError where the
        id occurs in none."""
        from dqdata.catalog import Store
        from dqdata.history.why import why

        with Store.open(self.place, read_only=True) as store:
            return why(store, row_id, within=None if within is None else one_version(store, within))

    def tag(self, version: str, name: str, *, move: bool = False) -> None:
        """Gives a version (`NAME@3`, or `NAME` for the newest) a tag, by which `NAME@TAG` reads it. move: also where
        another version has it. Raises InputError for a tag that is taken or can't be one."""
        from dqdata.catalog import upkeep

        with self._writable(there=True) as store:
            upkeep.tag(store, *one_version(store, version), name, move=move)

    def untag(self, catalog: str, name: str) -> None:
        """Removes a tag of a catalog. Raises QueryError for an unknown one."""
        from dqdata.catalog import upkeep

        with self._writable(there=True) as store:
            upkeep.untag(store, one_version(store, catalog.partition("@")[0])[0], name)

    def tags(self, catalog: str) -> dict[str, int]:
        """Tags of a catalog with the versions that they name."""
        from dqdata.catalog import Store

        with Store.open(self.place, read_only=True) as store:
            name = one_version(store, catalog.partition("@")[0])[0]
            return {tag: version for (owner_, tag), version in sorted(store.marks().tags.items()) if owner_ == name}

    def note(self, version: str, text: str) -> None:
        """Keeps a note on a version, instead of the one before; an empty text removes it."""
        from dqdata.catalog import upkeep

        with self._writable(there=True) as store:
            upkeep.note(store, *one_version(store, version), text)

    def state_license(self, version: str, name: str) -> None:
        """Records the licence of the rows that a version brought into the store, instead of the one before. Raises
        InputError for an unknown licence, and for a version whose rows come from other catalogs."""
        from dqdata.catalog import upkeep

        with self._writable(there=True) as store:
            upkeep.state_license(store, *one_version(store, version), name)

    def drop(self, *versions: str) -> list[str]:
        """Makes versions (`NAME@3`) unreadable until `restore`. Raises InputError for a version with a tag, and for a
        name without a version; then nothing is changed."""
        from dqdata.catalog import upkeep

        numbered = _numbered(versions)
        with self._writable(there=True) as store:
            upkeep.drop(store, numbered)
        return [f"{catalog}@{version}" for catalog, version in numbered]

    def restore(self, *versions: str) -> list[str]:
        """Brings dropped versions back. Raises QueryError for one that was not dropped or whose files are gone; then
        nothing is changed."""
        from dqdata.catalog import upkeep

        numbered = _numbered(versions)
        with self._writable(there=True) as store:
            upkeep.restore(store, numbered)
        return [f"{catalog}@{version}" for catalog, version in numbered]

    def gc(self, *, dry_run: bool = False) -> Sequence[Garbage]:
        """Removes the files of dropped versions for good; dry_run only says which."""
        from dqdata.catalog import upkeep

        with self._writable(there=True) as store:
            return upkeep.collect(store, dry_run=dry_run)

    def verify(self, name: str | None = None) -> Verified:
        """Reads the data files of a catalog, a version or the whole store, and compares them with their checksums."""
        from dqdata.catalog import Store, upkeep

        with Store.open(self.place, read_only=True) as store:
            if name is None:
                return upkeep.verify(store)
            ref = catalog_ref(name)
            catalog, version = one_version(store, name)
            return upkeep.verify(store, catalog, version if ref is not None and ref.fixed else None)

    def models(self, name: str | None = None) -> Sequence[dict[str, Any]]:
        """Models trained into this store, or the versions of one, oldest first: the rows of dq_models."""
        from dqdata.catalog import Store

        with Store.open(self.place, read_only=True) as store:
            return store.models(name)

    def compare(
        self,
        *evaluations: str,
        models: Sequence[str] = (),
        against: str | None = None,
        published: bool = True,
    ) -> Sequence[Board]:
        """The newest scores of `eval` by evaluation, best first, with p-values of the difference from one model.

        evaluations, models: by default all. against: the model that the others are compared with, by default the first
        that was measured. published: also what others published on the same benchmark. Raises QueryError for a name
        that was not measured."""
        from dqdata.catalog import Store
        from dqdata.history.scores import scoreboard

        with Store.open(self.place, read_only=True) as store:
            boards = scoreboard(store, evaluations, models, against)
        return boards if published else [replace(board, published=()) for board in boards]

    def layout(
        self,
        files: Sequence[Path | str],
        *,
        columns: Mapping[str, str] | None = None,
        types: Mapping[str, str] | None = None,
        format: str | None = None,
        encoding: str | None = None,
        layout: str | None = None,
    ) -> Mapped | None:
        """How files with chats or traces of another tool would be read: their layout, what each column is made of, and
        what of the first rows is not understood. None where the files have no such layout. layout: the one to use, not
        the one that is found. Raises DataError by file and row."""
        from types import SimpleNamespace

        from dqdata.sources.chat_files import ChatFiles, ChatFilesParams, has_layout

        given = _file_params(files, columns, types, format, encoding) | {"layout": layout}
        source = ChatFiles(ChatFilesParams(**given), SimpleNamespace(root=Path.cwd()))
        return source.mapped() if layout is not None or has_layout(source) else None

    @outside_loop
    def import_files(
        self,
        files: Sequence[Path | str],
        into: str,
        *,
        columns: Mapping[str, str] | None = None,
        types: Mapping[str, str] | None = None,
        format: str | None = None,
        encoding: str | None = None,
        layout: str | None = None,
        namespace: str | None = None,
        license: str | None = None,
        out: TextIO | None = None,
    ) -> RunResult:
        """Makes a version of the catalog `into` from JSONL, Parquet, CSV or Arrow files, whose rows get ids where they
        have none. columns: new names to the files' own. types: DuckDB types by name. format, encoding: where the name
        of the file and UTF-8 are wrong. layout: of chats and traces of other tools (`layout` finds it); by default the
        rows are taken as they are. namespace: prefix of ids that come with the rows, by default the file's name; empty
        for ids of dqdata, as in an exported catalog. license: of the rows, as the Hub or SPDX calls it. out: gets the
        progress. Raises DataError by file and line or row."""
        from dqdata.engine.run import run_pipeline
        from dqdata.project.pipeline_table import Pipeline, SourceSpec
        from dqdata.project.tables import Project

        try:
            check_name(into)
        except InputError as error:
            raise ProjectError("import into", str(error)) from None
        license = None if license is None else checked(license)
        params = _file_params(files, columns, types, format, encoding)
        given = (("layout", layout), ("namespace", namespace))
        params |= {name: value for name, value in given if value is not None}
        pipeline = Pipeline(
            into=into,
            name=f"import_{into}",
            source=SourceSpec(kind="files" if layout is None else "chats", params=params),
            steps=(),
            license=license,
            where=f"import into {into}",
        )
        project = Project(
            path=Path.cwd() / "pipelines.toml",
            store=self.place,
            profile=self._profile,
            teachers={},
            pipelines={pipeline.name: pipeline},
            trainers={},
        )
        with self._writable() as store:
            return run_pipeline(project, pipeline.name, store, out=out)

    aimport_files = awaitable(import_files)

    def _writable(self, *, there: bool = False) -> Store:
        """there: raises StoreError where there is none, rather than make one."""
        from dqdata.catalog import Store

        if there and not Store.exists(self.place):
            return Store.open(self.place, read_only=True)
        return Store.open(self.place, group=self._group)


def _file_params(
    files: Sequence[Path | str],
    columns: Mapping[str, str] | None,
    types: Mapping[str, str] | None,
    format: str | None,
    encoding: str | None,
) -> dict[str, Any]:
    """Parameters of the source that reads files."""
    params: dict[str, Any] = {
        "path": [str(Path(file).absolute()) for file in files],
        "columns": dict(columns or {}),
        "types": dict(types or {}),
    }
    return params | {name: value for name, value in (("format", format), ("encoding", encoding)) if value is not None}


def _numbered(names: Sequence[str]) -> list[tuple[str, int]]:
    """Versions that are named by number, each once. Raises InputError for a name without one."""
    wanted: dict[tuple[str, int], None] = {}
    for text in names:
        ref = catalog_ref(text)
        if ref is None or ref.version is None:
            raise InputError(f"{text!r} names no version by its number: NAME@3", code="unknown-catalog")
        wanted[ref.name, ref.version] = None
    return sorted(wanted)


def _two_versions(store: Store, before: str, after: str | None) -> tuple[tuple[str, int], tuple[str, int]]:
    if after is not None:
        return one_version(store, before), one_version(store, after)
    named = catalog_ref(before)
    name, newest = one_version(store, named.name if named else before)
    if named is not None and named.fixed:
        return one_version(store, before), (name, newest)
    older = [version.version for version in store.versions(name) if version.version < newest]
    if not older:
        raise QueryError(
            f"{name} has one version only, and nothing to compare it with; name another catalog as well",
            code="unknown-catalog",
        )
    return (name, older[-1]), (name, newest)


def open_store(place: Path | str | StorePlace) -> Catalogs:
    """The catalogs of a store without its project: the folder that `[store] path` names, or a `StorePlace` with URLs. A
    store that is not there is made by `import_files`; whatever reads it raises StoreError before."""
    return Catalogs(place_of(Path(place) if isinstance(place, str) else place).absolute())
