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
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dqdata.aio import gather_all, inside_loop
from dqdata.calls.budget import Budget
from dqdata.calls.client import CallClient, Counters
from dqdata.calls.owner import LocalOwner, Owner
from dqdata.engine.bound import BoundOperator, PlannedOperator
from dqdata.engine.stop import StopSignal
from dqdata.engine.tasks import Job, Labels
from dqdata.engine.watch import Watch
from dqdata.errors import (
    OperatorError,
    RunError,
    Stopped,
)
from dqdata.files import make_folder
from dqdata.ledger import CallContext, Ledger
from dqdata.operator import Ask, Bound, Spread
from dqdata.project.check import NoStore
from dqdata.project.instances import check_keys, make_operator, make_teacher
from dqdata.project.pipeline_table import StepSpec
from dqdata.project.plan import Segment, Step
from dqdata.project.tables import Project, TeacherTable
from dqdata.sandbox import Sandbox
from dqdata.schema import Child, child_key
from dqdata.source import StoreView
from dqdata.teacher import Completion, Request, Teacher
from dqdata.workers.inline import InlinePool
from dqdata.workers.pool import Pool

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
log = logging.getLogger("dqdata")
PER_PLACE = 4
"""Requests of a table operator that are given to the loop together, for each call that may be in flight."""


class Runtime:
    """Opens teachers, workers and the sandbox when they are first asked for, and closes them all."""

    def __init__(
        self,
        project: Project,
        ledger: Ledger | Owner,
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
        replay: bool = False,
        inline: bool = False,
    ) -> None:
        """ledger: a ledger, with `budget` in front of it, or the owner of both, which may be in another process.
        teachers: those that were made when planning, with the models that were newest then. unpaid_rows_fail: where a
        budget ends, rows fail and the run goes on, instead of ending. pool: instead of one of `workers` processes.
        replay: no call is made and no key is needed; answers come from the ledger alone. inline: everything is done in
        this thread, and no deadline holds."""
        self._replay = replay
        self._unpaid_rows_fail = unpaid_rows_fail
        self.project, self.labels = project, labels
        self.owner = LocalOwner(ledger, budget) if isinstance(ledger, Ledger) else ledger
        self.stop = stop or StopSignal()
        self.pool = pool or (InlinePool() if inline else Pool(workers))
        self.watch = Watch(on=not inline)
        self.seed, self.memory_limit = seed, memory_limit
        self.scratch, self.store = scratch, store
        self._planned = teachers or {}
        self._on_change = on_change
        self._clients: dict[str, CallClient] = {}
        self._elsewhere: dict[str, Counters] = {}
        self._sandbox: Sandbox | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.waiting_elsewhere: Callable[[], Sequence[str]] = tuple
        """Of an executor whose processes call teachers: what their calls wait for."""
        self.spread: Spread | None = None
        """Of an executor that has several machines, which see the scratch folder."""

    async def __aenter__(self) -> Runtime:
        self.loop = asyncio.get_running_loop()
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
            if not self._replay:
                check_keys([table])
            teacher = self._planned.get(name) or make_teacher(table, self.store or NoStore())
            client = CallClient(
                teacher,
                table.limits,
                self.owner,
                name=name,
                on_change=self._on_change,
                unpaid_rows_fail=self._unpaid_rows_fail,
                replay=self._replay,
            )
            self.stop.on_set(lambda cause: client.end(Stopped(f"stopping: {cause}")))
            self._clients[name] = client
        return self._clients[name]

    def counters(self) -> list[Counters]:
        return [*(client.counters for client in self._clients.values()), *self._elsewhere.values()]

    def waiting(self) -> list[str]:
        """What calls of this process, and of those that an executor started, wait for, a teacher each."""
        return [*(text for client in self._clients.values() if (text := client.waiting())), *self.waiting_elsewhere()]

    def counters_by_name(self) -> dict[str, Counters]:
        """What the teachers did for this process."""
        return {name: client.counters for name, client in self._clients.items()}

    def add_counters(self, counters: Mapping[str, Counters]) -> None:
        """What they did for a task in another process."""
        for name, more in counters.items():
            self._elsewhere.setdefault(name, Counters()).add(more)

    def job(self, segment: Segment, target: Path) -> Job:
        """What the chunks of a segment have in common, for any process. Models that were trained here are those of the
        plan, whatever is trained meanwhile."""
        pinned = {
            name: _pinned(self.project.teachers[name], teacher)
            for name, teacher in self._planned.items()
            if teacher.trained is not None and name in self.project.teachers
        }
        project = self.project.model_copy(update={"teachers": {**self.project.teachers, **pinned}})
        return Job(
            project,
            segment,
            target.absolute(),
            self.labels,
            self.seed,
            self.memory_limit,
            self._unpaid_rows_fail,
            self._replay,
        )

    def concurrency(self, teachers: Sequence[str]) -> int:
        """Calls that may be in flight at once over these teachers."""
        return sum(self.client(name).limits.concurrency for name in teachers)

    def at_step(self, step: str, fingerprint: str) -> StepRun:
        return StepRun(self, step, fingerprint, {}, None)

    def at(self, step: Step) -> StepRun:
        """What a planned step works with."""
        return StepRun(self, step.spec.id, step.fingerprint, step.catalogs, step.children)

    def operator(self, name: str, params: Mapping[str, Any]) -> Bound:
        return self.at_step(name, name).operator(name, params)


