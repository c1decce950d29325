"""The contract of an operator: what a step of a pipeline is.

    class Shout(BatchOperator[NoParams]):
        "Writes questions in capitals."
        name = "shout"

        def columns(self, have: Columns, schema: Schema) -> Columns:
            return have.require("question", "VARCHAR")

        def process(self, batch: pl.DataFrame) -> Batch:
            return Batch(batch.with_columns(pl.col("question").str.to_uppercase()))

Four kinds, by what they wait for:

    RowOperator      CPU work on one row that could hang; each row has a deadline after which its worker is killed
    BatchOperator    CPU work on a few hundred rows at a time; pure; runs in worker processes; a deadline per row too
    CallOperator     waits on a teacher, a judge or a sandbox; one row in, any number out; a deadline for its own code
    TableOperator    must see every row: deduplicate, mix, pair, split

An operator is found by its entry point in the group `dqdata.operators`. Columns it doesn't know pass through. What it
drops it drops with a reason; the engine counts ids after each step, and no row vanishes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar

from dqdata.columns import Columns
from dqdata.params import CatalogRef as CatalogRef
from dqdata.params import EmbeddingName as EmbeddingName
from dqdata.params import InOrder as InOrder
from dqdata.params import NoParams as NoParams
from dqdata.params import P, marked
from dqdata.params import Params as Params
from dqdata.params import PromptFile as PromptFile
from dqdata.params import ScorerName as ScorerName
from dqdata.params import SqlExpression as SqlExpression
from dqdata.params import TeacherName as TeacherName
from dqdata.schema import Schema as Schema

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    import pyarrow as pa

    from dqdata.sandbox import Sandbox
    from dqdata.teacher import Completion, Request

Row: TypeAlias = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class CallEstimate:
    """Calls to one teacher: how many, and tokens over all of them."""

    calls: float
    input_tokens: float
    output_tokens: float


@dataclass(frozen=True)
class Estimate:
    """What a step is expected to do: rows that come out, and calls by teacher name."""

    rows: float
    calls: Mapping[str, CallEstimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that is rejected. `row` is the new row where the operator had made one, else the row that came in.

    kind: "dropped" (the operator decided) or "failed" (an error). reason: a short word, counted; detail: free text.
    retryable: a failed row that another run may save; such a run stays resumable (TeacherError.kind == "retryable").
    """

    reason: str
    detail: str = ""
    kind: Literal["dropped", "failed"] = "dropped"
    row: Row | None = None
    retryable: bool = False


Outcome: TypeAlias = "Row | Reject"


@dataclass(frozen=True)
class Batch:
    """Result of a batch step: the rows that stay (same key, columns as planned) and, of the others, a frame with the
    key column, `reason` and `detail`, all VARCHAR."""

    rows: pl.DataFrame
    dropped: pl.DataFrame | None = None


@dataclass(frozen=True)
class Decisions:
    """Result of a table step that keeps or drops rows; the engine joins it to the rows out of core.

    dropped: key, reason, detail. added: key and new columns, for every row that stays (None: no new columns).
    Frames are eager or lazy.
    """

    dropped: pl.DataFrame | pl.LazyFrame
    added: pl.DataFrame | pl.LazyFrame | None = None


@dataclass(frozen=True)
class NewRows:
    """Result of a table step that makes rows of a new kind.

    rows: frames with the planned columns and `parent_ids`; a null key is filled by the engine from the parents.
    dropped: key, reason, detail of each row that came in and is parent of none.
    """

    rows: Iterable[pl.DataFrame]
    dropped: pl.DataFrame | pl.LazyFrame


