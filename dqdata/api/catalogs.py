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
from dqdata.api.rows import Rows
from dqdata.errors import InputError, ProjectError, QueryError
from dqdata.refs import LATEST, REJECTS_SUFFIX, as_query, catalog_ref, check_name, owner
from dqdata.sql import quoted

if TYPE_CHECKING:
    from dqdata.catalog import Store, Version
    from dqdata.columns import Columns
    from dqdata.engine.run import RunResult
    from dqdata.exchange.example import Kind
    from dqdata.exchange.export import Exported
    from dqdata.history.diff import Diff
    from dqdata.history.lineage import Node
    from dqdata.history.scores import Board
    from dqdata.history.why import Why
    from dqdata.sources.chat_files import Mapped
    from dqdata.training.export import Exported as ExportedModel


class Catalog(Rows):
    """The rows of one version of a catalog, or of what it rejected. Versions never change."""

    def __init__(self, store: Path, name: str, info: Version, columns: Columns) -> None:
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


class Catalogs:
    """One store. Each method sees what was committed when it was called."""

    def __init__(self, store: Path, *, group: bool | None = None, profile: str = "") -> None:
        """group: whether the store is for its group too; None leaves that as it is. profile: what runs are recorded
        with."""
        self.store_path, self._group, self._profile = store, group, profile

    def sql(self, query: str, *, local_files: bool = False) -> Rows:
        """The rows of a query over catalogs: `name` is the newest version, `name@3` the third, `name__rejects` what was
        rejected; dq_versions, dq_runs, dq_models, dq_metrics and ledger.calls are there too. local_files: the query may
        read local files as well; the network never. Raises QueryError, StoreError."""
        from dqdata.catalog import Store

        with Store.open(self.store_path, read_only=True) as store:
            return Rows(self.store_path, store.pinned(query, local_files=local_files), local_files=local_files)

    def catalog(self, name: str) -> Catalog:
        """A version of a catalog: `problems`, `problems@latest`, `problems@3`, `problems__rejects@3`. Raises QueryError
        for one that does not exist."""
        from dqdata.catalog import Store

        ref = catalog_ref(name)
        if ref is None:
            raise QueryError(f"{name!r} names no catalog: write name, name@3 or name@{LATEST}; `sql` takes queries")
        with Store.open(self.store_path, read_only=True) as store:
            versions = store.versions(owner(ref.name))
            info = versions[-1] if ref.version is None else store.version(ref.name, ref.version)
            return Catalog(self.store_path, ref.name, info, store.schema(ref.name, info.version))

    def versions(self, catalog: str | None = None) -> Sequence[Version]:
        """Versions of a catalog, or of all, oldest first. Raises QueryError for an unknown catalog."""
        from dqdata.catalog import Store

        with Store.open(self.store_path, read_only=True) as store:
            return store.versions(catalog)

    def diff(self, before: str, after: str | None = None, *, examples: int = 3) -> Diff:
        """Compares two versions: rows added, removed and changed, and the causes in their recipes.

        before, after: `NAME@3`, or `NAME` for the newest. With `before` alone: `NAME` compares the last two versions,
        `NAME@3` the third with the newest. examples: rows of each kind to quote. Raises QueryError for unknown
        versions, and for catalogs whose rows have different keys.
        """
        from dqdata.catalog import Store
        from dqdata.history.diff import diff

        with Store.open(self.store_path, read_only=True) as store:
            return diff(store, *_two_versions(store, before, after), examples=examples)

    def lineage(self, version: str) -> Node:
        """What a version (`NAME@3`, or `NAME` for the newest) was made from, and what was made from it. Raises
        QueryError for an unknown version."""
        from dqdata.catalog import Store
        from dqdata.history.lineage import lineage

        with Store.open(self.store_path, read_only=True) as store:
            return lineage(store, *_one_version(store, version))

    def why(self, row_id: str, *, within: str | None = None) -> Why:
        """Where the row with this problem_id, trace_id or pair_id came from, which catalogs kept it and which steps
        rejected it. within: a version to look in, instead of the newest of all catalogs. Raises QueryError where the
        id occurs in none."""
        from dqdata.catalog import Store
        from dqdata.history.why import why

        with Store.open(self.store_path, read_only=True) as store:
            return why(store, row_id, within=None if within is None else _one_version(store, within))

    def models(self, name: str | None = None) -> Sequence[dict[str, Any]]:
        """Models trained into this store, or the versions of one, oldest first: the rows of dq_models."""
        from dqdata.catalog import Store

        with Store.open(self.store_path, read_only=True) as store:
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

        with Store.open(self.store_path, read_only=True) as store:
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
        out: TextIO | None = None,
    ) -> RunResult:
        """Makes a version of the catalog `into` from JSONL, Parquet, CSV or Arrow files, whose rows get ids where they
        have none. columns: new names to the files' own. types: DuckDB types by name. format, encoding: where the name
        of the file and UTF-8 are wrong. layout: of chats and traces of other tools (`layout` finds it); by default the
        rows are taken as they are. out: gets the progress. Raises DataError by file and line or row."""
        from dqdata.engine.run import run_pipeline
        from dqdata.project.tables import Pipeline, Project, SourceSpec

        try:
            check_name(into)
        except InputError as error:
            raise ProjectError("import into", str(error)) from None
        params = _file_params(files, columns, types, format, encoding)
        if layout is not None:
            params["layout"] = layout
        pipeline = Pipeline(
            into=into,
            name=f"import_{into}",
            source=SourceSpec(kind="files" if layout is None else "chats", params=params),
            steps=(),
            where=f"import into {into}",
        )
        project = Project(
            path=Path.cwd() / "pipelines.toml",
            store_path=self.store_path,
            profile=self._profile,
            teachers={},
            pipelines={pipeline.name: pipeline},
            trainers={},
        )
        with self._writable() as store:
            return run_pipeline(project, pipeline.name, store, out=out)

    def export_to(self, what: str, to: str, folder: Path | str, *, kind: Kind | None = None) -> Exported:
        """Writes a catalog (`NAME`, `NAME@3`) or the rows of a query into a new folder, in the format of another tool.

        to: llama-factory, ms-swift, verl, trl, verifiers, openrlhf, axolotl; jsonl, parquet, csv, hf hold the rows as
        they are. kind: sft, preference, prompt or unpaired, where the rows could be for several. Raises DataError, by
        row, for what the format cannot hold.
        """
        from dqdata.catalog import Store
        from dqdata.exchange.export import export

        ref = catalog_ref(what)
        with Store.open(self.store_path, read_only=True) as store:
            return export(store, as_query(what), ref.name if ref else "rows", to, Path(folder), kind)

    def export_model(self, name: str, target: Path | str) -> ExportedModel:
        """Writes a model trained here, `trained:NAME@2`, to a folder that vLLM and transformers serve, or to one .gguf
        file. Raises InputError for an unknown model and StoreError where the target cannot be written."""
        from dqdata.catalog import Store
        from dqdata.training.export import export_model

        with Store.open(self.store_path, read_only=True) as store:
            return export_model(store, name, Path(target))

    aimport_files = awaitable(import_files)

    def _writable(self) -> Store:
        from dqdata.catalog import Store

        return Store.open(self.store_path, group=self._group)


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


