"""The contract of a source, which supplies rows.

    class Squares(Source[SquaresParams]):
        "`from = { source = 'squares', rows = 100 }`"
        kind = "squares"

        def schema(self) -> Columns: return Columns({"question": "VARCHAR", "answer": "VARCHAR"})
        def fingerprint(self) -> str: return digest("squares", str(self.params.rows))
        def batches(self) -> Iterator[pa.RecordBatch]: ...

A source yields Arrow batches with the planned columns, in the same order each time. It need not give ids: the engine
fills `problem_id` and `trace_id`. Found by its entry point in the group `dqdata.sources`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol

from dqdata.columns import Columns
from dqdata.params import NoParams, P, Params

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class TrainedModel(NamedTuple):
    """A model made here. folder: None for one that is still to be trained, of which a check knows the `scores` that it
    will give."""

    name: str
    version: int
    folder: Path | None
    scores: tuple[str, ...] = ()


class StoreView(Protocol):
    """The little that planning and sources see of the store; the command line hands it in."""

    @property
    def id_scheme(self) -> str:
        """How problems are named there: a name in `dqdata.ids.SCHEMES`."""
        ...

    def latest(self, catalog: str) -> int | None:
        """Newest version of a catalog, None where there is none."""
        ...

    def schema(self, catalog: str, version: int) -> Columns: ...
    def row_count(self, catalog: str, version: int) -> int: ...
    def find(self, fingerprint: str) -> tuple[str, int] | None:
        """The (catalog, version) that this recipe made already, whole; None where it hasn't run."""
        ...

    def trained(self, name: str | None = None) -> Sequence[TrainedModel]:
        """Models trained here, or the versions of one: oldest first, the one that `@latest` means last."""
        ...

    def query_columns(self, sql: str) -> tuple[str, Columns]:
        """The SQL with bare names and `@latest` pinned to versions, and its columns; reads no rows. QueryError."""
        ...

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Read-only connection that understands `name@3` once SQL went through `query_columns`."""
        ...

    def query(self, sql: str, *, repeatable: bool = False) -> pa.RecordBatchReader:
        """The rows as they come; with `repeatable` in the same order each time."""
        ...


class SourceContext(Protocol):
    @property
    def root(self) -> Path:
        """Folder of pipelines.toml: relative paths start here."""
        ...

    @property
    def store(self) -> StoreView: ...
    @property
    def grows(self) -> bool:
        """Whether later runs find more rows there: a pipeline with `mode = "append"`."""
        ...


class Source(ABC, Generic[P]):
    """Yields rows. Built when planning; `batches` is called when running, perhaps again after a crash."""

    kind: ClassVar[str]
    Params: ClassVar[type[Params]] = NoParams

    def __init__(self, params: P, context: SourceContext) -> None:
        self.params = params
        self.context = context

    @abstractmethod
    def schema(self) -> Columns:
        """Columns it will yield. May read headers or a bounded sample. Raises InputError."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when the rows would: content hash of files, commit of a hub set, version of a catalog."""

    def reads(self) -> Sequence[str]:
        """Versions of catalogs whose rows it yields, such as `problems@3`; recorded in the recipe."""
        return ()

    def license(self) -> str:
        """Licence of the rows where the source itself knows it, by the Hub's name; empty where it does not. The key
        `license` of a pipeline takes precedence over it."""
        return ""

    def row_count(self) -> int | None:
        """Number of rows where that is known without reading them all."""
        return None

    def sample(self, rows: int) -> Sequence[Mapping[str, Any]]:
        """The first rows, for estimates, where reading them is quick; none otherwise. May raise InputError."""
        return ()

    def namespace(self) -> str:
        """Prefix for ids that came with the rows; empty for ids that are dqdata's own already."""
        return self.kind

    @abstractmethod
    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, always in the same order. Raises DataError that names file and line."""