class Table(Protocol):
    """All rows at a table step, on disk; nothing here loads them whole."""

    @property
    def columns(self) -> Columns: ...
    @property
    def key(self) -> str: ...
    @property
    def rows(self) -> int: ...
    def scan(self, columns: Sequence[str] | None = None) -> pl.LazyFrame: ...
    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]: ...
    def connect(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with the rows as the view `rows`, its memory capped; spills to disk. Close it."""
        ...


class Ask(Protocol):
    """A teacher as an operator sees it, with ledger, limits and budget in front: an answered request is never asked
    again."""

    @property
    def model(self) -> str:
        """Model name as plans and rows show it."""
        ...

    async def complete(self, request: Request) -> Completion:
        """One answer. Raises TeacherError, and what ends the run."""
        ...


class Spread(Protocol):
    """Applies functions of modules to values that can be pickled, on all machines of a run that see its scratch."""

    def __call__(
        self, function: Callable[[Any], Any], values: Sequence[Any], gather: Callable[[Any], Any] | None = None
    ) -> Iterator[Any]:
        """The results in order. gather: what is made of each result, in one process on the machine of the run, so that
        a file has one writer; the results are then what it returns."""
        ...


class Run(Protocol):
    """What the engine hands to an operator at work."""

    @property
    def step(self) -> str:
        """Fingerprint of this step."""
        ...

    @property
    def seed(self) -> int: ...
    @property
    def memory_limit(self) -> int:
        """Bytes that a table operator may hold."""
        ...

    @property
    def scratch(self) -> Path:
        """An empty folder of this step's own, removed after it."""
        ...

    @property
    def spread(self) -> Spread | None:
        """For table operators, on several machines. Files in `scratch` are there under the same paths. None where one
        machine does all."""
        ...

    @property
    def sandbox(self) -> Sandbox: ...
    def teacher(self, name: str) -> Ask:
        """The teacher of that `[teachers.NAME]` table."""
        ...

    def answers(self, teacher: str, requests: Sequence[Request]) -> list[Completion]:
        """Answers of a teacher for a table operator, which works in a thread of its own: all of them, in order. Raises
        TeacherError for the first that failed, after those in flight have ended and are in the ledger."""
        ...

    async def cpu(self, function: Callable[..., T], *args: Any, deadline: float) -> T:
        """`function(*args)` in a worker that is killed after `deadline` seconds (DeadlineExceeded). The function is a
        module's own, so that a worker can import it; exceptions come back as they were raised."""
        ...

    def operator(self, name: str, params: Mapping[str, Any]) -> Bound:
        """Another operator to await, by name, under the same rules as a step: one that `schema.child` planned, with
        the same parameters. Its rows have the planned columns and types, and each is accounted for."""
        ...

    def rows(self, catalog: str) -> pa.RecordBatchReader:
        """All rows of a catalog that a parameter marked CatalogRef names, in the version the plan pinned it to."""
        ...

    def log(self, message: str) -> None: ...


class Operator(ABC, Generic[P]):
    """Base of all four kinds. Subclasses set `name`, and `Params` where they have parameters.

    `version` goes up when the same rows would give another result: it is part of the fingerprint.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    reasons: ClassVar[Mapping[str, str]] = {}
    """Reasons of rejects that are this operator's own, with their meaning: `dqdata explain REASON` shows them."""
    reads_scores: ClassVar[tuple[str, ...]] = ()
    """Names of the scores that its scorers must give; empty where it takes any."""
    Params: ClassVar[type[Params]] = NoParams
    compares: ClassVar[bool] = False
    """Whether rows of the catalogs that it reads decide on its rows alone, and nothing of them becomes part of these:
    their licences then bind nobody who gets its rows."""

    def __init__(self, params: P) -> None:
        self._params = params
        self._tokens: Mapping[str, float] = {}

    @property
    def params(self) -> P:
        return self._params

    @abstractmethod
    def columns(self, have: Columns, schema: Schema) -> Columns:
        """Columns after this step. Raises ColumnError where one is missing or of another type. Pure: it keeps nothing
        for `process`, which may be called on another instance."""

    def estimate(self, rows: float) -> Estimate:
        """What `rows` rows are expected to cost. The default makes no call and keeps every row."""
        return Estimate(rows)

    def at_most(self, rows: float) -> Estimate:
        """What `rows` rows can cost at worst: every sample drawn, every repetition needed, every answer as long as it
        may be (`math.inf` tokens where nothing bounds it). The default is `estimate`."""
        return self.estimate(rows)

    def expect(self, tokens: Mapping[str, float]) -> None:
        """The plan reports how many tokens the texts of each column have, before `estimate` (on average) and before
        `at_most` (of the longest)."""
        self._tokens = tokens

    def tokens_of(self, column: str, otherwise: float) -> float:
        """Tokens of a column's texts as `expect` gave them; `otherwise` for a column of unknown texts."""
        return self._tokens.get(column, otherwise)

    def teachers(self) -> tuple[str, ...]:
        """Names of the teachers it calls; by default every parameter marked TeacherName or ScorerName, and those of
        `embedders`."""
        named = (str(value) for kind in ("teacher", "scorer") for value in self._marked(kind))
        return tuple(dict.fromkeys((*named, *self.embedders())))

    def scorers(self) -> tuple[str, ...]:
        """Those of its teachers that must give scores; the others must write. By default every parameter marked
        ScorerName."""
        return tuple(dict.fromkeys(str(value) for value in self._marked("scorer")))

    def embedders(self) -> tuple[str, ...]:
        """Those of its teachers that must embed texts: by default every parameter marked EmbeddingName that says
        `teacher:NAME`."""
        said = (str(value) for value in self._marked("embedding"))
        return tuple(dict.fromkeys(one.removeprefix("teacher:") for one in said if one.startswith("teacher:")))

    def files(self) -> tuple[Path, ...]:
        """Files whose bytes are part of the fingerprint; by default every parameter marked PromptFile. An operator
        with prompts of its own adds them."""
        return tuple(Path(value) for value in self._marked("file"))

    def catalogs(self) -> tuple[str, ...]:
        """Catalogs it will ask `run.rows` for; by default every parameter marked CatalogRef."""
        return tuple(dict.fromkeys(str(value) for value in self._marked("catalog")))

    def children(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Operators it will ask `run.operator` for, as (name, params): their teachers and fingerprints are part of this
        step. `columns` plans each of them that the rows allow with `schema.child`."""
        return ()

    def requires(self) -> tuple[str, ...]:
        """Distributions that it needs with these parameters and that dqdata itself does not: `check`, `plan` and
        `doctor` report those that are not installed before a row is read. Names of packages as pip takes them,
        or `dqdata[EXTRA]`."""
        return ()

    def _marked(self, refers_to: str) -> Iterator[Any]:
        yield from marked(self._params, refers_to)


class RowOperator(Operator[P]):
    """CPU work on one row that could hang. Pure: the same row gives the same outcome, in any process.

    `deadline` in seconds bounds one row; past it the worker is killed and `timed_out` says what becomes of the row.
    """

    @property
    def deadline(self) -> float:
        return 10.0

    @abstractmethod
    def process(self, row: Row) -> Outcome: ...

    def timed_out(self, row: Row) -> Outcome:
        return Reject("timeout", f"no result after {self.deadline:g} s", kind="failed")


class BatchOperator(Operator[P]):
    """CPU work on a frame of rows. Pure, and each row's result independent of its neighbours.

    `deadline` in seconds bounds one row. A frame that takes longer than its rows may is cut into pieces until the row
    is alone that takes too long, or crashes the worker; it fails, and the others go on.
    """

    @property
    def deadline(self) -> float:
        return 10.0

    @abstractmethod
    def process(self, batch: pl.DataFrame) -> Batch: ...


class CallOperator(Operator[P]):
    """Waits on a teacher, a judge or a sandbox: one row in, any number out.

    A row that comes back with the key it had is the same row, kept. Other rows are its children: a null key is filled
    by the engine, and `parent_id` too where the column is planned. An empty result is an error: return a Reject.

    `deadline` in seconds bounds what the operator's own code takes without awaiting: all rows share one event loop, so
    what takes long belongs into `run.cpu`. A row past it fails.
    """

    @property
    def deadline(self) -> float:
        return 10.0

    @abstractmethod
    async def process(self, row: Row, run: Run) -> Sequence[Outcome]: ...


class TableOperator(Operator[P]):
    """Must see every row. May be slow, must be bounded in memory by `run.memory_limit`."""

    @abstractmethod
    def process(self, table: Table, run: Run) -> Decisions | NewRows: ...


class Bound(Protocol):
    """An operator ready to be awaited on rows outside a pipeline: in another operator, or as a reward."""

    @property
    def columns(self) -> Columns | None:
        """Columns that its rows have, as planned; None outside a plan."""
        ...

    async def __call__(self, rows: Sequence[Row]) -> list[Sequence[Outcome]]:
        """Outcomes for each row, in the rows' order."""
        ...


class Runtime(Protocol):
    """Who can bind operators: the engine in a run, or the one a trainer is given."""

    def operator(self, name: str, params: Mapping[str, Any]) -> Bound: ...


def bind(name: str, params: Mapping[str, Any], runtime: Runtime) -> Bound:
    """The one way anyone calls an operator outside a pipeline.

    >>> outcomes = await bind("verify_math", {}, run)([{"answer": "4", "response": "So it is 4."}])
    """
    return runtime.operator(name, params)