def _one_version(store: Store, text: str) -> tuple[str, int]:
    """The catalog and version that NAME or NAME@VERSION means. Raises QueryError for anything else."""
    named = catalog_ref(text)
    if named is None:
        raise QueryError(f"{text!r} is no version of a catalog: NAME, NAME@3 or NAME@{LATEST}", code="unknown-catalog")
    return named.name, store.versions(named.name)[-1].version if named.version is None else named.version


def _two_versions(store: Store, before: str, after: str | None) -> tuple[tuple[str, int], tuple[str, int]]:
    if after is not None:
        return _one_version(store, before), _one_version(store, after)
    named = catalog_ref(before)
    name, newest = _one_version(store, named.name if named else before)
    if named is not None and named.version is not None:
        return _one_version(store, before), (name, newest)
    older = [version.version for version in store.versions(name) if version.version < newest]
    if not older:
        raise QueryError(
            f"{name} has one version only, and nothing to compare it with; name another catalog as well",
            code="unknown-catalog",
        )
    return (name, older[-1]), (name, newest)


def open_store(path: Path | str) -> Catalogs:
    """The catalogs of a store without its project: the folder that `[store] path` names. A store that is not there is
    made by `import_files`; whatever reads it raises StoreError before."""
    return Catalogs(Path(path).absolute())
