"""What a running operator can use: clients of teachers, the CPU pool, the sandbox, other operators.

    >>> async with Runtime(project, ledger, Labels(run_id, "quickstart")) as runtime:
    ...     run = runtime.at_step("verify", fingerprint)
    ...     [[outcome]] = await run.operator("verify_math", {})([{"answer": "4", "response": "It is 4."}])

A trainer gets one too: a reward is an operator bound through `runtime.operator`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from dqdata.aio import gather_all
from dqdata.calls.client import Budget, CallClient, Counters
from dqdata.engine.pieces import processed
from dqdata.engine.stop import StopSignal
from dqdata.engine.watch import Watch
from dqdata.errors import (
    PLUGIN_RAISES,
    DeadlineExceeded,
    DqdataError,
    OperatorError,
    RunError,
    Stopped,
    TeacherError,
    row_failure,
)
from dqdata.files import make_folder
from dqdata.ledger import CallContext, Ledger
from dqdata.operator import (
    BatchOperator,
    Bound,
    CallOperator,
    Operator,
    Outcome,
    Reject,
    Row,
    RowOperator,
)
from dqdata.project.check import NoStore
from dqdata.project.instances import check_keys, make_operator, make_teacher
from dqdata.project.tables import Project, StepSpec
from dqdata.sandbox import Sandbox
from dqdata.source import StoreView
from dqdata.teacher import Teacher
from dqdata.workers.pool import Pool

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
log = logging.getLogger("dqdata")


@dataclass(frozen=True)
class Labels:
    """What calls are stored under in the ledger."""

    run_id: str
    pipeline: str


class Runtime:
    """Opens teachers, workers and the sandbox when they are first asked for, and closes them all."""

    def __init__(
        self,
        project: Project,
        ledger: Ledger,
        labels: Labels,
        *,
        budget: Budget | None = None,
        stop: StopSignal | None = None,
        workers: int | None = None,
        seed: int = 0,
        memory_limit: int = 2 << 30,
        scratch: Path | None = None,
        on_change: Callable[[Counters], None] | None = None,
        store: StoreView | None = None,
        teachers: Mapping[str, Teacher[Any]] | None = None,
        unpaid_rows_fail: bool = False,
        pool: Pool | None = None,
    ) -> None:
        """teachers: those that were made when planning, with the models that were newest then. unpaid_rows_fail: where
        a budget ends, rows fail and the run goes on, instead of ending. pool: instead of one of `workers` processes."""
        self._unpaid_rows_fail = unpaid_rows_fail
        self.project, self.ledger, self.labels = project, ledger, labels
        self.budget = budget or Budget()
        self.stop = stop or StopSignal()
        self.pool = pool or Pool(workers)
        self.watch = Watch()
        self.seed, self.memory_limit = seed, memory_limit
        self.scratch, self.store = scratch, store
        self._planned = teachers or {}
        self._on_change = on_change
        self._clients: dict[str, CallClient] = {}
        self._sandbox: Sandbox | None = None

    async def __aenter__(self) -> Runtime:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.close()
        self.watch.close()
        self.close_sandbox()
        await asyncio.to_thread(self.pool.close)

    @property
    def sandbox(self) -> Sandbox:
        if self._sandbox is None:
            self._sandbox = Sandbox(self.project.sandbox.mode, pool=self.pool)
        return self._sandbox

    def close_sandbox(self) -> None:
        """Ends its processes; the next use starts others."""
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def client(self, name: str) -> CallClient:
        if name not in self._clients:
            table = self.project.teacher(name)
            check_keys([table])
            teacher = self._planned.get(name) or make_teacher(table, self.store or NoStore())
            client = CallClient(
                teacher,
                table.limits,
                self.ledger,
                self.budget,
                on_change=self._on_change,
                unpaid_rows_fail=self._unpaid_rows_fail,
            )
            self.stop.on_set(lambda cause: client.end(Stopped(f"stopping: {cause}")))
            self._clients[name] = client
        return self._clients[name]

    def counters(self) -> list[Counters]:
        return [client.counters for client in self._clients.values()]

    def concurrency(self, teachers: Sequence[str]) -> int:
        """Calls that may be in flight at once over these teachers."""
        return sum(self.client(name).limits.concurrency for name in teachers)

    def at_step(self, step: str, fingerprint: str, catalogs: Mapping[str, str] | None = None) -> StepRun:
        return StepRun(self, step, fingerprint, catalogs or {})

    def operator(self, name: str, params: Mapping[str, Any]) -> Bound:
        return self.at_step(name, name).operator(name, params)


class StepRun:
    """`dqdata.operator.Run` for one step."""

    def __init__(self, runtime: Runtime, name: str, fingerprint: str, catalogs: Mapping[str, str]) -> None:
        self._catalogs = catalogs
        self._runtime, self._name, self.step = runtime, name, fingerprint
        self.seed, self.memory_limit, self.watch = runtime.seed, runtime.memory_limit, runtime.watch

    @property
    def scratch(self) -> Path:
        if self._runtime.scratch is None:
            raise RunError("no scratch folder outside a pipeline")
        folder = self._runtime.scratch / self.step
        make_folder(folder)
        return folder

    @property
    def kept(self) -> Path:
        return self._runtime.project.ledger_path.parent

    @property
    def sandbox(self) -> Sandbox:
        return self._runtime.sandbox

    def teacher(self, name: str) -> Teacher[Any]:
        labels = self._runtime.labels
        context = CallContext(labels.run_id, labels.pipeline, self._name, name)
        return self._runtime.client(name).at(context)

    async def cpu(self, function: Callable[..., T], *args: Any, deadline: float) -> T:
        return await self._runtime.pool.call(function, *args, deadline=deadline)

    def operator(self, name: str, params: Mapping[str, Any]) -> Bound:
        spec = StepSpec(op=name, id=name, params=params, where=f"operator {name!r}")
        operator = make_operator(spec, self._runtime.project.root)
        return _BoundOperator(operator, self, self._runtime.pool)

    def rows(self, catalog: str) -> pa.RecordBatchReader:
        if catalog not in self._catalogs:
            raise OperatorError(f"{self._name}: catalog {catalog!r} isn't among those the step was planned with")
        if self._runtime.store is None:
            raise RunError(f"{self._name}: there is no store to read catalog {catalog!r} from")
        return self._runtime.store.query(self._catalogs[catalog], repeatable=True)

    def log(self, message: str) -> None:
        log.info("%s: %s", self._name, message)


class _BoundOperator:
    def __init__(self, operator: Operator[Any], run: StepRun, pool: Pool) -> None:
        if not isinstance(operator, RowOperator | BatchOperator | CallOperator):
            raise OperatorError(f"operator {operator.name!r} must see every row: it can be a step, but not be bound")
        self._operator, self._run, self._pool = operator, run, pool

    async def __call__(self, rows: Sequence[Row]) -> list[Sequence[Outcome]]:
        if isinstance(self._operator, RowOperator):
            return [[outcome] for outcome in await self._pool.map_rows(self._operator, rows)]
        if isinstance(self._operator, CallOperator):
            return await gather_all(outcomes_of(self._operator, row, self._run) for row in rows)
        return await self._batch(self._operator, rows)

    async def _batch(self, operator: BatchOperator[Any], rows: Sequence[Row]) -> list[Sequence[Outcome]]:
        """Rows outside a pipeline may lack keys: they are numbered while the operator has them."""
        numbered = [{**row, "problem_id": str(n), "trace_id": str(n)} for n, row in enumerate(rows)]
        frame = pl.DataFrame(numbered, infer_schema_length=None)
        done = await processed(self._pool, operator, frame)
        outcomes: list[Sequence[Outcome]] = [[] for _ in rows]
        for made in (row for part in done.rows for row in part.iter_rows(named=True)):
            number = int(made["trace_id"])
            ids = {key: rows[number][key] for key in ("problem_id", "trace_id") if key in rows[number]}
            kept = {name: value for name, value in made.items() if name not in ("problem_id", "trace_id")}
            outcomes[number] = [{**kept, **ids}]
        for gone in (row for part in done.dropped for row in part.iter_rows(named=True)):
            outcomes[int(gone["trace_id"])] = [Reject(gone["reason"], gone["detail"])]
        for gone in (row for part in done.failed for row in part.iter_rows(named=True)):
            outcomes[int(gone["trace_id"])] = [Reject(gone["reason"], gone["detail"], kind="failed")]
        return outcomes


async def outcomes_of(operator: CallOperator[Any], row: Row, run: StepRun) -> Sequence[Outcome]:
    """What a call operator makes of a row, failures of the row alone included."""
    try:
        return await run.watch.row(operator.process(row, run), operator.deadline)
    except TeacherError as error:
        if error.kind == "fatal":
            raise
        return [Reject(error.reason, str(error), kind="failed", retryable=error.kind == "retryable")]
    except DeadlineExceeded as error:
        return [Reject("timeout", str(error), kind="failed")]
    except DqdataError:
        raise
    except PLUGIN_RAISES as error:
        failure = row_failure(error)
        return [Reject(failure.reason, failure.detail, kind="failed")]