class StepRun:
    """`dqdata.operator.Run` for one step."""

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        fingerprint: str,
        catalogs: Mapping[str, str],
        children: Mapping[str, Child] | None,
    ) -> None:
        """catalogs: queries of the catalogs that it may read. children: the operators that it may run, as planned;
        None outside a plan, where it may run any."""
        self._catalogs, self._children = catalogs, children
        self._runtime, self.step_name, self.step = runtime, name, fingerprint
        self.seed, self.memory_limit, self.watch = runtime.seed, runtime.memory_limit, runtime.watch

    @property
    def scratch(self) -> Path:
        if self._runtime.scratch is None:
            raise RunError("no scratch folder outside a pipeline")
        folder = self._runtime.scratch / self.step
        make_folder(folder)
        return folder

    @property
    def spread(self) -> Spread | None:
        return self._runtime.spread

    @property
    def sandbox(self) -> Sandbox:
        return self._runtime.sandbox

    def teacher(self, name: str) -> Ask:
        labels = self._runtime.labels
        context = CallContext(labels.run_id, labels.pipeline, self.step_name, name)
        return self._runtime.client(name).at(context)

    def answers(self, teacher: str, requests: Sequence[Request]) -> list[Completion]:
        """As `Run` says. Raises RunError outside a run, and in the thread of the engine's own loop."""
        loop, ask = self._runtime.loop, self.teacher(teacher)
        if loop is None or inside_loop():
            raise RunError(f"{self.step_name}: `run.answers` is for table operators; others await `run.teacher`")
        at_once = PER_PLACE * self._runtime.concurrency([teacher])
        made: list[Completion] = []
        for part in (requests[start : start + at_once] for start in range(0, len(requests), at_once)):
            asked = gather_all(ask.complete(request) for request in part)
            made += asyncio.run_coroutine_threadsafe(asked, loop).result()
        return made

    async def cpu(self, function: Callable[..., T], *args: Any, deadline: float) -> T:
        return await self._runtime.pool.call(function, *args, deadline=deadline)

    def operator(self, name: str, params: Mapping[str, Any]) -> Bound:
        if self._children is not None:
            child = self._children.get(child_key(name, params))
            if child is None:
                raise OperatorError(
                    f"{self.step_name} runs operator {name!r}, which wasn't planned: name it in `children`, and have "
                    "`columns` call schema.child with the same parameters"
                )
            return PlannedOperator(child, self.with_children(child.children), self._runtime.pool)
        spec = StepSpec(op=name, id=name, params=params, where=f"operator {name!r}")
        return BoundOperator(make_operator(spec, self._runtime.project.root), self, self._runtime.pool)

    def with_children(self, children: Mapping[str, Child]) -> StepRun:
        """The same for an operator that this one runs."""
        return StepRun(self._runtime, self.step_name, self.step, self._catalogs, children)

    def rows(self, catalog: str) -> pa.RecordBatchReader:
        if catalog not in self._catalogs:
            raise OperatorError(f"{self.step_name}: catalog {catalog!r} isn't among those the step was planned with")
        if self._runtime.store is None:
            raise RunError(f"{self.step_name}: there is no store to read catalog {catalog!r} from")
        return self._runtime.store.query(self._catalogs[catalog], repeatable=True)

    def log(self, message: str) -> None:
        log.info("%s: %s", self.step_name, message)


def _pinned(table: TeacherTable, teacher: Teacher[Any]) -> TeacherTable:
    """The table with the version of the trained model that its teacher answers with."""
    assert teacher.trained is not None
    model = teacher.trained.trained
    params = {
        key: model if isinstance(value, str) and value.startswith("trained:") else value
        for key, value in table.params.items()
    }
    return table.model_copy(update={"params": params})
